//! How much the leads hold that wait to be stored. Each takes room for its bytes before it is decided and gives it back once it is
//! answered; an account has a share, so that none fills all of it. Who finds no room waits as long as others get through.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use entity::ids::AccountId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use leadmesh_core::error::{Error, Result};

/// Bytes that are counted at once.
const UNIT: usize = 1024;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of all.
    pub(super) all: usize,
    /// Bytes of one account.
    pub(super) share: usize,
    /// How long one waits while nobody gets through.
    pub(super) patience: Duration,
}

/// The room for leads that wait.
#[derive(Debug)]
pub(super) struct Room {
    bounds: Bounds,
    all: Arc<Pool>,
    shares: Mutex<HashMap<AccountId, Weak<Pool>>>,
}

/// Bytes that some share.
#[derive(Debug)]
struct Pool {
    free: Arc<Semaphore>,
    units: u32,
    given_back: AtomicU64,
    /// Bytes that the last lead held once they were known.
    last: AtomicUsize,
}

/// What one lead takes of a pool.
#[derive(Debug)]
struct Part {
    pool: Arc<Pool>,
    taken: Option<OwnedSemaphorePermit>,
}

/// Room that a lead has taken; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    all: Part,
    share: Part,
    bytes: usize,
}

impl Room {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            all: Arc::new(Pool::new(bounds.all)),
            bounds,
            shares: Mutex::default(),
        }
    }

    /// Takes room for so many bytes of an account. What is larger than a share takes the whole of it.
    pub(super) async fn take(&self, account: AccountId, bytes: usize) -> Result<Held> {
        let share = self.share(account);
        let patience = self.bounds.patience;
        // First the share: an account that has used up its own must not wait at the head of everybody's line.
        let share = share.take(bytes, patience).await?;
        let all = self.all.clone().take(share.pool.within(bytes), patience).await?;
        Ok(Held { all, share, bytes })
    }

    /// Bytes that the last lead of an account held, if others of it are under way: its next ones are likely to be as large.
    pub(super) fn last(&self, account: AccountId) -> usize {
        self.share(account).last.load(Ordering::Relaxed)
    }

    fn share(&self, account: AccountId) -> Arc<Pool> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&account).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Pool::new(self.bounds.share));
        shares.insert(account, Arc::downgrade(&share));
        share
    }
}

impl Held {
    /// Bytes of the lead.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps room for so many bytes, now that they are known; false where not as many are free.
    pub(super) fn fit(&mut self, bytes: usize) -> bool {
        let fits = self.share.fit(bytes) && self.all.fit(self.share.pool.within(bytes));
        self.share.pool.last.store(bytes, Ordering::Relaxed);
        if fits {
            self.bytes = bytes;
        }
        fits
    }
}

impl Pool {
    fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        Self {
            free: Arc::new(Semaphore::new(units as usize)),
            units,
            given_back: AtomicU64::new(0),
            last: AtomicUsize::new(0),
        }
    }

    /// So many bytes, or all that there are of it: one lead counts for no more than its account may hold, however large it is.
    fn within(&self, bytes: usize) -> usize {
        bytes.min(self.units as usize * UNIT)
    }

    fn units(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units)
    }

    async fn take(self: Arc<Self>, bytes: usize, patience: Duration) -> Result<Part> {
        let mut turn = Box::pin(self.free.clone().acquire_many_owned(self.units(bytes)));
        loop {
            let before = self.given_back.load(Ordering::Relaxed);
            match tokio::time::timeout(patience, &mut turn).await {
                Ok(Ok(taken)) => {
                    let taken = Some(taken);
                    return Ok(Part { pool: self, taken });
                }
                Err(_still_waiting) if self.given_back.load(Ordering::Relaxed) != before => {}
                Ok(Err(_)) | Err(_) => {
                    return Err(Error::Unavailable(
                        "too many bytes of leads are waiting to be stored: submit again in a moment",
                    ));
                }
            }
        }
    }
}

impl Part {
    fn fit(&mut self, bytes: usize) -> bool {
        let (wanted, Some(taken)) = (self.pool.units(bytes), &mut self.taken) else {
            return false;
        };
        let have = u32::try_from(taken.num_permits()).unwrap_or(u32::MAX);
        if wanted <= have {
            drop(taken.split((have - wanted) as usize));
            return true;
        }
        let more = self.pool.free.clone().try_acquire_many_owned(wanted - have);
        more.map(|more| taken.merge(more)).is_ok()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        drop(self.taken.take());
        self.pool.given_back.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn room(patience: Duration) -> Room {
        Room::new(Bounds {
            all: 100 * UNIT,
            share: 60 * UNIT,
            patience,
        })
    }

    fn account(number: u128) -> AccountId {
        AccountId(Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn an_account_waits_for_its_own_bytes_and_takes_none_of_others() {
        let room = room(Duration::from_hours(1));
        let held = room.take(account(1), 50 * UNIT).await.unwrap();
        let second = room.take(account(1), 20 * UNIT);
        tokio::pin!(second);
        assert!(futures::poll!(&mut second).is_pending());
        let other = room.take(account(2), 40 * UNIT).await.unwrap();
        drop(held);
        assert_eq!(second.await.unwrap().bytes(), 20 * UNIT);
        drop(other);
    }

    #[tokio::test]
    async fn beyond_the_bytes_of_all_one_is_told_to_come_again() {
        let room = room(Duration::from_millis(1));
        let _one = room.take(account(1), 60 * UNIT).await.unwrap();
        let _two = room.take(account(2), 40 * UNIT).await.unwrap();
        let refused = room.take(account(3), UNIT).await.unwrap_err();
        assert!(matches!(refused, Error::Unavailable(_)));
    }

    #[tokio::test]
    async fn what_is_not_needed_is_given_back_and_what_is_missing_taken() {
        let room = room(Duration::from_millis(1));
        let mut held = room.take(account(1), 60 * UNIT).await.unwrap();
        assert!(held.fit(10 * UNIT));
        assert_eq!((room.last(account(1)), room.last(account(2))), (10 * UNIT, 0));
        let other = room.take(account(1), 50 * UNIT).await.unwrap();
        assert!(!held.fit(11 * UNIT));
        drop(other);
        assert!(held.fit(11 * UNIT));
        assert!(room.take(account(1), 50 * UNIT).await.is_err());
        assert!(room.take(account(1), 49 * UNIT).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_larger_than_a_share_waits_for_all_of_it() {
        let room = room(Duration::from_millis(1));
        let held = room.take(account(1), 1_000 * UNIT).await.unwrap();
        assert!(room.take(account(1), 1).await.is_err());
        assert!(room.take(account(2), 40 * UNIT).await.is_ok());
        drop(held);
        assert!(room.take(account(1), 1_000 * UNIT).await.is_ok());
    }
}
