//! Reading the text of a document (GraphQL, September 2025, section 2).
//!
//! The library's own parser merges input fields that are given twice, forgets operations of one name, does not know
//! descriptions of operations, and recurses without a bound of ours. This one builds the same tree, bounded in tokens
//! and brackets, and tells what the tree cannot hold: names that are defined twice.

mod cursor;
mod lexer;
mod parser;
mod spelling;
mod strings;
mod values;

use async_graphql::{Pos, parser::types::ExecutableDocument};

pub use spelling::Spellings;

/// How much a text may ask of the parser.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Lexical tokens.
    pub tokens: usize,
    /// Brackets open at once: the parser recurses once for each.
    pub nesting: usize,
}

/// A document as it was read.
#[derive(Debug)]
pub struct Read {
    /// The tree, for the library. Of definitions with one name it has the first.
    pub document: ExecutableDocument,
    /// What is well-formed but invalid, and cannot be seen in the tree.
    pub faults: Vec<(Pos, String)>,
    /// How the values of arguments are written, where the tree does not tell.
    pub spellings: Spellings,
}

/// Why a text cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SyntaxError {
    /// It is not GraphQL.
    #[error("Syntax error at line {}, column {}: {message}.", at.line, at.column)]
    Unexpected {
        /// Where.
        at: Pos,
        /// What was expected, or what is wrong; quotes names and marks only.
        message: String,
    },
    /// More tokens than [`Bounds::tokens`].
    #[error("The document has more than {0} tokens. Pass data in variables.")]
    Tokens(usize),
    /// More brackets than [`Bounds::nesting`].
    #[error("The document nests brackets more than {0} deep.")]
    Nesting(usize),
}

/// Reads a text.
pub fn read(text: &str, bounds: Bounds) -> Result<Read, SyntaxError> {
    parser::Parser::new(text, bounds)?.document()
}

#[cfg(test)]
mod tests;
