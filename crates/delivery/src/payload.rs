//! What goes to a recipient: the shared fields, under the recipient's names, as JSON, form or mail.
//!
//! Everything here is a function of the settings and one lead. Parse settings once ([`PreparedWebhook`],
//! [`PreparedEmail`]) and render many leads with them.
//!
//! Absent values (null, and in forms and mails also empty texts): JSON sends them as null, so that a body always has
//! the same keys; forms and lists in mails leave them out.

mod form;
mod html_text;
mod json_shape;
mod mail;
mod webhook;

use entity::delivery::{self, DeliveryErrorCode};
use entity::delivery_config::{FieldMapping, FieldSelection};
use entity::field::FieldDef;
use serde::Serialize;
use serde_json::{Map, Value};

pub(super) use leadmesh_forms::templates::Budget;
use leadmesh_forms::templates::{Overrun, TemplateError, TemplateProblem, Values, json_within, wire_name};
pub use mail::{Mail, PreparedEmail};
pub use webhook::{Body, PreparedWebhook};

/// Why a lead cannot be put into the form that its recipient wants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// A template cannot be parsed or rendered.
    #[error("{setting}: {source}")]
    Template {
        /// The setting that holds the template, with a JSON pointer into a custom shape.
        setting: String,
        source: TemplateError,
    },
    /// The custom shape is not one.
    #[error("template: {advice}")]
    Shape {
        /// What is wrong and what to do about it.
        advice: &'static str,
    },
    /// What is rendered for the delivery has more bytes than it may.
    #[error("what is to be sent has more than {limit} bytes; share fewer fields, or shorten the template")]
    TooLarge { limit: usize },
    /// The body cannot be written as JSON.
    #[error("the body cannot be written as JSON: {message}")]
    Json { message: String },
}

impl PayloadError {
    fn template(setting: impl Into<String>) -> impl FnOnce(TemplateError) -> Self {
        |source| match source {
            TemplateError::TooLarge { limit } => Self::TooLarge { limit },
            source => Self::Template {
                setting: setting.into(),
                source,
            },
        }
    }

    /// What to record of a delivery that fails for it.
    pub fn code(&self) -> DeliveryErrorCode {
        match self {
            Self::TooLarge { .. } => DeliveryErrorCode::PayloadTooLarge,
            Self::Template { .. } | Self::Shape { .. } | Self::Json { .. } => DeliveryErrorCode::Template,
        }
    }
}

impl From<Overrun> for PayloadError {
    fn from(overrun: Overrun) -> Self {
        Self::template("payload")(overrun.into())
    }
}

impl From<PayloadError> for TemplateProblem {
    fn from(error: PayloadError) -> Self {
        Self::invalid(error.to_string())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Public id of the delivery, the same on every attempt.
    pub delivery_id: String,
    pub lead_id: String,
    pub test: bool,
}

impl Envelope {
    pub fn of(delivery: &delivery::Model) -> Self {
        Self {
            delivery_id: delivery.id.to_string(),
            lead_id: delivery.lead_id.to_string(),
            test: delivery.test,
        }
    }

    /// Headers that identify a webhook request, so that its body is the lead and nothing else. `webhook-id` is the
    /// identifier of the Standard Webhooks scheme.
    pub fn headers(&self) -> [(&'static str, &str); 3] {
        let test = if self.test { "true" } else { "false" };
        [
            ("webhook-id", &self.delivery_id),
            ("leadmesh-lead-id", &self.lead_id),
            ("leadmesh-test", test),
        ]
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub wire: String,
    /// What people read: the recipient's name if the field was renamed, else the field's label.
    pub label: String,
}

/// The shared fields of a flow, in the flow's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns(Vec<Column>);

impl Columns {
    /// Applies a selection and its renamings to the fields of a flow. What the selection or the renamings name beyond
    /// the flow has no effect; [`leadmesh_forms::templates::check_fields`] refuses it earlier.
    pub fn new(selection: &FieldSelection, mapping: &[FieldMapping], definitions: &[FieldDef]) -> Self {
        let shared = definitions.iter().filter(|field| selection.shares(&field.name));
        Self(shared.map(|field| column(field, mapping)).collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Column> {
        self.0.iter()
    }

    /// The shared values of a lead; null for those that it lacks.
    pub fn values<'a>(&'a self, lead: &'a Map<String, Value>) -> impl Iterator<Item = (&'a Column, &'a Value)> {
        self.0
            .iter()
            .map(|column| (column, lead.get(&column.name).unwrap_or(&Value::Null)))
    }

    /// The shared values of a lead for templates, by the flow's names.
    pub fn template_values<'a>(&'a self, lead: &'a Map<String, Value>) -> Values<'a> {
        self.values(lead)
            .map(|(column, value)| (column.name.as_str(), value))
            .collect()
    }
}

fn column(field: &FieldDef, mapping: &[FieldMapping]) -> Column {
    let wire = wire_name(&field.name, mapping);
    let label = if wire == field.name { &field.label } else { wire };
    let label = if label.trim().is_empty() { &field.name } else { label };
    Column {
        name: field.name.clone(),
        wire: wire.to_owned(),
        label: label.to_owned(),
    }
}

/// The shared values of one lead as (name on the wire, label, value), in the flow's order; null for those that the lead
/// lacks. For more than one lead make [`Columns`] once.
pub fn select(
    lead: &Map<String, Value>,
    selection: &FieldSelection,
    mapping: &[FieldMapping],
    definitions: &[FieldDef],
) -> Vec<(String, String, Value)> {
    let columns = Columns::new(selection, mapping, definitions);
    let owned = |(column, value): (&Column, &Value)| (column.wire.clone(), column.label.clone(), value.clone());
    columns.values(lead).map(owned).collect()
}

/// Compact JSON, counted against the budget while it is written.
pub(super) fn json_text<T: Serialize + ?Sized>(value: &T, budget: &Budget) -> Result<Vec<u8>, PayloadError> {
    let json = json_within(value, budget.bytes_left()).map_err(|error| {
        if error.is_io() {
            PayloadError::TooLarge { limit: budget.limit() }
        } else {
            PayloadError::Json {
                message: error.to_string(),
            }
        }
    })?;
    budget.write(json.len())?;
    Ok(json)
}

#[cfg(test)]
mod tests;
