//! What an account shares of its leads with another one: which fields and under which names, and what the other one's flow drops.

use entity::delivery_config::{FieldMapping, FieldSelection, FieldSelectionMode};
use entity::field::FieldDef;
use serde_json::{Map, Value};

use super::decide::typing;
use super::draft::InboundLead;
use super::outcome::{Reason, ReasonCode, Subject, add_reason};
use super::trace::Trace;
use leadmesh_forms::templates::wire_name;

/// Dropped fields that get a warning each, for each recipient. The others are counted.
const MAX_WARNINGS: usize = 20;

/// What a recipient gets.
#[derive(Clone, Copy, Debug)]
pub struct Sharing<'a> {
    definitions: &'a [FieldDef],
    selection: &'a FieldSelection,
    mapping: &'a [FieldMapping],
}

impl<'a> Sharing<'a> {
    /// Shares the selected ones of these fields, renamed by `mapping`.
    pub fn new(definitions: &'a [FieldDef], selection: &'a FieldSelection, mapping: &'a [FieldMapping]) -> Self {
        Self {
            definitions,
            selection,
            mapping,
        }
    }

    fn shared(self) -> impl Iterator<Item = &'a FieldDef> {
        let shares = move |field: &&FieldDef| self.selection.shares(&field.name);
        self.definitions.iter().filter(shares)
    }

    /// The shared values of a lead, by the names that the recipient gets.
    pub fn values_of(self, lead: &Map<String, Value>) -> Map<String, Value> {
        let named = self.shared().filter_map(|field| {
            let value = lead.get(&field.name)?;
            Some((wire_name(&field.name, self.mapping).to_owned(), value.clone()))
        });
        named.collect()
    }

    /// Shared fields that the receiving flow does not know, by the sharing account's names. `renamed` is the mapping of the
    /// receiving source.
    pub fn unknown_to(self, renamed: &[FieldMapping], knows: impl Fn(&str) -> bool) -> Vec<&'a str> {
        let is_unknown = |field: &&FieldDef| !knows(typing::own_name(renamed, wire_name(&field.name, self.mapping)));
        self.shared()
            .filter(is_unknown)
            .map(|field| field.name.as_str())
            .collect()
    }

    /// Fields that the lead has and that the flow which it enters drops.
    pub fn dropped_by(self, entered: &InboundLead, lead: &Map<String, Value>) -> Vec<String> {
        let Some(source) = entered.source() else {
            return Vec::new();
        };
        let unknown = self.unknown_to(&source.mapping, |name| entered.flow.field(name).is_some());
        let dropped = unknown.into_iter().filter(|name| lead.contains_key(*name));
        dropped.map(str::to_owned).collect()
    }
}

/// Encrypted fields that a selection shares without naming them.
pub fn encrypted_unnamed<'a>(definitions: &'a [FieldDef], selection: &FieldSelection) -> Vec<&'a str> {
    let named = |field: &FieldDef| selection.mode == FieldSelectionMode::Only && selection.fields.contains(&field.name);
    let encrypted = definitions.iter().filter(|field| field.encrypted);
    let unnamed = encrypted.filter(|field| selection.shares(&field.name) && !named(field));
    unnamed.map(|field| field.name.as_str()).collect()
}

/// Adds the fields that a recipient has dropped to the trace and the warnings of the lead.
pub fn warn_of_dropped(recipient: &Subject, fields: &[String], trace: &mut Trace, warnings: &mut Vec<Reason>) {
    if fields.is_empty() {
        return;
    }
    let detail = format!(
        "its flow does not know these fields, and drops them: {}",
        fields.join(", ")
    );
    trace.check_item(recipient, "shared fields", false, detail);
    for field in fields.iter().take(MAX_WARNINGS) {
        let message = format!(
            "the recipient of {} does not know this field, and drops it: rename it in the mapping, or share without it",
            recipient.name
        );
        add_reason(warnings, Reason::about(ReasonCode::FieldNotTaken, field, message));
    }
    let more = fields.len().saturating_sub(MAX_WARNINGS);
    if more > 0 {
        let message = format!(
            "the recipient of {} does not know {more} more fields, and drops them",
            recipient.name
        );
        add_reason(warnings, Reason::new(ReasonCode::FieldNotTaken, message));
    }
}
