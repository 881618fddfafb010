//! The fields of a flow.

use serde::{Deserialize, Serialize};

/// What a field holds; decides how it is typed, compared and shown.
#[derive(async_graphql::Enum, Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "a stand-in")]
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
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "a stand-in")]
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
