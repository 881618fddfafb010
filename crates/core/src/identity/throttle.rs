//! Limits of attempts in fixed windows, in Redis for all nodes; in this process if there is no Redis or it fails.
//!
//! Every attempt counts, right or wrong, so that no answer reveals which it was.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use moka::future::Cache;
use redis::Script;
use redis::aio::ConnectionManager;

use super::tokens;
use crate::clock::Clock;
use crate::error::{Error, Result};

const FIVE_MINUTES: u32 = 5 * 60;
const QUARTER: u32 = 15 * 60;
const HOUR: u32 = 60 * 60;
/// Counters kept in this process; the least used go first.
const COUNTERS: u64 = 100_000;
/// Counts a try. The window is part of the key; the counter is kept a while longer than its window.
const COUNT: &str = "
local tries = redis.call('INCR', KEYS[1])
if tries == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return tries";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Log-ins, by email address and network of the caller.
    LogInEmail,
    /// Log-ins, by email address, from networks in which no user with the address has signed in before.
    LogInOfStrangers,
    /// Checks of a signed-in user's own password, by session.
    OwnPassword,
    /// Log-ins, by IP address.
    LogInIp,
    /// Requests that carry a refresh or one-time token or ask for an email, by IP address.
    TokenIp,
    /// Sign-ups, by IP address.
    SignUpIp,
    /// Invitations sent or resent, by account.
    Invitation,
    /// Look-ups of other accounts, by account.
    FindAccount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub tries: u32,
    /// Length of the window.
    pub seconds: u32,
}

impl Kind {
    pub const fn limit(self) -> Limit {
        let (tries, seconds) = match self {
            Self::LogInEmail | Self::OwnPassword => (10, FIVE_MINUTES),
            Self::LogInOfStrangers => (100, QUARTER),
            Self::LogInIp => (50, FIVE_MINUTES),
            Self::TokenIp => (60, 60),
            Self::SignUpIp => (20, HOUR),
            Self::Invitation => (300, HOUR),
            Self::FindAccount => (60, FIVE_MINUTES),
        };
        Limit { tries, seconds }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::LogInEmail => "log-in-email",
            Self::LogInOfStrangers => "log-in-of-strangers",
            Self::OwnPassword => "own-password",
            Self::LogInIp => "log-in-ip",
            Self::TokenIp => "token-ip",
            Self::SignUpIp => "sign-up-ip",
            Self::Invitation => "invitation",
            Self::FindAccount => "find-account",
        }
    }
}

#[derive(Clone)]
pub struct Throttle {
    clock: Clock,
    redis: Option<ConnectionManager>,
    count: Arc<Script>,
    here: Cache<String, Arc<AtomicU32>>,
    prefix: Arc<str>,
}

impl Throttle {
    /// Counts in Redis, if there is one.
    pub fn new(redis: Option<ConnectionManager>, prefix: &str, clock: Clock) -> Self {
        let here = Cache::builder()
            .max_capacity(COUNTERS)
            .time_to_live(Duration::from_secs(u64::from(HOUR)))
            .build();
        Self {
            clock,
            redis,
            count: Arc::new(Script::new(COUNT)),
            here,
            prefix: format!("{prefix}:throttle").into(),
        }
    }

    /// Counts a try, and refuses it beyond the limit of this window. Only a hash of the key is stored.
    pub async fn check(&self, kind: Kind, key: &str) -> Result<()> {
        let Limit { tries, seconds } = kind.limit();
        let now = u64::try_from(self.clock.now().timestamp()).unwrap_or_default();
        let (window, elapsed) = (now / u64::from(seconds), now % u64::from(seconds));
        let counter = format!("{}:{}:{window}:{}", self.prefix, kind.name(), tokens::hash(key));
        if self.tries(counter, seconds).await <= tries {
            return Ok(());
        }
        let retry_after = u64::from(seconds) - elapsed;
        Err(Error::RateLimited { retry_after })
    }

    /// By the caller's address; without one, as for the operator on the command line, there is no limit.
    pub async fn check_ip(&self, kind: Kind, ip: Option<IpAddr>) -> Result<()> {
        match ip {
            Some(ip) => self.check(kind, &network(ip)).await,
            None => Ok(()),
        }
    }

    async fn tries(&self, counter: String, seconds: u32) -> u32 {
        if let Some(mut redis) = self.redis.clone() {
            let mut call = self.count.key(&counter);
            match call.arg(seconds).invoke_async(&mut redis).await {
                Ok(tries) => return tries,
                Err(error) => tracing::warn!(%error, "cannot count attempts in Redis; counting in this process"),
            }
        }
        let fresh = async { Arc::new(AtomicU32::new(0)) };
        self.here.get_with(counter, fresh).await.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl std::fmt::Debug for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Throttle(…)")
    }
}

/// The holder of one IPv6 address mostly holds the 64 bits of addresses around it.
pub(super) fn network(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("{:x}/64", ip.to_bits() >> 64),
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn throttle() -> (Throttle, Clock) {
        let clock = Clock::standing_at(DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(10));
        (Throttle::new(None, "leadmesh", clock.clone()), clock)
    }

    async fn wait(throttle: &Throttle, kind: Kind, key: &str) -> Option<u64> {
        match throttle.check(kind, key).await {
            Ok(()) => None,
            Err(Error::RateLimited { retry_after }) => Some(retry_after),
            Err(other) => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn tries_are_limited_until_the_window_ends() {
        let (throttle, clock) = throttle();
        for _ in 0..10 {
            assert_eq!(wait(&throttle, Kind::LogInEmail, "a@example.com").await, None);
        }
        assert_eq!(wait(&throttle, Kind::LogInEmail, "a@example.com").await, Some(290));
        clock.advance(TimeDelta::seconds(289));
        assert_eq!(wait(&throttle, Kind::LogInEmail, "a@example.com").await, Some(1));
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(wait(&throttle, Kind::LogInEmail, "a@example.com").await, None);
    }

    #[tokio::test]
    async fn each_key_and_kind_has_a_limit_of_its_own() {
        let (throttle, _) = throttle();
        for _ in 0..=20 {
            let _counted = throttle.check(Kind::SignUpIp, "a@example.com").await;
        }
        assert_eq!(wait(&throttle, Kind::SignUpIp, "a@example.com").await, Some(3_590));
        assert_eq!(wait(&throttle, Kind::SignUpIp, "b@example.com").await, None);
        assert_eq!(wait(&throttle, Kind::LogInEmail, "a@example.com").await, None);
    }

    #[tokio::test]
    async fn an_ipv6_network_counts_as_one_caller() {
        let same = |a: &str, b: &str| network(a.parse().unwrap()) == network(b.parse().unwrap());
        assert!(same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!same("192.0.2.2", "192.0.2.1"));
    }
}
