//! A sender's key for one submission: the same key gives the first receipt again.

use crate::bulk;
use crate::ids::{LeadId, SourceId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};

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
    /// SHA-256 of what was submitted: the same key with something else is a conflict. Empty once the lead was erased: the key then
    /// answers whatever comes with it.
    pub fingerprint: String,
    /// The lead and receipt.
    pub lead_id: LeadId,
    /// When; kept at least seven days.
    pub at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// Entries of those sources with those keys, in any combination: the caller compares both.
    pub fn with_keys(
        db: &impl ConnectionTrait,
        sources: impl IntoIterator<Item = SourceId>,
        keys: Vec<String>,
    ) -> Select<Self> {
        Self::find()
            .filter(bulk::among(db, Column::SourceId, sources.into_iter().map(|id| id.0)))
            .filter(bulk::among_texts(db, Column::Key, keys))
    }

    /// Forgets what was submitted under a key; the key goes on answering.
    pub fn forget_content(source: SourceId, key: &str) -> sea_orm::UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::Fingerprint, Expr::value(""))
            .filter(Column::SourceId.eq(source))
            .filter(Column::Key.eq(key))
    }

    /// Forgets entries from before a time.
    pub fn forget_before(time: DateTime<Utc>) -> sea_orm::DeleteMany<Self> {
        Self::delete_many().filter(Column::At.lt(time))
    }

    /// When the entry came that has `count` older ones before it: by it a long past is forgotten in parts.
    pub fn at_place(count: u64) -> Select<Self> {
        Self::find().order_by_asc(Column::At).offset(count)
    }
}
