//! How much one value of an argument may be: the numbers, in one place.
//!
//! They are upper bounds of what the server looks at, for every list and text of the schema. Many places take less, and
//! say so in `userErrors`; what passes a bound here is refused before anything executes.

use async_graphql::parser::types::Type;

use crate::registry::{Registry, TypeDef, named};

/// Where a value stands: an argument of a field (`Query.invitations`, `status`) or a field of an input object
/// (`RuleInput`, `all`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// The field as `Type.field`, or the input object.
    pub(super) owner: &'a str,
    /// The argument or field.
    pub(super) name: &'a str,
}

/// Bounds of values.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Entries of a list.
    pub list: usize,
    /// Entries of a list of enum values, each of which means the same however often it is named.
    pub enums: usize,
    /// Bytes of a text.
    pub text: usize,
    /// Bytes of an identifier.
    pub id: usize,
    /// Input objects inside one another: rules nest.
    pub levels: usize,
    /// Lists and objects inside one another in a JSON value.
    pub json_levels: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            list: 1_000,
            enums: 100,
            text: 64 * 1024,
            id: 1024,
            levels: 24,
            json_levels: 64,
        }
    }
}

/// Lists that may be longer or only shorter than others.
const LISTS: [(Place<'static>, usize); 2] = [
    (place("Query.nodes", "ids"), 100),
    (place("EmailSettingsInput", "recipients"), 100),
];

/// Texts that may be longer than others. The use case says in `userErrors` what a template may really be.
const TEXTS: [(Place<'static>, usize); 1] = [(place("EmailSettingsInput", "body"), 256 * 1024)];

const fn place(owner: &'static str, name: &'static str) -> Place<'static> {
    Place { owner, name }
}

impl Bounds {
    /// Entries that a list at that place may have.
    pub(super) fn entries(&self, place: Place<'_>, item: &Type, registry: &Registry) -> usize {
        if let Some(entries) = exception(&LISTS, place) {
            return entries;
        }
        match registry.get(named(item)) {
            Some(TypeDef::Enum(_)) => self.enums,
            _ => self.list,
        }
    }

    /// Bytes that a text of that scalar at that place may have.
    pub(super) fn bytes(&self, place: Place<'_>, scalar: &str) -> usize {
        match scalar {
            "ID" => self.id,
            _ => exception(&TEXTS, place).unwrap_or(self.text),
        }
    }
}

fn exception(table: &[(Place<'static>, usize)], place: Place<'_>) -> Option<usize> {
    table.iter().find(|(known, _)| *known == place).map(|(_, bound)| *bound)
}
