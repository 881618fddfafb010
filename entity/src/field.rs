//! The fields of a lead as a flow defines them; a flow stores its list as JSON.

use async_graphql::{Enum, SimpleObject};
use serde::{Deserialize, Serialize};

/// Type of a field. Decides which values are accepted and how they are stored.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FieldType {
    /// Any text, stored trimmed and without control characters other than line feed and tab.
    Text,
    /// One email address without a display name, stored in lower case, with an international domain in its ASCII form.
    Email,
    /// A phone number, national to the lead's country or international, stored as E.164, such as `+14155550123`.
    Phone,
    /// An absolute `http` or `https` URL. A missing scheme becomes `https`.
    Url,
    /// A decimal number, stored exactly, without currency signs and grouping.
    Number,
    /// A 64-bit integer.
    Integer,
    /// True or false, also yes/no, on/off or 1/0.
    Boolean,
    /// A calendar date, stored as `YYYY-MM-DD`.
    Date,
    /// A date and time, stored as RFC 3339 in UTC. Without an offset it counts as UTC.
    Datetime,
    /// A postal code of the lead's country, stored in that country's usual spelling.
    PostalCode,
    /// A state, province or similar part of the lead's country, stored as its code, such as `CA`.
    State,
    /// A country by code or English name, stored as ISO 3166-1 alpha-2, such as `US`.
    Country,
    /// One of the field's choices, stored in their spelling.
    Choice,
    /// An IPv4 or IPv6 address, stored in its shortest form.
    IpAddress,
    /// Any JSON value of limited size and depth. Text that contains an object or a list is parsed.
    Json,
}

/// A field of a lead, as a flow defines it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
#[graphql(name = "FlowField")]
pub struct FieldDef {
    /// Name that senders, rules and templates use. Unique in the flow.
    pub name: String,
    /// Label in forms, tables and CSV headers.
    pub label: String,
    /// Type of the field. Decides which values are accepted and how they are stored.
    #[serde(rename = "type")]
    #[graphql(name = "type")]
    pub field_type: FieldType,
    /// Whether a lead without a valid value is rejected.
    #[serde(default)]
    pub required: bool,
    /// Whether values are encrypted at rest and shown only to callers who may reveal them.
    #[serde(default)]
    pub encrypted: bool,
    /// Accepted values of a CHOICE field; null for other types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<String>>,
    /// A valid value, for the submission docs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    /// What senders should know about the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_definition_is_stored_in_camel_case_without_absent_parts() {
        let stored =
            json!({"name": "zip", "label": "ZIP", "type": "POSTAL_CODE", "required": true, "encrypted": false});
        let field: FieldDef = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(field.field_type, FieldType::PostalCode);
        assert_eq!(serde_json::to_value(&field).unwrap(), stored);
    }

    #[test]
    fn stored_type_names_are_those_of_the_api() {
        for item in <FieldType as async_graphql::resolver_utils::EnumType>::items() {
            assert_eq!(serde_json::to_value(item.value).unwrap(), json!(item.name));
        }
    }
}
