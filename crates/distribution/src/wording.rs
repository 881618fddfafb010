//! The words in which rules of profiles and assignments are told.

use entity::delivery_config::FieldSelection;
use entity::field::FieldDef;
use entity::ids::AccountId;
use sea_orm::DbErr;

use super::known_fields::KnownFields;
use leadmesh_core::database::Connection;

/// The fields that such rules may name, with their labels: those of all of the account's flows, each name once.
pub async fn fields(db: &Connection, account: AccountId) -> Result<Vec<FieldDef>, DbErr> {
    let known = KnownFields::of(db, account, &[]).await?;
    Ok(known.under(&FieldSelection::default()))
}
