//! Stand-in for the field definitions of a flow, until the real file arrives.

use serde::{Deserialize, Serialize};

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "stand-in")]
pub enum FieldType {
    Text,
    Email,
    Phone,
    Url,
    Number,
    Integer,
    Boolean,
    Date,
    Datetime,
    PostalCode,
    State,
    Country,
    Choice,
    IpAddress,
    Json,
}

/// A field of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "stand-in")]
pub struct FieldDef {
    pub name: String,
    pub label: String,
    #[serde(rename = "type")]
    pub field_type: FieldType,
    pub required: bool,
    pub encrypted: bool,
    pub choices: Option<Vec<String>>,
    pub example: Option<String>,
    pub description: Option<String>,
}
