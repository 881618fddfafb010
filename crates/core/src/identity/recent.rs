//! What this process remembers of credentials for a minute.

use std::time::Duration;

use chrono::{DateTime, Utc};
use moka::future::Cache;
use uuid::Uuid;

use super::caller::Principal;

const MINUTE: Duration = Duration::from_mins(1);
const CREDENTIALS: u64 = 100_000;

/// Who used which credentials lately. It may be out of date, so it alone decides nothing.
#[derive(Clone)]
pub struct Recent {
    principals: Cache<String, (Principal, Option<DateTime<Utc>>)>,
    noted: Cache<Uuid, ()>,
}

impl Default for Recent {
    fn default() -> Self {
        let minute = || Cache::builder().max_capacity(CREDENTIALS).time_to_live(MINUTE);
        Self {
            principals: minute().build(),
            noted: Cache::builder().max_capacity(CREDENTIALS).time_to_live(MINUTE).build(),
        }
    }
}

impl Recent {
    /// Remembers whose credentials these were, by their hash, and when they end.
    pub async fn remember(&self, hash: String, principal: Principal, end: Option<DateTime<Utc>>) {
        self.principals.insert(hash, (principal, end)).await;
    }

    /// Whose credentials they were at some time during the last minute.
    pub async fn principal(&self, hash: &str) -> Option<(Principal, Option<DateTime<Utc>>)> {
        self.principals.get(hash).await
    }

    /// Whether this is the first time in a minute that this person or key is noted.
    pub async fn is_first(&self, id: Uuid) -> bool {
        self.noted.entry(id).or_insert(()).await.is_fresh()
    }
}
