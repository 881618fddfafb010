//! A distribution profile: picks partners for a lead.

use crate::ids::{AccountId, ProfileId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// How a profile chooses among matching partners.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Strategy {
    /// The partner with the best rank.
    FirstMatch,
    /// All partners, up to `maxRecipients`.
    SendToAll,
    /// One partner, in turn. Among partners that always match, none is ever a whole lead ahead or behind.
    RoundRobin,
    /// One partner, in proportion to the weights, by counting, not at random: of 1,000 leads, weights of 70, 20 and 10
    /// get exactly 700, 200 and 100. Leads that a partner misses while it does not match go to the others and are not
    /// made up for.
    Weighted,
}

/// What happens when the chosen partner's delivery finally fails or is refused.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnFailure {
    /// Nothing.
    Stay,
    /// The next matching partner gets the lead.
    NextPartner,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "profile")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProfileId,
    /// Whose.
    pub account_id: AccountId,
    /// As shown.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Whether it routes.
    pub enabled: bool,
    /// How it picks.
    pub strategy: Strategy,
    /// What follows a final failure.
    pub on_failure: OnFailure,
    /// At most so many partners per lead.
    pub max_recipients: Option<i32>,
    /// Canonical rule tree over field names.
    pub rule: Option<Json>,
    /// What partners pay, in 1/10,000 of the currency unit.
    pub base_price_e4: Option<i64>,
    /// ISO 4217.
    pub base_price_currency: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Last change.
    pub updated_at: DateTime<Utc>,
    /// Set when deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

crate::no_relations!();

impl Entity {
    /// What may be large of a row.
    pub const LARGE: &'static [Column] = &[Column::Rule];

    /// Profiles of one account, deleted ones left out.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find()
            .filter(Column::AccountId.eq(account))
            .filter(Column::DeletedAt.is_null())
    }
}
