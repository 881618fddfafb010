//! The wording of rules of profiles and assignments.

use entity::delivery_config::FieldSelection;
use entity::field::FieldDef;
use entity::ids::AccountId;
use sea_orm::DbErr;

use super::known_fields::KnownFields;
use leadmesh_core::database::Connection;

/// The fields that rules of profiles and assignments may name: those of all flows, each name once.
pub async fn fields(db: &Connection, account: AccountId) -> Result<Vec<FieldDef>, DbErr> {
    let known = KnownFields::of(db, account, &[]).await?;
    Ok(known.under(&FieldSelection::default()))
}
