//! stand-in
use chrono::{DateTime, Utc};
use entity::cap_usage::Cap;
/// .
pub fn window(_cap: &Cap, at: DateTime<Utc>) -> (DateTime<Utc>, Option<DateTime<Utc>>) { (at, None) }
