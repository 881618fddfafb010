//! Names of fields that deleted flows of an account had: their leads are still there.

use crate::ids::AccountId;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{QuerySelect, Set};

/// Names in one statement.
const PART: usize = 500;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "former_field")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// What a field was called.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
}

crate::no_relations!();

impl Entity {
    /// Which of these names fields of an account's deleted flows had.
    pub async fn among(
        db: &impl ConnectionTrait,
        account: AccountId,
        names: impl IntoIterator<Item = String>,
    ) -> Result<Vec<String>, DbErr> {
        let names: Vec<String> = names.into_iter().collect();
        let mut found = Vec::new();
        for part in names.chunks(PART) {
            let rows = Self::find()
                .filter(Column::AccountId.eq(account))
                .filter(Column::Name.is_in(part));
            let rows: Vec<String> = rows.select_only().column(Column::Name).into_tuple().all(db).await?;
            found.extend(rows);
        }
        Ok(found)
    }

    /// Whether an account has deleted flows that had fields.
    pub async fn any_of(db: &impl ConnectionTrait, account: AccountId) -> Result<bool, DbErr> {
        Self::find().filter(Column::AccountId.eq(account)).exists(db).await
    }

    /// Notes what the fields of a flow are called that is deleted.
    pub async fn note(
        db: &impl ConnectionTrait,
        account: AccountId,
        names: impl IntoIterator<Item = String>,
    ) -> Result<(), DbErr> {
        let rows = names.into_iter().map(|name| ActiveModel {
            account_id: Set(account),
            name: Set(name),
        });
        let rows: Vec<ActiveModel> = rows.collect();
        if rows.is_empty() {
            return Ok(());
        }
        let known = OnConflict::columns([Column::AccountId, Column::Name])
            .do_nothing()
            .to_owned();
        Self::insert_many(rows)
            .on_conflict(known)
            .exec_without_returning(db)
            .await?;
        Ok(())
    }
}
