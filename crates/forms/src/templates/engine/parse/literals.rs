//! Names and what is written out in a template: texts, numbers, lists, objects.

use super::super::tree::{Entry, Expr};
use super::expression::{Deep, Parser};
use crate::templates::TemplateError;
use crate::templates::scan::lex::Token;
use crate::templates::scan::names;

/// Items of a list or entries of an object that is written out.
const MAX_ITEMS: usize = 256;
/// Bytes of a number that is written out.
const MAX_DIGITS: usize = 40;

impl Parser<'_, '_> {
    pub(super) fn primary(&mut self, level: usize) -> Result<Deep, TemplateError> {
        let leaf = match self.ahead(0) {
            Some(Token::Text(text)) => Expr::Text(
                unescaped(text)
                    .ok_or_else(|| {
                        self.error("this text has a \\ before something unknown; write \\\\ for a \\ itself")
                    })?
                    .into(),
            ),
            Some(Token::Number(digits)) => number(digits)
                .ok_or_else(|| self.error("this number is too large or not a number; write it as 12 or 1.5"))?,
            Some(Token::Ident("true" | "True")) => Expr::Bool(true),
            Some(Token::Ident("false" | "False")) => Expr::Bool(false),
            Some(Token::Ident("none" | "None")) => Expr::None,
            Some(Token::Ident(word)) if names::is_variable(word) || matches!(*word, "loop" | "self") => {
                Expr::Name((*word).into())
            }
            Some(Token::Symbol("(")) => return self.bracket(level),
            Some(Token::Symbol("[")) => {
                self.skip(1);
                return self.items(Vec::new(), "]", level);
            }
            Some(Token::Symbol("{")) => return self.object(level),
            _ => return Err(self.unexpected("write a field, a text or a number")),
        };
        self.skip(1);
        Ok(Deep::leaf(leaf))
    }

    /// `(a)`, or `(a, b)`, which is a list.
    fn bracket(&mut self, level: usize) -> Result<Deep, TemplateError> {
        self.skip(1);
        if self.takes_symbol(")") {
            return Ok(Deep::leaf(Expr::List(Vec::new())));
        }
        let first = self.expression(level + 1)?;
        if self.takes_symbol(")") {
            return Ok(first);
        }
        self.wants_symbol(",")?;
        self.items(vec![first], ")", level)
    }

    fn items(&mut self, mut items: Vec<Deep>, close: &str, level: usize) -> Result<Deep, TemplateError> {
        while !self.takes_symbol(close) {
            self.few(items.len())?;
            items.push(self.expression(level + 1)?);
            if !self.takes_symbol(",") {
                self.wants_symbol(close)?;
                break;
            }
        }
        let depth = items.iter().fold(0, |depth, item| depth.max(item.depth));
        let items = items.into_iter().map(|item| item.expr);
        self.deeper(Expr::List(items.collect()), depth)
    }

    fn object(&mut self, level: usize) -> Result<Deep, TemplateError> {
        self.skip(1);
        let mut entries = Vec::new();
        let mut depth = 0;
        while !self.takes_symbol("}") {
            self.few(entries.len())?;
            let key = self.expression(level + 1)?;
            self.wants_symbol(":")?;
            let value = self.expression(level + 1)?;
            depth = depth.max(key.depth).max(value.depth);
            entries.push(Entry {
                key: key.expr,
                value: value.expr,
            });
            if !self.takes_symbol(",") {
                self.wants_symbol("}")?;
                break;
            }
        }
        self.deeper(Expr::Map(entries), depth)
    }

    fn few(&self, items: usize) -> Result<(), TemplateError> {
        if items < MAX_ITEMS {
            return Ok(());
        }
        Err(self.error(format!("this list has more than {MAX_ITEMS} items; shorten it")))
    }
}

fn number(digits: &str) -> Option<Expr> {
    if digits.len() > MAX_DIGITS {
        return None;
    }
    let digits = digits.replace('_', "");
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits.parse::<i64>().ok().map(|number| Expr::Int(number.into()));
    }
    let number = digits.parse::<f64>().ok().filter(|number| number.is_finite());
    number.map(Expr::Float)
}

/// A text with its escapes resolved.
fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{c}',
            same @ ('\\' | '/' | '"' | '\'') => same,
            'u' => {
                let digits: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4)?;
                char::from_u32(code)?
            }
            _ => return None,
        });
    }
    Some(out)
}
