//! Webhook bodies.

use entity::delivery_config::{PayloadFormat, WebhookConfig};
use entity::field::FieldDef;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::json_shape::Shape;
use super::{Columns, PayloadError, form};
use crate::delivery::templates::{TemplateProblem, check_fields, value_json};

/// A request's body.
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
    /// Parses the settings.
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
        let mut problems = check_fields(&config.fields, &config.mapping, definitions);
        match Self::new(config, definitions) {
            Ok(Self { shape: Some(shape), .. }) => {
                problems.extend(shape.check(definitions, &config.fields));
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
    pub fn render(&self, lead: &Map<String, Value>) -> Result<Body, PayloadError> {
        let shaped = match &self.shape {
            Some(shape) => Some(shape.render(&self.columns.template_values(lead))?),
            None => None,
        };
        match (self.payload, shaped) {
            (PayloadFormat::Json, Some(value)) => json(&value),
            (PayloadFormat::Json, None) => json(&Flat {
                columns: &self.columns,
                lead,
            }),
            (PayloadFormat::Form, Some(value)) => {
                let entries = value.as_object().into_iter().flatten();
                Ok(form_body(entries.map(|(name, value)| (name.as_str(), value))))
            }
            (PayloadFormat::Form, None) => {
                let values = self.columns.values(lead);
                Ok(form_body(values.map(|(column, value)| (column.wire.as_str(), value))))
            }
        }
    }
}

fn json<T: Serialize>(value: &T) -> Result<Body, PayloadError> {
    let bytes = value_json(value).map_err(PayloadError::json)?;
    Ok(Body {
        content_type: "application/json",
        bytes,
    })
}

fn form_body<'a>(fields: impl Iterator<Item = (&'a str, &'a Value)>) -> Body {
    let bytes = form::encode(fields).into_bytes();
    Body {
        content_type: "application/x-www-form-urlencoded",
        bytes,
    }
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
