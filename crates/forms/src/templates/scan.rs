//! A first look at a template's source: which names it mentions, and whether it stays within what templates may do.
//!
//! It cuts the source into pieces and tokens without recursion; the grammar is left to the engine.

pub(super) mod lex;
pub(super) mod names;

use std::collections::BTreeSet;

use super::TemplateError;
use lex::Piece;

#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Whether the template is one placeholder and nothing else.
    pub(super) is_one_placeholder: bool,
    /// Names mentioned as `lead.x` or `lead["x"]`.
    pub(super) fields: BTreeSet<String>,
    pub(super) bare: BTreeSet<String>,
    pub(super) locals: BTreeSet<String>,
    /// Whether all fields may be read, or one whose name is put together while rendering: `lead` stands by itself.
    pub(super) whole_lead: bool,
}

/// Looks through the pieces of a source, refusing what templates may not do.
pub(super) fn scan(source: &str, pieces: &[Piece<'_>]) -> Result<Scan, TemplateError> {
    let mut scan = Scan::default();
    for piece in pieces {
        match piece {
            Piece::Output(code) => names::visit(source, &code.tokens, &mut scan)?,
            Piece::Statement(code) => names::visit_statement(source, &code.tokens, &mut scan)?,
            Piece::Text(_) | Piece::Comment(_) => {}
        }
    }
    scan.is_one_placeholder = matches!(pieces, [piece @ Piece::Output(_)] if piece.is_plain());
    Ok(scan)
}
