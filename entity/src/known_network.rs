//! A network from which somebody has signed in or refreshed their session.

use chrono::{DateTime, Utc};
use sea_orm::DeleteMany;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "known_network")]
pub struct Model {
    /// A person of an account or of a portal.
    #[sea_orm(primary_key, auto_increment = false)]
    pub person_id: Uuid,
    /// A keyed hash of the network.
    #[sea_orm(primary_key, auto_increment = false)]
    pub network: String,
    /// When they last were there.
    pub seen_at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// Notes that somebody is there.
    pub async fn note(db: &impl ConnectionTrait, row: Model) -> Result<(), DbErr> {
        let again = OnConflict::columns([Column::PersonId, Column::Network])
            .update_column(Column::SeenAt)
            .to_owned();
        let row: ActiveModel = row.into();
        Self::insert(row.reset_all())
            .on_conflict(again)
            .exec_without_returning(db)
            .await?;
        Ok(())
    }

    /// Which of these people are known in that network.
    pub fn known_among(people: impl IntoIterator<Item = Uuid>, network: &str) -> Select<Self> {
        Self::find()
            .filter(Column::PersonId.is_in(people))
            .filter(Column::Network.eq(network))
    }

    /// Forgets who was last there before a time.
    pub fn forget_before(time: DateTime<Utc>) -> DeleteMany<Self> {
        Self::delete_many().filter(Column::SeenAt.lt(time))
    }
}
