//! A lead that somebody has typed in to try a partner's delivery: it came through no source, and is delivered by the fields that
//! it was typed in by, whatever becomes of the flows.

use crate::flow::FieldDefs;
use crate::ids::{AccountId, LeadId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "hand_made_lead")]
pub struct Model {
    /// Which lead.
    #[sea_orm(primary_key, auto_increment = false)]
    pub lead_id: LeadId,
    /// Whose.
    pub account_id: AccountId,
    /// What was known about it; no values.
    pub fields: FieldDefs,
    /// When.
    pub at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// Those of an account since a time.
    pub fn since(account: AccountId, time: DateTime<Utc>) -> Select<Self> {
        Self::find()
            .filter(Column::AccountId.eq(account))
            .filter(Column::At.gte(time))
    }

    /// Those of some leads of an account.
    pub fn of_leads(account: AccountId, leads: impl IntoIterator<Item = LeadId>) -> Select<Self> {
        Self::find()
            .filter(Column::AccountId.eq(account))
            .filter(Column::LeadId.is_in(leads))
    }

    /// One lead's, for the delivery worker, which acts for every account.
    pub fn for_worker(lead: LeadId) -> Select<Self> {
        Self::find_by_id(lead)
    }
}
