//! A first look at a template's source: which names it mentions, and whether it stays within what templates may do.
//!
//! The engine reports neither unknown filters before rendering nor names behind every kind of expression, and knows no
//! columns. This scan does all three; the grammar itself is left to the engine.

mod lex;
mod names;

use std::collections::BTreeSet;

use super::TemplateError;
use lex::{Piece, Token};

/// What a source consists of.
#[derive(Debug, Default)]
pub(super) struct Scan<'a> {
    /// The whole template, if it is nothing but text and plain placeholders.
    pub(super) parts: Option<Vec<Part>>,
    /// The expression's source, if the template is one placeholder and nothing else.
    pub(super) only_expression: Option<&'a str>,
    /// Names mentioned as `lead.x` or `lead["x"]`.
    pub(super) fields: BTreeSet<String>,
    /// Variables mentioned by themselves.
    pub(super) bare: BTreeSet<String>,
    /// Variables that the template sets.
    pub(super) locals: BTreeSet<String>,
}

/// A piece of a simple template.
#[derive(Debug)]
pub(super) enum Part {
    /// Literal text.
    Text(Box<str>),
    /// The value of the field of this name.
    Field(Box<str>),
}

/// Scans a source, refusing what templates may not do.
pub(super) fn scan(source: &str) -> Result<Scan<'_>, TemplateError> {
    let pieces = lex::pieces(source)?;
    let mut scan = Scan::default();
    for piece in &pieces {
        match piece {
            Piece::Output { tokens, .. } => names::visit(source, tokens, &mut scan)?,
            Piece::Statement { tokens } => names::visit_statement(source, tokens, &mut scan)?,
            Piece::Text(_) | Piece::Comment => {}
        }
    }
    scan.parts = pieces.iter().map(part).collect();
    if let [
        Piece::Output {
            source, trims: false, ..
        },
    ] = pieces.as_slice()
    {
        scan.only_expression = Some(source);
    }
    Ok(scan)
}

fn part(piece: &Piece<'_>) -> Option<Part> {
    let tokens = match piece {
        Piece::Text(text) => return Some(Part::Text((*text).into())),
        Piece::Output {
            tokens, trims: false, ..
        } => tokens,
        _ => return None,
    };
    let mut tokens = tokens.iter().map(|placed| &placed.token);
    match (tokens.next()?, tokens.next(), tokens.next(), tokens.next()) {
        (Token::Ident("lead"), Some(Token::Symbol(".")), Some(Token::Ident(name)), None) => {
            Some(Part::Field((*name).into()))
        }
        (Token::Ident(name), None, None, None) if names::is_variable(name) && *name != "lead" => {
            Some(Part::Field((*name).into()))
        }
        _ => None,
    }
}
