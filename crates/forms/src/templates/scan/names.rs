//! Reads names out of tokens: fields, variables, filters, tests and statements.

use super::Scan;
use super::lex::{Placed, Token, error_at, short};
use crate::templates::TemplateError;
use crate::templates::engine::filters::FILTERS;

const STATEMENTS: [&str; 9] = ["if", "elif", "else", "endif", "for", "endfor", "set", "with", "endwith"];

const KEYWORDS: [&str; 13] = [
    "and", "or", "not", "in", "is", "if", "else", "true", "True", "false", "False", "none", "None",
];

/// What may stand behind `is`.
pub(in crate::templates) const TESTS: [&str; 29] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

/// Whether a name stands for a variable when it is used by itself.
pub(in crate::templates) fn is_variable(name: &str) -> bool {
    !KEYWORDS.contains(&name) && name != "loop" && name != "self"
}

/// Visits the code of a statement, `if lead.x` for instance.
pub(super) fn visit_statement(source: &str, tokens: &[Placed<'_>], scan: &mut Scan) -> Result<(), TemplateError> {
    let Some((first, code)) = tokens.split_first() else {
        return Ok(());
    };
    let Token::Ident(keyword) = first.token else {
        return Ok(());
    };
    if !STATEMENTS.contains(&keyword) {
        let keyword = short(keyword);
        let advice = format!("\"{keyword}\" is not available; templates know if, for, set and with");
        return Err(error_at(source, first.at, advice));
    }
    match keyword {
        "for" => bind_until(&Token::Ident("in"), code, scan),
        "set" if code.iter().any(|placed| placed.token == Token::Symbol("=")) => {
            bind_until(&Token::Symbol("="), code, scan);
        }
        "set" => {
            return Err(error_at(source, first.at, "write set with a value: {% set name = … %}"));
        }
        _ => {}
    }
    visit(source, code, scan)
}

fn bind_until(end: &Token<'_>, code: &[Placed<'_>], scan: &mut Scan) {
    let targets = code.iter().take_while(|placed| placed.token != *end);
    scan.locals.extend(targets.filter_map(|placed| match placed.token {
        Token::Ident(name) => Some(name.to_owned()),
        _ => None,
    }));
}

/// Visits the code of a placeholder or the remainder of a statement.
pub(super) fn visit(source: &str, tokens: &[Placed<'_>], scan: &mut Scan) -> Result<(), TemplateError> {
    let mut rest = tokens;
    let (mut earlier, mut before) = (None, None);
    while let Some((placed, after)) = rest.split_first() {
        if let Token::Ident(name) = placed.token {
            let role = role(name, earlier, before);
            role.refusal(name, after)
                .map_or(Ok(()), |advice| Err(error_at(source, placed.at, advice)))?;
            if role == Role::Variable {
                record(name, after, scan);
            }
        }
        earlier = before.replace(&placed.token);
        rest = after;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Attribute,
    Filter,
    Test,
    Keyword,
    Variable,
}

/// What a name is, told from the two tokens before it.
fn role(name: &str, earlier: Option<&Token<'_>>, before: Option<&Token<'_>>) -> Role {
    match (earlier, before) {
        (_, Some(Token::Symbol("."))) => Role::Attribute,
        (_, Some(Token::Symbol("|"))) => Role::Filter,
        (_, Some(Token::Ident("is"))) if name == "not" => Role::Keyword,
        (_, Some(Token::Ident("is"))) | (Some(Token::Ident("is")), Some(Token::Ident("not"))) => Role::Test,
        _ if !is_variable(name) => Role::Keyword,
        _ => Role::Variable,
    }
}

impl Role {
    /// Why a name cannot be used in this role.
    fn refusal(self, name: &str, after: &[Placed<'_>]) -> Option<String> {
        let called = next_is(after, "(");
        match self {
            Self::Filter if !FILTERS.iter().any(|(known, _)| *known == name) => {
                let known: Vec<&str> = FILTERS.iter().map(|(known, _)| *known).collect();
                Some(format!(
                    "there is no filter \"{}\"; use one of {}",
                    short(name),
                    known.join(", ")
                ))
            }
            Self::Test if !TESTS.contains(&name) => Some(format!(
                "there is no test \"{}\"; use one of {}",
                short(name),
                TESTS.join(", ")
            )),
            Self::Attribute | Self::Variable if called => Some(format!(
                "\"{}\" cannot be called; use a filter, as in {{{{ lead.city | upper }}}}",
                short(name)
            )),
            _ => None,
        }
    }
}

fn next_is(after: &[Placed<'_>], symbol: &str) -> bool {
    after
        .first()
        .is_some_and(|placed| placed.token == Token::Symbol(symbol))
}

fn record<'a>(name: &'a str, after: &[Placed<'a>], scan: &mut Scan) {
    if next_is(after, "=") {
        scan.locals.insert(name.to_owned());
    }
    if name != "lead" {
        scan.bare.insert(name.to_owned());
        return;
    }
    let mut following = after.iter().map(|placed| &placed.token);
    match (following.next(), following.next(), following.next()) {
        (Some(Token::Symbol(".")), Some(Token::Ident(field)), _)
        | (Some(Token::Symbol("[")), Some(Token::Text(field)), Some(Token::Symbol("]"))) => {
            scan.fields.insert((*field).to_owned());
        }
        _ => scan.whole_lead = true,
    }
}
