//! Something that names fields.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::contents::join_words;
use crate::stored_rules::parsed;
use leadmesh_forms::rules::Rule;
use leadmesh_forms::templates::{Escape, Template};

/// Something that names fields.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FieldUse {
    /// What names them, in messages.
    pub(super) user: String,
    pub(super) fields: BTreeSet<String>,
}

impl FieldUse {
    pub(super) fn of_rule(user: String, rule: &Value) -> Self {
        let rule = parsed(rule);
        let fields = rule.iter().flat_map(Rule::fields_named).map(str::to_owned).collect();
        Self { user, fields }
    }
}

/// The fields that a template names; none if it cannot be read.
pub(super) fn named_in(template: &str) -> Vec<String> {
    let template = Template::parse(template, Escape::None).ok();
    let names = template.iter().flat_map(Template::fields);
    names.map(str::to_owned).collect()
}

/// Everything that names a field, joined.
pub(super) fn users_of(uses: &[FieldUse], field: &str) -> String {
    let uses = uses.iter().filter(|used| used.fields.contains(field));
    let names: Vec<&str> = uses.map(|used| used.user.as_str()).collect();
    join_words(&names)
}
