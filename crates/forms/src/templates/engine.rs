//! The engine: parses what the scan has let through into a tree of bounded depth, and renders it within a [`Budget`].
//!
//! It knows exactly what templates are promised and nothing that makes much of little: no repetition by `*`, no widths, no
//! calls, no macros. Every value is counted before it is made and every byte before it is written, so that a rendering ends
//! by itself, whatever the template and the values are.

mod compare;
mod eval;
pub(super) mod filters;
mod json;
mod operators;
mod output;
mod parse;
mod render;
mod sequences;
mod tests_of_values;
mod text;
mod tree;
mod value;

use serde_json::Value;

use super::budget::{Budget, Overrun};
use super::scan::lex::Piece;
use super::{Escape, Place, TemplateError, Values};
use eval::Scope;
use output::Output;
use tree::Node;

/// Why an expression has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fail {
    Over(Overrun),
    /// A filter or operator does not fit the value.
    Misfit,
    /// Values are put into one another too often.
    TooDeep,
    /// A text that is made has too many bytes.
    TooLong,
}

impl From<Overrun> for Fail {
    fn from(overrun: Overrun) -> Self {
        Self::Over(overrun)
    }
}

impl Fail {
    /// Values are not named: errors are kept where the lead's values may not be.
    fn at(self, line: usize) -> TemplateError {
        let advice = match self {
            Self::Over(Overrun::Bytes(limit)) => return TemplateError::TooLarge { limit },
            Self::Over(Overrun::Work) => return TemplateError::Work,
            Self::Misfit => {
                "a filter or operator does not fit the lead's value; give absent fields a value with | default(…) and \
                 check the types"
            }
            Self::TooDeep => "values are put into one another too often; make them flatter",
            Self::TooLong => "a text that the template makes has more than 256 KiB; make it of fewer or shorter parts",
        };
        TemplateError::Render {
            place: Place { line, column: None },
            advice,
        }
    }
}

#[derive(Debug)]
pub(super) struct Program(Vec<Node>);

impl Program {
    pub(super) fn parse(source: &str, pieces: &[Piece<'_>]) -> Result<Self, TemplateError> {
        parse::parse(source, pieces).map(Self)
    }

    pub(super) fn is_literal(&self) -> bool {
        self.0.iter().all(|node| matches!(node, Node::Text(_)))
    }

    pub(super) fn render(&self, values: &Values<'_>, escape: Escape, budget: &Budget) -> Result<String, TemplateError> {
        let mut scope = Scope::new(values, budget);
        let mut output = Output::new(escape, budget);
        render::nodes(&self.0, &mut scope, &mut output)?;
        Ok(output.finish())
    }

    /// The value of the template's one placeholder.
    pub(super) fn value(&self, values: &Values<'_>, budget: &Budget) -> Result<Option<Value>, TemplateError> {
        let [Node::Output(placed)] = self.0.as_slice() else {
            return Ok(None);
        };
        let mut scope = Scope::new(values, budget);
        let value = scope.eval(&placed.expr).and_then(|value| json::value(&value, budget));
        value.map(Some).map_err(|fail| fail.at(placed.line))
    }
}
