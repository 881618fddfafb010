//! Whether a document is valid for the schema (GraphQL, September 2025, section 5), and variables for their types
//! (section 6.1.2).
//!
//! All of it happens before anything executes: a mutation of which the second field has wrong variables does nothing.
//! The rules are those of the specification as graphql-js 16 has them; `scripts/graphql-differential` compares the two.
//! (The library's own rules let some 75 kinds of invalid documents pass, and look at variables one field at a time.)
//! Three more: texts have no NUL, which PostgreSQL cannot store; a variable that is null where null is not allowed is
//! refused before and not while executing; and the numbers of [`super::limits`].

mod definitions;
mod directives;
mod fields;
pub(super) mod long_numbers;
mod nul;
mod overlap;
mod positions;
mod scalars;
mod suggest;
mod values;
pub(super) mod variables;

use std::collections::HashMap;

use async_graphql::{
    Name, Pos,
    parser::types::{ExecutableDocument, Type},
};

use super::{
    mask::code,
    registry::{Registry, named},
    syntax::{Read, Spellings},
};

/// A validation error of a document or its variables, for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `GRAPHQL_VALIDATION_FAILED`, or `BAD_USER_INPUT` for a value.
    pub code: &'static str,
    /// What is wrong and, where one is near, what was probably meant.
    pub message: String,
    /// Where in the document; for variables, none.
    pub at: Option<Pos>,
}

/// The most faults reported for one document.
const FAULTS: usize = 10;

/// What one operation or fragment mentions.
#[derive(Debug, Default)]
struct Mentions<'a> {
    spreads: Vec<&'a Name>,
    variables: Vec<Usage<'a>>,
}

/// A variable that stands somewhere.
#[derive(Debug, Clone, Copy)]
struct Usage<'a> {
    name: &'a Name,
    at: Pos,
    /// Whether it is, or is inside, the values of a lead.
    of_lead: bool,
    /// Unknown where the argument or field is unknown, and inside JSON.
    expected: Option<Expected<'a>>,
}

/// What a position expects.
#[derive(Debug, Clone, Copy)]
struct Expected<'a> {
    ty: TypeUse<'a>,
    /// Whether the position has a default.
    default: bool,
    /// Whether it is the one field of a `@oneOf` object.
    one_of: bool,
}

/// A type of the schema, or that type without its exclamation mark.
#[derive(Debug, Clone, Copy)]
struct TypeUse<'a> {
    ty: &'a Type,
    nullable: bool,
}

/// What the rules share: the document, the schema, and what was found.
struct Check<'a> {
    document: &'a ExecutableDocument,
    spellings: &'a Spellings,
    registry: &'a Registry,
    faults: Vec<Fault>,
}

/// Facts about the variables of an operation in a valid document.
#[derive(Debug, Default)]
pub struct VariableFacts {
    /// Variables that must not be null although their types allow it: their positions do not allow null and have a
    /// default.
    pub never_null: Vec<Name>,
    /// Variables used only as, or inside, the values of a lead.
    pub of_lead: Vec<Name>,
}

/// The facts by operation.
pub type Facts = HashMap<Option<Name>, VariableFacts>;

/// Checks all rules. Reports the first ten faults in the order of the text.
pub fn validate(read: &Read, registry: &Registry) -> Result<Facts, Vec<Fault>> {
    let mut check = Check {
        document: &read.document,
        spellings: &read.spellings,
        registry,
        faults: Vec::new(),
    };
    let facts = check.definitions();
    if check.faults.is_empty() {
        // Compares fields by their definitions, which are all known now.
        check.overlaps();
    }
    if check.faults.is_empty() {
        return Ok(facts);
    }
    check
        .faults
        .sort_by_key(|fault| fault.at.map(|at| (at.line, at.column)));
    Err(check.faults)
}

impl Check<'_> {
    /// Records a fault. Its text is made only if it is reported.
    fn fault(&mut self, at: Pos, message: impl FnOnce() -> String) {
        self.add(code::VALIDATION, at, message);
    }

    /// Records a fault of a value.
    fn wrong_value(&mut self, at: Pos, message: impl FnOnce() -> String) {
        self.add(code::BAD_INPUT, at, message);
    }

    fn add(&mut self, code: &'static str, at: Pos, message: impl FnOnce() -> String) {
        if self.faults.len() < FAULTS {
            self.faults.push(Fault {
                code,
                message: message(),
                at: Some(at),
            });
        }
    }

    fn is_full(&self) -> bool {
        self.faults.len() >= FAULTS
    }
}

impl<'a> TypeUse<'a> {
    fn new(ty: &'a Type) -> Self {
        Self {
            ty,
            nullable: ty.nullable,
        }
    }

    fn named(self) -> &'a str {
        named(self.ty)
    }
}

impl std::fmt::Display for TypeUse<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = if self.nullable { "" } else { "!" };
        write!(f, "{}{mark}", self.ty.base)
    }
}

#[cfg(test)]
mod tests;
