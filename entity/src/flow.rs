//! A flow: an account's pipeline.

use crate::cap_usage::Caps;
use crate::field::FieldDef;
use crate::ids::{AccountId, FlowId};
use chrono::{DateTime, Utc};
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// The fields of a flow, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct FieldDefs(pub Vec<FieldDef>);

/// A list of names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Names(pub Vec<String>);

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "flow")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: FlowId,
    /// Whose.
    pub account_id: AccountId,
    /// As shown.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Whether it takes leads.
    pub enabled: bool,
    /// The flow that every account has from its sign-up.
    pub is_inbox: bool,
    /// Raised by every change of the flow, its sources and its steps.
    pub version: i32,
    /// What it knows about a lead.
    pub fields: FieldDefs,
    /// Canonical rule tree.
    pub acceptance_rule: Option<Json>,
    /// Fields that make two leads the same.
    pub duplicate_keys: Names,
    /// For how long.
    pub duplicate_window_days: Option<i32>,
    /// Limits of accepted leads.
    pub caps: Caps,
    /// What is paid to sources, in 1/10,000 of the currency unit.
    pub price_e4: Option<i64>,
    /// ISO 4217.
    pub price_currency: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Last change.
    pub updated_at: DateTime<Utc>,
    /// Set when deleted; leads keep pointing here.
    pub deleted_at: Option<DateTime<Utc>>,
}

crate::no_relations!();

impl Entity {
    /// What may be large of a row.
    pub const LARGE: &'static [Column] = &[Column::Fields, Column::AcceptanceRule];

    /// Flows of one account, deleted ones left out.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find()
            .filter(Column::AccountId.eq(account))
            .filter(Column::DeletedAt.is_null())
    }

    /// Flows of one account, deleted ones too: for those that leads point to.
    pub fn ever_in_account(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// A flow by what a sender names; whether the sender may use it is decided by its sources.
    pub fn by_id(id: FlowId) -> Select<Self> {
        Self::find_by_id(id).filter(Column::DeletedAt.is_null())
    }

    /// Flows by what senders named, for counting what was refused of it.
    pub fn named(ids: impl IntoIterator<Item = FlowId>) -> Select<Self> {
        Self::find()
            .filter(Column::Id.is_in(ids))
            .filter(Column::DeletedAt.is_null())
    }

    /// Flows by id for the delivery worker, which acts for every account and finishes what deleted flows began.
    pub fn for_worker(ids: impl IntoIterator<Item = FlowId>) -> Select<Self> {
        Self::find().filter(Column::Id.is_in(ids))
    }
}
