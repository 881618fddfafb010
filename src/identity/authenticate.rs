//! stand-in
use super::caller::Principal;
use crate::error::Result;
use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
/// .
pub async fn recheck(_tx: &DatabaseTransaction, _now: DateTime<Utc>, p: &[&Principal]) -> Result<Vec<bool>> { Ok(vec![true; p.len()]) }
