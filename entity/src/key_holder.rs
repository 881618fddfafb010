//! A running process and the master keys that it opens.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "key_holder")]
pub struct Model {
    /// A new one at every start.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Fingerprints of the keys, separated by spaces.
    pub master_keys: String,
    /// When the process last said that it runs.
    pub seen_at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// Writes a row, or the newer state of one.
    pub async fn put(db: &impl ConnectionTrait, row: Model) -> Result<(), DbErr> {
        let newer = OnConflict::column(Column::Id)
            .update_columns([Column::MasterKeys, Column::SeenAt])
            .to_owned();
        let row: ActiveModel = row.into();
        Self::insert(row.reset_all())
            .on_conflict(newer)
            .exec_without_returning(db)
            .await?;
        Ok(())
    }

    /// Processes that have said since then that they run.
    pub async fn seen_since(db: &impl ConnectionTrait, since: DateTime<Utc>) -> Result<Vec<Model>, DbErr> {
        Self::find().filter(Column::SeenAt.gte(since)).all(db).await
    }

    /// Removes a process that ends.
    pub fn remove(id: Uuid) -> sea_orm::DeleteMany<Self> {
        Self::delete_many().filter(Column::Id.eq(id))
    }

    /// Removes processes that were last seen before.
    pub fn remove_before(time: DateTime<Utc>) -> sea_orm::DeleteMany<Self> {
        Self::delete_many().filter(Column::SeenAt.lt(time))
    }
}
