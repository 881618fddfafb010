//! Fair shares of concurrency: each owner runs at most so many things at once, so that no owner can take all capacity. Those who
//! wait are served in order.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

/// Limits of each owner.
#[derive(Clone, Copy, Debug)]
pub struct ShareLimits {
    /// Permits held at the same time.
    pub concurrent: usize,
    /// Callers that may wait for a permit at the same time.
    pub max_waiting: usize,
    /// How long a caller waits for a permit.
    pub max_wait: Duration,
}

/// The owner's share is used up, and too many callers wait already or this one has waited for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareExhausted;

/// The shares of all owners.
#[derive(Debug)]
pub struct FairShares {
    limits: ShareLimits,
    owners: Mutex<HashMap<Uuid, Weak<Share>>>,
}

impl FairShares {
    /// No share is in use.
    pub fn new(limits: ShareLimits) -> Self {
        Self {
            limits,
            owners: Mutex::default(),
        }
    }

    /// The share of an owner, which exists until the last copy is dropped.
    pub fn of(&self, owner: Uuid) -> Arc<Share> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = owners.get(&owner).and_then(Weak::upgrade) {
            return share;
        }
        owners.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Share::new(self.limits));
        owners.insert(owner, Arc::downgrade(&share));
        share
    }
}

/// The share of one owner.
#[derive(Debug)]
pub struct Share {
    limits: ShareLimits,
    concurrent: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Share {
    fn new(limits: ShareLimits) -> Self {
        Self {
            limits,
            concurrent: Arc::new(Semaphore::new(limits.concurrent)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// A permit, as soon as the owner has a free one; dropping it frees it.
    pub async fn acquire(&self) -> Result<OwnedSemaphorePermit, ShareExhausted> {
        if let Ok(permit) = self.concurrent.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = WaitGuard::begin(&self.waiting, self.limits.max_waiting).ok_or(ShareExhausted)?;
        let permit = self.concurrent.clone().acquire_owned();
        match tokio::time::timeout(self.limits.max_wait, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(ShareExhausted),
        }
    }
}

/// Counts a caller while it waits, even if its future is dropped meanwhile.
#[derive(Debug)]
pub struct WaitGuard<'a>(&'a AtomicUsize);

impl<'a> WaitGuard<'a> {
    /// Counts one more, unless `most` wait already.
    pub fn begin(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let counted = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < most).then_some(counted)
    }
}

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(max_wait: Duration) -> FairShares {
        FairShares::new(ShareLimits {
            concurrent: 2,
            max_waiting: 1,
            max_wait,
        })
    }

    #[tokio::test]
    async fn an_owner_waits_only_for_its_own_permits() {
        let shares = shares(Duration::from_hours(1));
        let (ann, bob) = (shares.of(Uuid::from_u128(1)), shares.of(Uuid::from_u128(2)));
        let mut held = vec![ann.acquire().await.unwrap(), ann.acquire().await.unwrap()];
        let third = ann.acquire();
        tokio::pin!(third);
        assert!(futures::poll!(&mut third).is_pending());
        assert_eq!(ann.acquire().await.unwrap_err(), ShareExhausted, "one waits already");
        assert!(bob.acquire().await.is_ok());
        held.pop();
        assert!(third.await.is_ok());
        assert_eq!(ann.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_caller_that_stops_waiting_is_not_counted() {
        let shares = shares(Duration::from_hours(1));
        let ann = shares.of(Uuid::from_u128(1));
        let _held = (ann.acquire().await.unwrap(), ann.acquire().await.unwrap());
        for _ in 0..3 {
            let mut gone = Box::pin(ann.acquire());
            assert!(futures::poll!(&mut gone).is_pending());
        }
        assert_eq!(ann.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn waiting_ends_after_max_wait() {
        let shares = shares(Duration::from_millis(1));
        let ann = shares.of(Uuid::from_u128(1));
        let _held = (ann.acquire().await.unwrap(), ann.acquire().await.unwrap());
        assert_eq!(ann.acquire().await.unwrap_err(), ShareExhausted);
    }

    #[test]
    fn unused_shares_are_dropped() {
        let shares = shares(Duration::ZERO);
        drop(shares.of(Uuid::from_u128(1)));
        let _kept = shares.of(Uuid::from_u128(2));
        assert_eq!(shares.owners.lock().unwrap().len(), 1);
    }
}
