//! stand-in
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};
/// .
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldMapping {
    /// .
    pub from: String,
    /// .
    pub to: String,
}
/// .
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct DeliveryConfig {
    /// .
    pub a: i32,
}
/// .
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Channel {
    /// .
    Email,
    /// .
    Webhook,
    /// .
    Portal,
    /// .
    Account,
}
