//! A sender's key for one submission: the same key gives the first receipt again.

use crate::ids::{LeadId, SourceId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency")]
pub struct Model {
    /// Which source.
    #[sea_orm(primary_key, auto_increment = false)]
    pub source_id: SourceId,
    /// The sender's key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// SHA-256 of what was submitted: the same key with something else is a conflict.
    pub fingerprint: String,
    /// The lead and receipt.
    pub lead_id: LeadId,
    /// When; kept at least seven days.
    pub at: DateTime<Utc>,
}

/// Relations are deliberately absent: rows are loaded by scoped finders, never by joins that could leave their account.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
