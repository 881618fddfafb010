//! The spelling of values, where the tree does not record it. Two fields of one response key must have arguments
//! *spelled* alike (as graphql-js prints them); but in the tree `1.0` and `1e0` are one number, `"a"` and `"""a"""`
//! one string, and for the library `A` and `"A"` are equal.

use std::collections::{BTreeMap, HashMap};

use async_graphql::{Name, Pos};

use super::lexer::Kind;
use leadmesh_forms::numerals;

/// The spellings of argument values, by position.
#[derive(Debug, Default)]
pub struct Spellings(HashMap<Pos, Spelling>);

/// The spelling of one value, where the tree does not determine it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Spelling {
    leaf: Option<Box<str>>,
    items: Vec<(usize, Spelling)>,
    /// Sorted, because their order is not significant.
    fields: BTreeMap<Name, Spelling>,
}

impl Spellings {
    pub(super) fn add(&mut self, at: Pos, spelling: Spelling) {
        if spelling.is_significant() {
            self.0.insert(at, spelling);
        }
    }

    /// Whether two values that are equal in the tree are spelled alike.
    pub fn are_alike(&self, one: Pos, other: Pos) -> bool {
        self.0.get(&one) == self.0.get(&other)
    }
}

impl Spelling {
    fn is_significant(&self) -> bool {
        self.leaf.is_some() || !self.items.is_empty() || !self.fields.is_empty()
    }

    pub(super) fn leaf(&mut self, kind: &Kind<'_>) {
        self.leaf = match kind {
            Kind::Int(text) if *text == "-0" || numerals::exceeds_64_bits(text) => Some((*text).into()),
            Kind::Float(text) | Kind::Name(text) => Some((*text).into()),
            Kind::Block(_) => Some("\"\"\"".into()),
            _ => None,
        };
    }

    pub(super) fn item(&mut self, place: usize, item: Self) {
        if item.is_significant() {
            self.items.push((place, item));
        }
    }

    pub(super) fn field(&mut self, name: &Name, field: Self) {
        if field.is_significant() {
            self.fields.insert(name.clone(), field);
        }
    }
}
