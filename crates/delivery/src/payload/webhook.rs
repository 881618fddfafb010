//! Webhook bodies.

use entity::delivery_config::{PayloadFormat, WebhookConfig};
use entity::field::FieldDef;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::json_shape::Shape;
use super::{Budget, Columns, PayloadError, form, json_text};
use leadmesh_forms::templates::{FieldNames, TemplateProblem, check_fields};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Value of the `content-type` header.
    pub content_type: &'static str,
    /// The body itself, UTF-8.
    pub bytes: Vec<u8>,
}

/// A webhook's settings, ready to render leads. May be shared between threads.
#[derive(Debug)]
pub struct PreparedWebhook {
    columns: Columns,
    payload: PayloadFormat,
    shape: Option<Shape>,
}

impl PreparedWebhook {
    pub fn new(config: &WebhookConfig, definitions: &[FieldDef]) -> Result<Self, PayloadError> {
        let shape = config.template.as_ref().map(Shape::parse).transpose()?;
        if config.payload == PayloadFormat::Form && shape.as_ref().is_some_and(|shape| !shape.is_object()) {
            return Err(PayloadError::Shape {
                advice: "a form consists of named values; make the custom shape an object",
            });
        }
        let columns = Columns::new(&config.fields, &config.mapping, definitions);
        Ok(Self {
            columns,
            payload: config.payload,
            shape,
        })
    }

    /// Everything in the settings' fields, renamings and custom shape that must be refused when they are saved.
    pub fn check(config: &WebhookConfig, definitions: &[FieldDef]) -> Vec<TemplateProblem> {
        let names = FieldNames::new(definitions);
        let mut problems = check_fields(&config.fields, &config.mapping, &names);
        match Self::new(config, definitions) {
            Ok(Self { shape: Some(shape), .. }) => {
                problems.extend(shape.check(&names, &config.fields));
            }
            Ok(_) => {}
            Err(error) => problems.push(error.into()),
        }
        problems
    }

    /// Renders the body for one lead.
    ///
    /// Without custom shape it is one flat object or form of the shared fields under the recipient's names, in the
    /// flow's order. A JSON-valued field is nested in JSON and written with brackets in a form.
    ///
    /// # Errors
    /// If a template fails on the lead's values, or the budget is used up.
    pub fn render(&self, lead: &Map<String, Value>, budget: &Budget) -> Result<Body, PayloadError> {
        let Some(shape) = &self.shape else {
            return self.flat(lead, budget);
        };
        let value = shape.render(&self.columns.template_values(lead), budget)?;
        let budget = budget.for_encoding();
        match self.payload {
            PayloadFormat::Json => json(&value, &budget),
            PayloadFormat::Form => {
                let entries = value.as_object().into_iter().flatten();
                form_body(entries.map(|(name, value)| (name.as_str(), value)), &budget)
            }
        }
    }

    /// Whether the shared fields are written as they are, without a template: that takes one pass over the lead and ends at the
    /// latest when the bytes are used up.
    pub fn is_plain(&self) -> bool {
        self.shape.is_none()
    }

    fn flat(&self, lead: &Map<String, Value>, budget: &Budget) -> Result<Body, PayloadError> {
        let columns = &self.columns;
        match self.payload {
            PayloadFormat::Json => json(&Flat { columns, lead }, budget),
            PayloadFormat::Form => {
                let values = columns.values(lead);
                form_body(values.map(|(column, value)| (column.wire.as_str(), value)), budget)
            }
        }
    }
}

fn json<T: Serialize>(value: &T, budget: &Budget) -> Result<Body, PayloadError> {
    let bytes = json_text(value, budget)?;
    Ok(Body {
        content_type: "application/json",
        bytes,
    })
}

fn form_body<'a>(fields: impl Iterator<Item = (&'a str, &'a Value)>, budget: &Budget) -> Result<Body, PayloadError> {
    let bytes = form::encode(fields, budget)?.into_bytes();
    Ok(Body {
        content_type: "application/x-www-form-urlencoded",
        bytes,
    })
}

/// The flat object, written straight from the lead.
struct Flat<'a> {
    columns: &'a Columns,
    lead: &'a Map<String, Value>,
}

impl Serialize for Flat<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.columns
                .values(self.lead)
                .map(|(column, value)| (&column.wire, value)),
        )
    }
}
