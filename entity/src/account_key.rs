//! A data key of an account, wrapped by the operator's master key.

use crate::ids::AccountId;
use chrono::{DateTime, Utc};
use sea_orm::UpdateMany;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// What a key is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyPurpose {
    /// Sealing values at rest.
    Seal,
    /// Keyed hashes for exact search and duplicates; never rotated, as the hashes are compared over time.
    Index,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "account_key")]
pub struct Model {
    /// Written in front of everything sealed with it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose it is; none for the instance itself.
    pub account_id: Option<AccountId>,
    /// What it may be used for.
    pub purpose: KeyPurpose,
    /// The key, sealed by the master key.
    pub wrapped: Vec<u8>,
    /// Whether new values are sealed with it; older keys only open.
    pub active: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// The keys of one account, or of the instance.
    pub fn owned_by(account: Option<AccountId>) -> Select<Self> {
        match account {
            Some(account) => Self::find().filter(Column::AccountId.eq(account)),
            None => Self::find().filter(Column::AccountId.is_null()),
        }
    }

    /// Every key, for the operator.
    pub fn for_operator() -> Select<Self> {
        Self::find()
    }

    /// Lets the key that seals for an owner only open from now on.
    pub fn retire(owner: Option<AccountId>) -> UpdateMany<Self> {
        let theirs = match owner {
            Some(account) => Column::AccountId.eq(account),
            None => Column::AccountId.is_null(),
        };
        Self::update_many()
            .col_expr(Column::Active, Expr::value(false))
            .filter(theirs)
            .filter(Column::Purpose.eq(KeyPurpose::Seal))
            .filter(Column::Active.eq(true))
    }

    /// One key by the id that stands in front of a sealed value.
    pub fn by_id(id: Uuid) -> Select<Self> {
        Self::find_by_id(id)
    }
}
