//! Parses expressions by the binding strength of their operators.

use super::super::tree::{Binding, Choice, Expr, Operator, Placed, Slice, Targets};
use crate::templates::TemplateError;
use crate::templates::scan::lex::{self, Code, Token, error_at};
use crate::templates::scan::names;

/// Levels of a tree: operators, filters, brackets and subscripts within or behind one another.
const MAX_DEPTH: usize = 50;
/// How strongly `not` binds; more binds first.
const NOT: u8 = 2;

/// Reads the tokens of one placeholder or statement.
pub(super) struct Parser<'a, 'p> {
    source: &'a str,
    code: &'p Code<'a>,
    at: usize,
}

/// An expression and the levels that it has.
pub(super) struct Deep {
    pub(super) expr: Expr,
    pub(super) depth: usize,
}

impl Deep {
    pub(super) fn leaf(expr: Expr) -> Self {
        Self { expr, depth: 1 }
    }
}

struct Found {
    operator: Operator,
    strength: u8,
    tokens: usize,
}

impl<'a, 'p> Parser<'a, 'p> {
    pub(super) fn new(source: &'a str, code: &'p Code<'a>) -> Self {
        Self { source, code, at: 0 }
    }

    pub(super) fn after_keyword(source: &'a str, code: &'p Code<'a>) -> Self {
        Self { source, code, at: 1 }
    }

    /// The byte at which the placeholder or statement begins.
    pub(super) fn began(&self) -> usize {
        self.code.at
    }

    pub(super) fn ahead(&self, by: usize) -> Option<&'p Token<'a>> {
        self.code.tokens.get(self.at + by).map(|placed| &placed.token)
    }

    pub(super) fn skip(&mut self, tokens: usize) {
        self.at += tokens;
    }

    pub(super) fn is_over(&self) -> bool {
        self.ahead(0).is_none()
    }

    pub(super) fn takes(&mut self, token: &Token<'_>) -> bool {
        let next = self.ahead(0) == Some(token);
        self.at += usize::from(next);
        next
    }

    pub(super) fn takes_symbol(&mut self, symbol: &str) -> bool {
        self.takes(&Token::Symbol(symbol))
    }

    pub(super) fn wants_symbol(&mut self, symbol: &str) -> Result<(), TemplateError> {
        if self.takes_symbol(symbol) {
            return Ok(());
        }
        Err(self.unexpected(&format!("write {symbol} here")))
    }

    pub(super) fn error(&self, advice: impl Into<String>) -> TemplateError {
        let here = self.code.tokens.get(self.at).map(|placed| placed.at);
        error_at(self.source, here.unwrap_or(self.code.at), advice)
    }

    pub(super) fn unexpected(&self, instead: &str) -> TemplateError {
        let what = match self.ahead(0) {
            None => "this ends too early".to_owned(),
            Some(Token::Ident(word)) => format!("\"{}\" does not fit here", lex::short(word)),
            Some(Token::Symbol(symbol)) => format!("\"{symbol}\" does not fit here"),
            Some(Token::Text(_)) => "a text does not fit here".to_owned(),
            Some(Token::Number(_)) => "a number does not fit here".to_owned(),
        };
        self.error(format!("{what}; {instead}. Write a field as {{{{ lead.name }}}}"))
    }

    pub(super) fn over(&self) -> Result<(), TemplateError> {
        if self.is_over() {
            return Ok(());
        }
        Err(self.unexpected("end the placeholder or statement before it"))
    }

    pub(super) fn whole(&mut self) -> Result<Placed, TemplateError> {
        let placed = self.placed(Self::expression)?;
        self.over()?;
        Ok(placed)
    }

    fn placed(
        &mut self,
        parse: impl Fn(&mut Self, usize) -> Result<Deep, TemplateError>,
    ) -> Result<Placed, TemplateError> {
        let expr = parse(self, 0)?.expr;
        Ok(Placed {
            line: self.code.line,
            expr,
        })
    }

    /// What a `for` loops over.
    pub(super) fn over_what(&mut self) -> Result<Placed, TemplateError> {
        if !self.takes(&Token::Ident("in")) {
            return Err(self.unexpected("write {% for item in … %}"));
        }
        self.placed(|parser, level| parser.binary(0, level))
    }

    /// The condition of a `for`.
    pub(super) fn only(&mut self) -> Result<Option<Placed>, TemplateError> {
        if !self.takes(&Token::Ident("if")) {
            return Ok(None);
        }
        self.placed(Self::expression).map(Some)
    }

    pub(super) fn bindings(&mut self) -> Result<Vec<Binding>, TemplateError> {
        let mut bindings = vec![self.binding()?];
        while self.takes_symbol(",") {
            bindings.push(self.binding()?);
        }
        self.over()?;
        Ok(bindings)
    }

    pub(super) fn binding(&mut self) -> Result<Binding, TemplateError> {
        let targets = if matches!(self.ahead(1), Some(Token::Symbol("="))) {
            Targets::One(self.name()?)
        } else {
            self.targets()?
        };
        self.wants_symbol("=")?;
        let value = self.placed(Self::expression)?;
        Ok(Binding { targets, value })
    }

    /// Names that are given values: `a`, `a, b` or `(a, b)`.
    pub(super) fn targets(&mut self) -> Result<Targets, TemplateError> {
        let bracket = self.takes_symbol("(");
        let first = self.name()?;
        let mut names = vec![first.clone()];
        let mut several = bracket;
        while self.takes_symbol(",") {
            several = true;
            if matches!(self.ahead(0), Some(Token::Ident(name)) if *name != "in") {
                names.push(self.name()?);
            }
        }
        if bracket {
            self.wants_symbol(")")?;
        }
        Ok(if several {
            Targets::Several(names)
        } else {
            Targets::One(first)
        })
    }

    fn name(&mut self) -> Result<Box<str>, TemplateError> {
        let name: Box<str> = match self.ahead(0) {
            Some(Token::Ident(name)) if names::is_variable(name) && *name != "lead" => (*name).into(),
            _ => return Err(self.unexpected("give it a name of its own")),
        };
        self.skip(1);
        Ok(name)
    }

    /// An expression with `… if … else …`.
    pub(super) fn expression(&mut self, level: usize) -> Result<Deep, TemplateError> {
        self.enter(level)?;
        let then = self.binary(0, level)?;
        if !self.takes(&Token::Ident("if")) {
            return Ok(then);
        }
        let condition = self.binary(0, level + 1)?;
        let mut depth = then.depth.max(condition.depth);
        let mut otherwise = None;
        if self.takes(&Token::Ident("else")) {
            let other = self.expression(level + 1)?;
            depth = depth.max(other.depth);
            otherwise = Some(other.expr);
        }
        let choice = Choice {
            then: then.expr,
            condition: condition.expr,
            otherwise,
        };
        self.deeper(Expr::Choice(Box::new(choice)), depth)
    }

    /// Refuses what is nested too deep before it is parsed.
    fn enter(&self, level: usize) -> Result<(), TemplateError> {
        if level >= MAX_DEPTH {
            Err(self.too_deep())
        } else {
            Ok(())
        }
    }

    /// An expression around one of so many levels.
    pub(super) fn deeper(&self, expr: Expr, depth: usize) -> Result<Deep, TemplateError> {
        if depth >= MAX_DEPTH {
            return Err(self.too_deep());
        }
        Ok(Deep { expr, depth: depth + 1 })
    }

    fn too_deep(&self) -> TemplateError {
        self.error(format!(
            "operators, filters and brackets are chained or nested more than {MAX_DEPTH} deep; divide the expression \
             with {{% set name = … %}}"
        ))
    }

    fn binary(&mut self, least: u8, level: usize) -> Result<Deep, TemplateError> {
        self.enter(level)?;
        let mut left = if least <= NOT && self.takes(&Token::Ident("not")) {
            let value = self.binary(NOT, level + 1)?;
            self.deeper(Expr::Not(Box::new(value.expr)), value.depth)?
        } else {
            self.operand(level)?
        };
        while let Some(found) = self.operator().filter(|found| found.strength >= least) {
            self.skip(found.tokens);
            let right = self.binary(found.strength + 1, level + 1)?;
            let depth = left.depth.max(right.depth);
            let sides = (Box::new(left.expr), Box::new(right.expr));
            left = self.deeper(Expr::Binary(found.operator, sides.0, sides.1), depth)?;
        }
        Ok(left)
    }

    fn operator(&self) -> Option<Found> {
        let found = |operator, strength| {
            Some(Found {
                operator,
                strength,
                tokens: 1,
            })
        };
        match self.ahead(0)? {
            Token::Ident("or") => found(Operator::Or, 0),
            Token::Ident("and") => found(Operator::And, 1),
            Token::Ident("in") => found(Operator::In, 3),
            Token::Ident("not") if self.ahead(1) == Some(&Token::Ident("in")) => Some(Found {
                operator: Operator::NotIn,
                strength: 3,
                tokens: 2,
            }),
            Token::Symbol(symbol) => match *symbol {
                "==" => found(Operator::Equal, 3),
                "!=" => found(Operator::Unequal, 3),
                "<" => found(Operator::Less, 3),
                "<=" => found(Operator::LessOrEqual, 3),
                ">" => found(Operator::Greater, 3),
                ">=" => found(Operator::GreaterOrEqual, 3),
                "+" => found(Operator::Add, 4),
                "-" => found(Operator::Subtract, 4),
                "~" => found(Operator::Concat, 5),
                "*" => found(Operator::Multiply, 6),
                "/" => found(Operator::Divide, 6),
                "//" => found(Operator::DivideWhole, 6),
                "%" => found(Operator::Remainder, 6),
                "**" => found(Operator::Power, 7),
                _ => None,
            },
            _ => None,
        }
    }

    /// A value with its sign, and the filters and tests behind it.
    fn operand(&mut self, level: usize) -> Result<Deep, TemplateError> {
        let mut value = self.signed(level)?;
        loop {
            value = if self.takes_symbol("|") {
                self.filter(value, level)?
            } else if self.takes(&Token::Ident("is")) {
                self.test(value, level)?
            } else {
                return Ok(value);
            };
        }
    }

    /// A value with its sign and what is taken out of it.
    pub(super) fn signed(&mut self, level: usize) -> Result<Deep, TemplateError> {
        self.enter(level)?;
        if self.takes_symbol("-") {
            let value = self.signed(level + 1)?;
            return self.deeper(Expr::Negate(Box::new(value.expr)), value.depth);
        }
        let mut value = self.primary(level)?;
        loop {
            value = if self.takes_symbol(".") {
                let name: Box<str> = match self.ahead(0) {
                    Some(Token::Ident(name)) => (*name).into(),
                    _ => return Err(self.unexpected("write a name behind the point")),
                };
                self.skip(1);
                self.deeper(Expr::Attribute(Box::new(value.expr), name), value.depth)?
            } else if self.takes_symbol("[") {
                self.subscript(value, level)?
            } else {
                return Ok(value);
            };
        }
    }

    fn subscript(&mut self, of: Deep, level: usize) -> Result<Deep, TemplateError> {
        let start = self.bound(level)?;
        if !self.takes_symbol(":") {
            self.wants_symbol("]")?;
            let Some(place) = start else {
                return Err(self.unexpected("write a place or a name between the brackets"));
            };
            let depth = of.depth.max(place.depth);
            return self.deeper(Expr::Index(Box::new(of.expr), Box::new(place.expr)), depth);
        }
        let stop = self.bound(level)?;
        let stride = if self.takes_symbol(":") {
            self.bound(level)?
        } else {
            None
        };
        self.wants_symbol("]")?;
        let bounds = [&start, &stop, &stride].into_iter().flatten();
        let depth = bounds.fold(of.depth, |depth, bound| depth.max(bound.depth));
        let slice = Slice {
            of: of.expr,
            start: start.map(|deep| deep.expr),
            stop: stop.map(|deep| deep.expr),
            step: stride.map(|deep| deep.expr),
        };
        self.deeper(Expr::Slice(Box::new(slice)), depth)
    }

    fn bound(&mut self, level: usize) -> Result<Option<Deep>, TemplateError> {
        if matches!(self.ahead(0), Some(Token::Symbol(":" | "]"))) {
            return Ok(None);
        }
        self.expression(level + 1).map(Some)
    }
}
