//! How many mails of the instance were written for one cause in one window of time.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, OnConflict};
use sea_orm::{DatabaseTransaction, DeleteMany, Set};

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "mail_count")]
pub struct Model {
    /// A hash of what is counted: an account, a recipient, or the two.
    #[sea_orm(primary_key, auto_increment = false)]
    pub counted: String,
    /// When the window began.
    #[sea_orm(primary_key, auto_increment = false)]
    pub window_start: DateTime<Utc>,
    /// Mails so far.
    pub mails: i32,
}

crate::no_relations!();

impl Entity {
    /// Counts one more mail, and answers how many there are with it. Who counts the same waits for the end of the transaction, so
    /// that a limit is exact over all processes.
    pub async fn add(tx: &DatabaseTransaction, counted: &str, window_start: DateTime<Utc>) -> Result<i32, DbErr> {
        let row = ActiveModel {
            counted: Set(counted.to_owned()),
            window_start: Set(window_start),
            mails: Set(1),
        };
        let raised = Expr::col((Self, Column::Mails)).add(1);
        let one_more = OnConflict::columns([Column::Counted, Column::WindowStart])
            .value(Column::Mails, raised)
            .to_owned();
        Self::insert(row)
            .on_conflict(one_more)
            .exec_without_returning(tx)
            .await?;
        let found = Self::find_by_id((counted.to_owned(), window_start)).one(tx).await?;
        Ok(found.map_or(1, |row| row.mails))
    }

    /// Forgets windows that began before a time.
    pub fn forget_before(time: DateTime<Utc>) -> DeleteMany<Self> {
        Self::delete_many().filter(Column::WindowStart.lt(time))
    }
}
