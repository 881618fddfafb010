//! Places that several owners share, so that none of them can take all: each owner has at most so many, and those who wait for
//! one are served in the order in which they came.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

/// What one owner may have.
#[derive(Clone, Copy, Debug)]
pub struct ShareLimits {
    /// Places at the same time.
    pub places: usize,
    /// Callers that may wait for a place at the same time.
    pub waiting: usize,
    /// How long a caller waits for a place.
    pub patience: Duration,
}

/// The owner has its share and cannot have more now: too many callers wait already, or this one has waited for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareUsedUp;

/// The shares of all owners.
#[derive(Debug)]
pub struct FairShares {
    limits: ShareLimits,
    owners: Mutex<HashMap<Uuid, Weak<Share>>>,
}

impl FairShares {
    /// Shares of which nobody has taken anything yet.
    pub fn new(limits: ShareLimits) -> Self {
        Self {
            limits,
            owners: Mutex::default(),
        }
    }

    /// The share of an owner. It is forgotten with the last copy of the answer.
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
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Share {
    fn new(limits: ShareLimits) -> Self {
        Self {
            limits,
            places: Arc::new(Semaphore::new(limits.places)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// A place, as soon as the owner has one; it is free again when the answer is dropped.
    pub async fn place(&self) -> Result<OwnedSemaphorePermit, ShareUsedUp> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = Waiting::begin(&self.waiting, self.limits.waiting).ok_or(ShareUsedUp)?;
        let turn = self.places.clone().acquire_owned();
        match tokio::time::timeout(self.limits.patience, turn).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(ShareUsedUp),
        }
    }
}

/// Counts a caller for as long as it waits, also where it goes away meanwhile.
#[derive(Debug)]
pub struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    /// One more, unless `most` wait already.
    pub fn begin(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let counted = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < most).then_some(counted)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(patience: Duration) -> FairShares {
        FairShares::new(ShareLimits {
            places: 2,
            waiting: 1,
            patience,
        })
    }

    #[tokio::test]
    async fn an_owner_waits_for_its_own_places_only() {
        let shares = shares(Duration::from_hours(1));
        let (ann, bob) = (shares.of(Uuid::from_u128(1)), shares.of(Uuid::from_u128(2)));
        let mut held = vec![ann.place().await.unwrap(), ann.place().await.unwrap()];
        let third = ann.place();
        tokio::pin!(third);
        assert!(futures::poll!(&mut third).is_pending());
        assert_eq!(ann.place().await.unwrap_err(), ShareUsedUp, "one waits already");
        assert!(bob.place().await.is_ok());
        held.pop();
        assert!(third.await.is_ok());
        assert_eq!(ann.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn who_stops_waiting_is_not_counted_any_more() {
        let shares = shares(Duration::from_hours(1));
        let ann = shares.of(Uuid::from_u128(1));
        let _held = (ann.place().await.unwrap(), ann.place().await.unwrap());
        for _ in 0..3 {
            let mut gone = Box::pin(ann.place());
            assert!(futures::poll!(&mut gone).is_pending());
        }
        assert_eq!(ann.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn patience_ends() {
        let shares = shares(Duration::from_millis(1));
        let ann = shares.of(Uuid::from_u128(1));
        let _held = (ann.place().await.unwrap(), ann.place().await.unwrap());
        assert_eq!(ann.place().await.unwrap_err(), ShareUsedUp);
    }

    #[test]
    fn what_nobody_holds_is_forgotten() {
        let shares = shares(Duration::ZERO);
        drop(shares.of(Uuid::from_u128(1)));
        let _kept = shares.of(Uuid::from_u128(2));
        assert_eq!(shares.owners.lock().unwrap().len(), 1);
    }
}
