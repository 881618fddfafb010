//! stand-in
use super::caller::Principal;
use crate::error::Result;
use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
/// .
pub async fn recheck(_tx: &DatabaseTransaction, _now: DateTime<Utc>, p: &[&Principal]) -> Result<Vec<bool>> { Ok(vec![true; p.len()]) }

/// stand-in
pub async fn bearer(_app: &crate::app::App, _token: &str, ip: Option<std::net::IpAddr>) -> Result<super::caller::Caller> { Ok(super::caller::Caller::anonymous(ip)) }
