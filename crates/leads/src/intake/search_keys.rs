//! The keys by which a lead is found.

use entity::field::FieldType;
use serde_json::{Map, Value};

use crate::snapshot::Snapshot;
use leadmesh_core::crypto::Keys;
use leadmesh_forms::fields::{NAME_FIELDS, search_key, search_key_email, search_key_name};

/// Search keys of a lead's email address, phone number and name.
pub(super) struct SearchKeys {
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) name: Option<String>,
}

impl SearchKeys {
    /// The first field of each kind counts. An encrypted value is found by its keyed hash only.
    pub(super) fn of(flow: &Snapshot, values: &Map<String, Value>, keys: Option<&Keys>) -> Self {
        let hide = |kind: &str, value: String, encrypted: bool| match keys {
            Some(keys) if encrypted => keys.index(kind, &value),
            _ => value,
        };
        let first = |field_type: FieldType, kind: &str, key: fn(&str) -> String| {
            let mut fields = flow.fields.iter();
            let field = fields.find(|field| field.field_type == field_type && values.contains_key(&field.name))?;
            let value = values.get(&field.name)?.as_str()?;
            Some(hide(kind, key(value), field.encrypted))
        };
        let name = NAME_FIELDS.iter().find_map(|parts| {
            let found: Vec<&str> = parts.iter().filter_map(|part| values.get(*part)?.as_str()).collect();
            let is_encrypted = |part: &&str| flow.field(part).is_some_and(|field| field.encrypted);
            let key = || search_key_name(&found.join(" "));
            (!found.is_empty()).then(|| hide("name", key(), parts.iter().any(is_encrypted)))
        });
        Self {
            email: first(FieldType::Email, "email", search_key_email),
            phone: first(FieldType::Phone, "phone", search_key),
            name,
        }
    }
}
