//! A version of how a partner or a buyer step's buyer gets its leads; never changed once written.

use crate::delivery_config::DeliveryConfig;
use crate::ids::{AccountId, PartnerId, SettingsId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery_settings")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SettingsId,
    /// Whose.
    pub account_id: AccountId,
    /// Which partner; none for what a BUYER step shares.
    pub partner_id: Option<PartnerId>,
    /// The channel and all that it needs; secrets in it are sealed.
    pub config: DeliveryConfig,
    /// When it was set.
    pub created_at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// What may be large of a row.
    pub const LARGE: &'static [Column] = &[Column::Config];

    /// Rows of one account.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// Settings by id for the delivery worker, which acts for every account.
    pub fn for_worker(ids: impl IntoIterator<Item = SettingsId>) -> Select<Self> {
        Self::find().filter(Column::Id.is_in(ids))
    }
}
