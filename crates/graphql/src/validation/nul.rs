//! The character U+0000 (NUL), which PostgreSQL stores in no text.
//!
//! It is refused in every argument, so that no use case has to think of it, but for the values of a lead: what of a lead is
//! not usable is noted beside it, and the lead is kept (`leads/decide/typing`).

use async_graphql::Value;

use crate::registry::{ArgumentDef, named};

pub(super) const REFUSED: &str = "it contains the character U+0000 (NUL), which cannot be stored; remove it";

/// Whether what is given there are the values of a lead or its key, which the intake judges lead by lead: one of them must not
/// refuse the others of its batch.
pub(super) fn is_of_lead(argument: &ArgumentDef) -> bool {
    (argument.name == "fields" && named(&argument.ty) == "JSON") || argument.name == "idempotencyKey"
}

/// Whether a text or name inside has one.
pub(super) fn contains(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::List(items) => items.iter().any(contains),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || contains(value)),
        _ => false,
    }
}
