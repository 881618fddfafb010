//! Places on caps that a delivery gave back when it ended, and takes again when it is revived or settled by hand.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::cap_usage;
use entity::delivery::Model;
use entity::ids::CapId;
use sea_orm::DatabaseTransaction;

use crate::error::Result;

/// Counts those that have ended again, whatever the limits: somebody wants the recipient to have the lead all the same. They keep
/// their reservations, so that another end gives the same places back once. In the order in which everybody locks caps.
pub(super) async fn count_again(tx: &DatabaseTransaction, rows: &[Model]) -> Result<()> {
    let mut places: BTreeMap<(CapId, DateTime<Utc>), i32> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.status.is_settled()) {
        for reservation in &row.reservations.0 {
            *places.entry((reservation.cap, reservation.window)).or_default() += 1;
        }
    }
    for (place, leads) in places {
        cap_usage::Entity::count_again(tx, place, leads).await?;
    }
    Ok(())
}
