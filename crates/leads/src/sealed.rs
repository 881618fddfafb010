//! Stored values. A value of an encrypted field is stored as `{"$sealed": "…"}`, bound to its account, lead and field. A sender's own
//! value of that form, or of the following one, is stored as `{"$plain": …}`: otherwise a sender could pass off a value as sealed, and
//! make its lead, and every page that shows it, unreadable.

use entity::field::FieldDef;
use entity::ids::{AccountId, LeadId};
use serde_json::{Map, Value, json};

use leadmesh_core::app::App;
use leadmesh_core::crypto::{Keys, OpenError};
use leadmesh_core::error::{Error, Result};

const MARK: &str = "$sealed";
const PLAIN: &str = "$plain";

/// The kinds of values that a lead has for one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// The normalised value.
    Value,
    /// The value as sent.
    Raw,
    /// A value that a step has overwritten, by its index among these.
    Overwritten(usize),
}

impl ValueKind {
    /// The context to which the value is bound.
    fn context(self, lead: LeadId, field: &str) -> String {
        match self {
            Self::Value => format!("{lead}/{field}"),
            Self::Raw => format!("{lead}/{field}/raw"),
            Self::Overwritten(index) => format!("{lead}/{field}/overwritten/{index}"),
        }
    }
}

/// The values as they are stored. Without keys, for flows that encrypt nothing, none is sealed.
pub fn stored_fields(
    definitions: &[FieldDef],
    lead: LeadId,
    mut values: Map<String, Value>,
    kind: ValueKind,
    keys: Option<&Keys>,
) -> Result<Map<String, Value>> {
    let encrypted = |name: &str| definitions.iter().any(|field| field.encrypted && field.name == name);
    for (name, value) in &mut values {
        match keys.filter(|_| encrypted(name)) {
            Some(keys) => {
                *value = json!({ MARK: keys.seal(&kind.context(lead, name), &serde_json::to_vec(value)?)? });
            }
            None => wrap(value),
        }
    }
    Ok(values)
}

/// The sealed text of a stored value; none if it is not sealed.
pub fn sealed_text(value: &Value) -> Option<&str> {
    only_member(value, MARK)?.as_str()
}

/// The value of a stored one that is not sealed.
pub fn plain(stored: Value) -> Value {
    match stored {
        Value::Object(mut object) if object.len() == 1 && object.contains_key(PLAIN) => {
            object.remove(PLAIN).unwrap_or_default()
        }
        value => value,
    }
}

fn wrap(value: &mut Value) {
    if only_member(value, MARK).or(only_member(value, PLAIN)).is_some() {
        *value = json!({ PLAIN: value.take() });
    }
}

fn only_member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_object().filter(|object| object.len() == 1)?.get(name)
}

/// The stored values of a lead, opened.
pub async fn open_fields(app: &App, account: AccountId, lead: LeadId, stored: &Value) -> Result<Map<String, Value>> {
    open(app, account, lead, stored, ValueKind::Value).await
}

/// The stored values of a lead as sent, opened.
pub async fn open_raw(app: &App, account: AccountId, lead: LeadId, stored: &Value) -> Result<Map<String, Value>> {
    open(app, account, lead, stored, ValueKind::Raw).await
}

/// Opens stored values of one kind. A key that this process does not know yet is loaded.
pub(super) async fn open(
    app: &App,
    account: AccountId,
    lead: LeadId,
    stored: &Value,
    kind: ValueKind,
) -> Result<Map<String, Value>> {
    let mut values = match stored {
        Value::Object(values) => values.clone(),
        Value::Null => Map::new(),
        // Not taken for a lead without values: it would be delivered as one.
        _ => return Err(Error::Internal(anyhow::anyhow!("a lead whose values are no object"))),
    };
    if !values.values().any(|value| sealed_text(value).is_some()) {
        values.values_mut().for_each(|value| *value = plain(value.take()));
        return Ok(values);
    }
    let owner = Some(account);
    let keys = app.vault.keys(app.db.write(), &app.clock, owner).await?;
    let opened = open_with(&keys, lead, &mut values, kind);
    if matches!(opened, Err(OpenError::UnknownKey)) {
        let keys = app.vault.reload(app.db.write(), &app.clock, owner).await?;
        values = stored.as_object().cloned().unwrap_or_default();
        return open_with(&keys, lead, &mut values, kind)
            .map(|()| values)
            .map_err(|error| Error::Internal(error.into()));
    }
    opened.map(|()| values).map_err(|error| Error::Internal(error.into()))
}

fn open_with(
    keys: &Keys,
    lead: LeadId,
    values: &mut Map<String, Value>,
    kind: ValueKind,
) -> std::result::Result<(), OpenError> {
    for (field, value) in values.iter_mut() {
        *value = match sealed_text(value) {
            Some(text) => {
                let opened = keys.open(&kind.context(lead, field), text)?;
                serde_json::from_slice(&opened).map_err(|_not_json| OpenError::Damaged)?
            }
            None => plain(value.take()),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_looks_stored_comes_back_as_it_was_sent() {
        let Value::Object(sent) = json!({
            "a": { "$sealed": "AAAA" }, "b": { "$plain": { "$sealed": 1 } }, "c": { "$plain": 1, "d": 2 }, "e": [{ "$sealed": "x" }], "f": null,
        }) else {
            unreachable!()
        };
        let stored = stored_fields(&[], LeadId(uuid::Uuid::nil()), sent.clone(), ValueKind::Value, None).unwrap();
        assert!(stored.values().all(|value| sealed_text(value).is_none()), "{stored:?}");
        let read: Map<_, _> = stored.into_iter().map(|(name, value)| (name, plain(value))).collect();
        assert_eq!(read, sent);
    }
}
