//! Bounds the memory of submissions that wait to be stored. Each takes a permit for its bytes before it is decided, and releases it when
//! it is answered. An account has a share, so that none takes all. A submission that finds no memory waits while others get through.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use entity::ids::AccountId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use leadmesh_core::error::{Error, Result};

/// Bytes of one semaphore permit.
const UNIT: usize = 1024;

#[derive(Clone, Copy, Debug)]
pub(super) struct MemoryLimits {
    /// Bytes of all submissions.
    pub(super) all: usize,
    /// Bytes of one account's submissions.
    pub(super) share: usize,
    /// How long a submission waits while none releases memory.
    pub(super) max_wait: Duration,
}

/// Hands out memory.
#[derive(Debug)]
pub(super) struct MemoryLimiter {
    limits: MemoryLimits,
    all: Arc<Pool>,
    shares: Mutex<HashMap<AccountId, Weak<Pool>>>,
}

#[derive(Debug)]
struct Pool {
    free: Arc<Semaphore>,
    units: u32,
    released: AtomicU64,
    /// Bytes that the last lead needed, once they were known.
    last: AtomicUsize,
}

/// What one lead takes of a pool.
#[derive(Debug)]
struct Part {
    pool: Arc<Pool>,
    taken: Option<OwnedSemaphorePermit>,
}

/// Memory of one lead, released when this is dropped.
#[derive(Debug)]
pub(super) struct MemoryPermit {
    all: Part,
    share: Part,
    bytes: usize,
}

impl MemoryLimiter {
    pub(super) fn new(limits: MemoryLimits) -> Self {
        Self {
            all: Arc::new(Pool::new(limits.all)),
            limits,
            shares: Mutex::default(),
        }
    }

    /// Takes memory of an account. A lead that is larger than a share takes the whole share.
    pub(super) async fn take(&self, account: AccountId, bytes: usize) -> Result<MemoryPermit> {
        let share = self.share(account);
        let max_wait = self.limits.max_wait;
        // The share first: an account that has used up its own must not wait at the head of the common line.
        let share = share.take(bytes, max_wait).await?;
        let all = self.all.clone().take(share.pool.within(bytes), max_wait).await?;
        Ok(MemoryPermit { all, share, bytes })
    }

    /// Bytes that the last lead of an account needed, if others of it are under way: the next ones are likely to be as large.
    pub(super) fn last(&self, account: AccountId) -> usize {
        self.share(account).last.load(Ordering::Relaxed)
    }

    fn share(&self, account: AccountId) -> Arc<Pool> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&account).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Pool::new(self.limits.share));
        shares.insert(account, Arc::downgrade(&share));
        share
    }
}

impl MemoryPermit {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Changes the permit to the bytes that are needed; false where not as many are free.
    pub(super) fn resize(&mut self, bytes: usize) -> bool {
        let fits = self.share.resize(bytes) && self.all.resize(self.share.pool.within(bytes));
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
            released: AtomicU64::new(0),
            last: AtomicUsize::new(0),
        }
    }

    /// The bytes, or the whole pool: one lead counts for no more than its account's share, however large it is.
    fn within(&self, bytes: usize) -> usize {
        bytes.min(self.units as usize * UNIT)
    }

    fn units(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units)
    }

    async fn take(self: Arc<Self>, bytes: usize, max_wait: Duration) -> Result<Part> {
        let mut turn = Box::pin(self.free.clone().acquire_many_owned(self.units(bytes)));
        loop {
            let before = self.released.load(Ordering::Relaxed);
            match tokio::time::timeout(max_wait, &mut turn).await {
                Ok(Ok(taken)) => {
                    let taken = Some(taken);
                    return Ok(Part { pool: self, taken });
                }
                Err(_still_waiting) if self.released.load(Ordering::Relaxed) != before => {}
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
    fn resize(&mut self, bytes: usize) -> bool {
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
        self.pool.released.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn limiter(max_wait: Duration) -> MemoryLimiter {
        MemoryLimiter::new(MemoryLimits {
            all: 100 * UNIT,
            share: 60 * UNIT,
            max_wait,
        })
    }

    fn account(number: u128) -> AccountId {
        AccountId(Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn an_account_waits_for_its_own_bytes_and_takes_none_of_others() {
        let memory = limiter(Duration::from_hours(1));
        let held = memory.take(account(1), 50 * UNIT).await.unwrap();
        let second = memory.take(account(1), 20 * UNIT);
        tokio::pin!(second);
        assert!(futures::poll!(&mut second).is_pending());
        let other = memory.take(account(2), 40 * UNIT).await.unwrap();
        drop(held);
        assert_eq!(second.await.unwrap().bytes(), 20 * UNIT);
        drop(other);
    }

    #[tokio::test]
    async fn beyond_the_bytes_of_all_a_submission_is_refused() {
        let memory = limiter(Duration::from_millis(1));
        let _one = memory.take(account(1), 60 * UNIT).await.unwrap();
        let _two = memory.take(account(2), 40 * UNIT).await.unwrap();
        let refused = memory.take(account(3), UNIT).await.unwrap_err();
        assert!(matches!(refused, Error::Unavailable(_)));
    }

    #[tokio::test]
    async fn what_is_not_needed_is_given_back_and_what_is_missing_taken() {
        let memory = limiter(Duration::from_millis(1));
        let mut held = memory.take(account(1), 60 * UNIT).await.unwrap();
        assert!(held.resize(10 * UNIT));
        assert_eq!((memory.last(account(1)), memory.last(account(2))), (10 * UNIT, 0));
        let other = memory.take(account(1), 50 * UNIT).await.unwrap();
        assert!(!held.resize(11 * UNIT));
        drop(other);
        assert!(held.resize(11 * UNIT));
        assert!(memory.take(account(1), 50 * UNIT).await.is_err());
        assert!(memory.take(account(1), 49 * UNIT).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_larger_than_a_share_waits_for_all_of_it() {
        let memory = limiter(Duration::from_millis(1));
        let held = memory.take(account(1), 1_000 * UNIT).await.unwrap();
        assert!(memory.take(account(1), 1).await.is_err());
        assert!(memory.take(account(2), 40 * UNIT).await.is_ok());
        drop(held);
        assert!(memory.take(account(1), 1_000 * UNIT).await.is_ok());
    }
}
