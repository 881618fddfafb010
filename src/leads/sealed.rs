//! Values of encrypted fields at rest: `{"$sealed": "…"}`, bound to their account, lead and field.

use entity::field::FieldDef;
use entity::ids::LeadId;
use entity::lead;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::crypto::{Keys, OpenError};
use crate::error::{Error, Result};

const MARK: &str = "$sealed";

/// Which of a field's two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The normalised one.
    Value,
    /// The one as sent.
    Raw,
}

impl Place {
    fn of(self, lead: LeadId, field: &str) -> String {
        match self {
            Self::Value => format!("{lead}/{field}"),
            Self::Raw => format!("{lead}/{field}/raw"),
        }
    }
}

/// The values as they are stored.
pub fn seal_fields(
    definitions: &[FieldDef],
    lead: LeadId,
    mut values: Map<String, Value>,
    place: Place,
    keys: &Keys,
) -> Result<Map<String, Value>> {
    for field in definitions.iter().filter(|field| field.encrypted) {
        if let Some(value) = values.get_mut(&field.name) {
            *value = json!({ MARK: keys.seal(&place.of(lead, &field.name), &serde_json::to_vec(value)?)? });
        }
    }
    Ok(values)
}

/// A stored value's sealed text, if it is sealed.
pub fn sealed_text(value: &Value) -> Option<&str> {
    value
        .as_object()
        .filter(|object| object.len() == 1)?
        .get(MARK)?
        .as_str()
}

/// A lead's values with the encrypted ones opened.
pub async fn open_fields(app: &App, lead: &lead::Model) -> Result<Map<String, Value>> {
    open(app, lead, &lead.fields, Place::Value).await
}

/// A lead's values as sent with the encrypted ones opened.
pub async fn open_raw(app: &App, lead: &lead::Model) -> Result<Map<String, Value>> {
    open(app, lead, &lead.raw, Place::Raw).await
}

async fn open(app: &App, lead: &lead::Model, stored: &Value, place: Place) -> Result<Map<String, Value>> {
    let mut values = stored.as_object().cloned().unwrap_or_default();
    if !values.values().any(|value| sealed_text(value).is_some()) {
        return Ok(values);
    }
    let owner = Some(lead.account_id);
    let keys = app.vault.keys(app.db.write(), &app.clock, owner).await?;
    let opened = open_with(&keys, lead.id, &mut values, place);
    if matches!(opened, Err(OpenError::UnknownKey)) {
        let keys = app.vault.reload(app.db.write(), &app.clock, owner).await?;
        values = stored.as_object().cloned().unwrap_or_default();
        return open_with(&keys, lead.id, &mut values, place)
            .map(|()| values)
            .map_err(|error| Error::Internal(error.into()));
    }
    opened.map(|()| values).map_err(|error| Error::Internal(error.into()))
}

fn open_with(
    keys: &Keys,
    lead: LeadId,
    values: &mut Map<String, Value>,
    place: Place,
) -> std::result::Result<(), OpenError> {
    for (field, value) in values.iter_mut() {
        if let Some(text) = sealed_text(value) {
            let plain = keys.open(&place.of(lead, field), text)?;
            *value = serde_json::from_slice(&plain).map_err(|_not_json| OpenError::Damaged)?;
        }
    }
    Ok(())
}
