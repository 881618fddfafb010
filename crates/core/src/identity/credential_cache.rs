//! Credentials that this process remembers for a minute.

use std::time::Duration;

use chrono::{DateTime, Utc};
use moka::future::Cache;
use uuid::Uuid;

use super::caller::Principal;

const MINUTE: Duration = Duration::from_mins(1);
const CREDENTIALS: u64 = 100_000;

/// Who used which credentials lately. It may be out of date, so it alone decides nothing.
#[derive(Clone)]
pub struct CredentialCache {
    principals: Cache<String, (Principal, Option<DateTime<Utc>>)>,
    noted: Cache<Uuid, ()>,
}

impl Default for CredentialCache {
    fn default() -> Self {
        let minute = || Cache::builder().max_capacity(CREDENTIALS).time_to_live(MINUTE);
        Self {
            principals: minute().build(),
            noted: Cache::builder().max_capacity(CREDENTIALS).time_to_live(MINUTE).build(),
        }
    }
}

impl CredentialCache {
    /// By the hash of the credentials.
    pub async fn remember(&self, hash: String, principal: Principal, end: Option<DateTime<Utc>>) {
        self.principals.insert(hash, (principal, end)).await;
    }

    pub async fn principal(&self, hash: &str) -> Option<(Principal, Option<DateTime<Utc>>)> {
        self.principals.get(hash).await
    }

    /// Whether a person or key is noted for the first time in a minute.
    pub async fn is_first(&self, id: Uuid) -> bool {
        self.noted.entry(id).or_insert(()).await.is_fresh()
    }
}
