//! Bounds of argument values: the numbers, in one place.
//!
//! They apply to every list and text of the schema. Many use cases accept less, and say so in `userErrors`; a value
//! above a bound is refused before anything executes.

use async_graphql::parser::types::Type;

use crate::registry::{Registry, TypeDef, named};

/// The position of a value: an argument of a field (`Query.invitations`, `status`) or a field of an input object
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
    /// Entries of a list of enum values. Repeating one has no effect.
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

/// Lists with a bound of their own.
const LISTS: [(Place<'static>, usize); 2] = [
    (place("Query.nodes", "ids"), 100),
    (place("EmailSettingsInput", "recipients"), 100),
];

/// Texts with a bound of their own. The use case bounds a template more closely, in `userErrors`.
const TEXTS: [(Place<'static>, usize); 1] = [(place("EmailSettingsInput", "body"), 256 * 1024)];

const fn place(owner: &'static str, name: &'static str) -> Place<'static> {
    Place { owner, name }
}

impl Bounds {
    /// The most entries of a list at this position.
    pub(super) fn entries(&self, place: Place<'_>, item: &Type, registry: &Registry) -> usize {
        if let Some(entries) = exception(&LISTS, place) {
            return entries;
        }
        match registry.get(named(item)) {
            Some(TypeDef::Enum(_)) => self.enums,
            _ => self.list,
        }
    }

    /// The most bytes of a text of this scalar at this position.
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
