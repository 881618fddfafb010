//! stand-in
use serde::{Deserialize, Serialize};
/// .
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FieldType {
    /// .
    Text,
    /// .
    Email,
    /// .
    Phone,
    /// .
    Url,
    /// .
    Number,
    /// .
    Integer,
    /// .
    Boolean,
    /// .
    Date,
    /// .
    Datetime,
    /// .
    PostalCode,
    /// .
    State,
    /// .
    Country,
    /// .
    Choice,
    /// .
    IpAddress,
    /// .
    Json,
}
/// .
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldDef {
    /// .
    pub name: String,
    /// .
    pub label: String,
    /// .
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// .
    pub required: bool,
    /// .
    pub encrypted: bool,
    /// .
    pub choices: Option<Vec<String>>,
    /// .
    pub example: Option<String>,
    /// .
    pub description: Option<String>,
}
