//! When an account's mail server may be used next, where it takes only so many mails a minute.

use crate::ids::AccountId;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QuerySelect, Set, Unchanged};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "smtp_rate")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// The next turn that nobody has been given yet.
    pub next_at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// Takes the next turn, not before `now`; the one after it comes `gap` later.
    pub async fn take(
        tx: &DatabaseTransaction,
        account: AccountId,
        now: DateTime<Utc>,
        gap: TimeDelta,
    ) -> Result<DateTime<Utc>, DbErr> {
        let first = ActiveModel {
            account_id: Set(account),
            next_at: Set(now),
        };
        crate::bulk::insert_if_absent::<Self>(tx, vec![first]).await?;
        let row = Self::find_by_id(account).lock_exclusive().one(tx).await?;
        let turn = row.map_or(now, |row| row.next_at.max(now));
        let next = ActiveModel {
            account_id: Unchanged(account),
            next_at: Set(turn + gap),
        };
        next.update(tx).await?;
        Ok(turn)
    }

    /// Begins anew: with another limit, turns that were given do not count.
    pub async fn forget(tx: &DatabaseTransaction, account: AccountId) -> Result<(), DbErr> {
        Self::delete_by_id(account).exec(tx).await?;
        Ok(())
    }
}
