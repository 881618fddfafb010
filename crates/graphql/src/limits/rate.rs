//! Rate limits: points, as operations cost them, that come back at a steady rate (token buckets).
//!
//! A user, API key or portal user has a bucket, and so has the account; callers without a token share the bucket of
//! their address. Each process has its own buckets, so that a caller has as much again in each process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use leadmesh_core::error::{Error, Result};

/// A full bucket holds the points of this time.
pub const WINDOW: Duration = Duration::from_mins(1);
/// The number of buckets above which full ones are dropped.
const MAX_BUCKETS: usize = 10_000;

/// The owner of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A user, an API key or a portal user.
    Principal(Uuid),
    /// An account, for all of its users and API keys.
    Account(Uuid),
    /// A network address, for all callers without a token.
    Address(Uuid),
}

/// Points per second; 0 means no limit.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of a user, API key or portal user.
    pub principal: u32,
    /// Of an account.
    pub account: u32,
    /// Of an address.
    pub address: u32,
}

impl Holder {
    /// Its name in the rate limit headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Principal(_) => "principal",
            Self::Account(_) => "account",
            Self::Address(_) => "address",
        }
    }

    fn rate(self, limits: Limits) -> u32 {
        match self {
            Self::Principal(_) => limits.principal,
            Self::Account(_) => limits.account,
            Self::Address(_) => limits.address,
        }
    }
}

/// The buckets of a process.
#[derive(Debug, Clone)]
pub struct Rates {
    limits: Limits,
    buckets: Arc<Mutex<Buckets>>,
}

#[derive(Debug)]
struct Buckets {
    by_holder: HashMap<Holder, Bucket>,
    /// The number of buckets above which full ones are dropped next.
    bound: usize,
}

/// Points drawn and not yet back.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    drawn: f64,
    at: Instant,
}

/// The state of a bucket, as the headers report it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BucketStatus {
    /// Whose.
    pub holder: Holder,
    /// Points of the full bucket.
    pub limit: u64,
    /// Points left.
    pub remaining: u64,
    /// Seconds until it is full again.
    pub reset: u64,
}

impl Rates {
    /// Full buckets for every holder.
    pub fn new(limits: Limits) -> Self {
        let buckets = Buckets {
            by_holder: HashMap::new(),
            bound: MAX_BUCKETS,
        };
        Self {
            limits,
            buckets: Arc::new(Mutex::new(buckets)),
        }
    }

    /// The allowance of a caller who draws on the buckets of `holders`.
    pub fn allowance(&self, holders: impl IntoIterator<Item = Holder>) -> Allowance {
        let limited = |holder: &Holder| holder.rate(self.limits) > 0;
        Allowance {
            rates: self.clone(),
            holders: holders.into_iter().filter(limited).collect(),
        }
    }

    fn drawn(&self, buckets: &Buckets, holder: Holder, now: Instant) -> f64 {
        let Some(bucket) = buckets.by_holder.get(&holder) else {
            return 0.0;
        };
        let back = now.saturating_duration_since(bucket.at).as_secs_f64() * f64::from(holder.rate(self.limits));
        (bucket.drawn - back).max(0.0)
    }

    fn full(&self, holder: Holder) -> f64 {
        f64::from(holder.rate(self.limits)) * WINDOW.as_secs_f64()
    }

    fn draw(&self, buckets: &mut Buckets, holder: Holder, points: f64, now: Instant) {
        let drawn = self.drawn(buckets, holder, now) + points;
        buckets.by_holder.insert(holder, Bucket { drawn, at: now });
        if buckets.by_holder.len() > buckets.bound {
            let limits = self.limits;
            buckets.by_holder.retain(|holder, bucket| {
                let back = now.saturating_duration_since(bucket.at).as_secs_f64() * f64::from(holder.rate(limits));
                bucket.drawn > back
            });
            buckets.bound = MAX_BUCKETS.max(buckets.by_holder.len().saturating_mul(2));
        }
    }
}

/// The buckets that one caller draws on.
#[derive(Debug, Clone)]
pub struct Allowance {
    rates: Rates,
    holders: Vec<Holder>,
}

impl Allowance {
    /// Draws from all buckets, or from none if one has too few points; the error says how many seconds to wait. An
    /// operation that costs more than a whole bucket passes when the bucket is full.
    pub fn draw(&self, points: f64) -> Result<()> {
        self.draw_at(points, Instant::now())
    }

    /// Draws what an answer cost beyond the estimate, even if the buckets do not have it.
    pub fn draw_remainder(&self, points: f64) {
        let now = Instant::now();
        let mut buckets = self.rates.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        for holder in &self.holders {
            self.rates.draw(&mut buckets, *holder, points, now);
        }
    }

    /// The state of the buckets, the tightest first.
    pub fn bucket_status(&self) -> Vec<BucketStatus> {
        let now = Instant::now();
        let buckets = self.rates.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let status = |holder: &Holder| {
            let (full, drawn) = (self.rates.full(*holder), self.rates.drawn(&buckets, *holder, now));
            BucketStatus {
                holder: *holder,
                limit: whole(full),
                remaining: whole(full - drawn),
                reset: whole((drawn / f64::from(holder.rate(self.rates.limits))).ceil()),
            }
        };
        let mut bucket_status: Vec<BucketStatus> = self.holders.iter().map(status).collect();
        bucket_status.sort_by_key(|status| status.remaining);
        bucket_status
    }

    fn draw_at(&self, points: f64, now: Instant) -> Result<()> {
        let mut buckets = self.rates.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = |holder: &Holder| {
            let full = self.rates.full(*holder);
            let over = self.rates.drawn(&buckets, *holder, now) + points.min(full) - full;
            over / f64::from(holder.rate(self.rates.limits))
        };
        let longest = self.holders.iter().map(wait).fold(0.0, f64::max);
        // Less than a microsecond is a rounding error.
        if longest > 1e-6 {
            return Err(Error::RateLimited {
                retry_after: whole(longest.ceil()).max(1),
            });
        }
        for holder in &self.holders {
            self.rates.draw(&mut buckets, *holder, points, now);
        }
        Ok(())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "points and seconds are small; what is below zero is nothing"
)]
fn whole(number: f64) -> u64 {
    number.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        principal: 10,
        account: 15,
        address: 0,
    };

    fn key(number: u128) -> [Holder; 2] {
        [
            Holder::Principal(Uuid::from_u128(number)),
            Holder::Account(Uuid::from_u128(100)),
        ]
    }

    fn wait(allowance: &Allowance, points: f64, now: Instant) -> Option<u64> {
        match allowance.draw_at(points, now) {
            Ok(()) => None,
            Err(Error::RateLimited { retry_after }) => Some(retry_after),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn points_come_back_at_a_steady_rate() {
        let rates = Rates::new(LIMITS);
        let (ann, now) = (rates.allowance(key(1)), Instant::now());
        assert_eq!(wait(&ann, 600.0, now), None);
        assert_eq!(wait(&ann, 25.0, now), Some(3));
        assert_eq!(wait(&ann, 25.0, now + Duration::from_secs(2)), Some(1));
        assert_eq!(wait(&ann, 25.0, now + Duration::from_secs(3)), None);
        assert_eq!(wait(&ann, 600.0, now + Duration::from_secs(63)), None);
    }

    #[test]
    fn keys_of_one_account_share_and_a_refusal_draws_nothing() {
        let rates = Rates::new(LIMITS);
        let now = Instant::now();
        let [ann, bob] = [1, 2].map(|number| rates.allowance(key(number)));
        assert_eq!(wait(&ann, 600.0, now), None);
        assert_eq!(wait(&bob, 450.0, now), Some(10));
        assert_eq!(wait(&bob, 300.0, now), None, "the account has 900");
    }

    #[test]
    fn what_is_more_than_a_bucket_passes_when_it_is_full() {
        let rates = Rates::new(LIMITS);
        let (ann, now) = (rates.allowance(key(1)), Instant::now());
        assert_eq!(wait(&ann, 800.0, now), None);
        assert_eq!(wait(&ann, 10.0, now), Some(21));
    }

    #[test]
    fn a_rate_of_zero_limits_nobody_and_full_buckets_are_forgotten() {
        let rates = Rates::new(LIMITS);
        let anyone = rates.allowance([Holder::Address(Uuid::nil())]);
        assert_eq!(wait(&anyone, 1e9, Instant::now()), None);
        assert!(anyone.bucket_status().is_empty());
        let now = Instant::now();
        for number in 0..=MAX_BUCKETS as u128 {
            let later = now + Duration::from_micros(u64::try_from(number).unwrap() * 200);
            assert_eq!(
                wait(
                    &rates.allowance([Holder::Principal(Uuid::from_u128(number))]),
                    1.0,
                    later
                ),
                None
            );
        }
        assert!(rates.buckets.lock().unwrap().by_holder.len() < MAX_BUCKETS);
    }

    #[test]
    fn standings_tell_what_is_left() {
        let rates = Rates::new(LIMITS);
        let ann = rates.allowance(key(1));
        ann.draw(100.0).unwrap();
        let bucket_status = ann.bucket_status();
        let [tightest, account] = bucket_status.as_slice() else {
            panic!("{bucket_status:?}")
        };
        assert_eq!(
            (tightest.holder.name(), tightest.limit, tightest.remaining),
            ("principal", 600, 500)
        );
        assert!(tightest.reset <= 10 && account.limit == 900, "{bucket_status:?}");
    }
}
