//! When a flow last accepted a lead with certain values of its duplicate keys.

use crate::bulk;
use crate::ids::{FlowId, LeadId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{Condition, QueryOrder, QuerySelect};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "duplicate_memory")]
pub struct Model {
    /// Which flow.
    #[sea_orm(primary_key, auto_increment = false)]
    pub flow_id: FlowId,
    /// Keyed hash of the values.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key_hash: String,
    /// The lead.
    pub lead_id: LeadId,
    /// When it was accepted.
    pub at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// Entries of those flows with those keys, in any combination: the caller compares both. Locked in one order, so that
    /// two transactions cannot wait for each other.
    pub fn locked(
        db: &impl ConnectionTrait,
        flows: impl IntoIterator<Item = FlowId>,
        keys: Vec<String>,
    ) -> Select<Self> {
        Self::find()
            .filter(bulk::among(db, Column::FlowId, flows.into_iter().map(|id| id.0)))
            .filter(bulk::among_texts(db, Column::KeyHash, keys))
            .order_by_asc(Column::FlowId)
            .order_by_asc(Column::KeyHash)
            .lock_exclusive()
    }

    /// What a flow remembers under a key.
    pub fn remembered(flow: FlowId, key: String) -> Select<Self> {
        Self::find_by_id((flow, key))
    }

    /// Forgets the values of one lead of a flow, by the index `duplicate_memory_lead`.
    pub fn forget_lead(flow: FlowId, lead: LeadId) -> sea_orm::DeleteMany<Self> {
        Self::delete_many()
            .filter(Column::LeadId.eq(lead))
            .filter(Column::FlowId.eq(flow))
    }

    /// Forgets what was taken under certain keys.
    pub fn forget(keys: impl IntoIterator<Item = (FlowId, String)>) -> sea_orm::DeleteMany<Self> {
        let key = |(flow, hash): (FlowId, String)| Column::FlowId.eq(flow).and(Column::KeyHash.eq(hash));
        let any = keys
            .into_iter()
            .fold(Condition::any(), |any, taken| any.add(key(taken)));
        Self::delete_many().filter(any)
    }
}
