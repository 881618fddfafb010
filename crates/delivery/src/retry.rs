//! When the next attempt is made. Pure: time and randomness are arguments.
//!
//! The delay after attempt *n* is `initial_delay_ms` times 1, 6, 30, 180, 720 and from then on twice the factor
//! before, and never more than `max_delay_ms`. With the default of 10 s and 2 h that is 10 s, 1 min, 5 min, 30 min and
//! 2 h; with 1 s and 60 s it is 1 s, 6 s, 30 s, 60 s, 60 s. Jitter adds up to a fifth and never takes away, so a
//! destination that recovers is not met by all waiting deliveries in one second, nor by any of them too early.

use std::time::Duration;

use entity::delivery_config::RetryPolicy;

use super::response::Verdict;

const FACTORS: [u64; 5] = [1, 6, 30, 180, 720];
const JITTER: f64 = 0.2;

/// What becomes of a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Delivered,
    /// The partner answered that it does not want the lead.
    Refused,
    /// The next attempt is due when this much time has passed.
    After(Duration),
    /// It failed in a way that no further attempt would change.
    Failed,
    /// It failed, and the destination has said that it is gone for good: pause it.
    Gone,
    /// It failed, and the attempts are used up.
    Exhausted,
    /// It failed, and the next attempt would come after the maximum age.
    Expired,
}

/// Six attempts: the first immediately, the others after 10 s, 1 min, 5 min, 30 min and 2 h; 24 h at most. No status is given up on.
pub fn default_policy() -> RetryPolicy {
    RetryPolicy {
        attempts: 6,
        initial_delay_ms: 10_000,
        max_delay_ms: 7_200_000,
        max_age_minutes: 1_440,
        give_up_on: Vec::new(),
    }
}

/// Decides what follows attempt `attempt` (the first is 1) of a delivery whose age is `age`, counted from when it was
/// queued. `jitter` is a random number from 0 to 1.
///
/// A `Retry-After` lengthens the delay and never shortens it. Where it points past the maximum age, one last attempt is
/// made when that age is reached; where the policy's own delay does, there is none.
pub fn next(policy: &RetryPolicy, attempt: u32, age: Duration, verdict: &Verdict, jitter: f64) -> Next {
    let asked = match verdict {
        Verdict::Delivered { .. } => return Next::Delivered,
        Verdict::Refused { .. } => return Next::Refused,
        Verdict::Fail { .. } => return Next::Failed,
        Verdict::Gone { .. } => return Next::Gone,
        Verdict::Retry { retry_after, .. } => retry_after.unwrap_or_default(),
    };
    if attempt >= policy.attempts {
        return Next::Exhausted;
    }
    let left = max_age(policy).saturating_sub(age);
    let step = delay(policy, attempt);
    if left.is_zero() || step > left {
        return Next::Expired;
    }
    Next::After(with_jitter(step.max(asked), jitter).min(left))
}

/// The age after which a delivery is not attempted any more.
pub fn max_age(policy: &RetryPolicy) -> Duration {
    Duration::from_secs(u64::from(policy.max_age_minutes) * 60)
}

/// The policy's delay after attempt `attempt`, without jitter.
pub fn delay(policy: &RetryPolicy, attempt: u32) -> Duration {
    let uncapped = u64::from(policy.initial_delay_ms).saturating_mul(factor(attempt));
    Duration::from_millis(uncapped.min(u64::from(policy.max_delay_ms)))
}

fn factor(attempt: u32) -> u64 {
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let Some(factor) = FACTORS.get(index) else {
        let doublings = u32::try_from(index - (FACTORS.len() - 1)).unwrap_or(u32::MAX);
        return 720_u64.saturating_mul(2_u64.saturating_pow(doublings));
    };
    *factor
}

fn with_jitter(delay: Duration, jitter: f64) -> Duration {
    let share = if jitter.is_finite() {
        jitter.clamp(0.0, 1.0)
    } else {
        0.0
    };
    delay.saturating_add(delay.mul_f64(JITTER * share))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use entity::delivery::DeliveryErrorCode;

    fn retry(after: Option<Duration>) -> Verdict {
        Verdict::Retry {
            code: DeliveryErrorCode::HttpStatus,
            message: String::new(),
            retry_after: after,
        }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_default_policy_waits_10_s_1_min_5_min_30_min_and_2_h() {
        let policy = default_policy();
        let mut age = Duration::ZERO;
        for (attempt, expected) in (1..).zip([10, 60, 300, 1_800, 7_200]) {
            assert_eq!(
                next(&policy, attempt, age, &retry(None), 0.0),
                Next::After(secs(expected))
            );
            age += secs(expected);
        }
        assert_eq!(next(&policy, 6, age, &retry(None), 0.0), Next::Exhausted);
    }

    #[test]
    fn a_longer_policy_doubles_until_its_maximum() {
        let policy = RetryPolicy {
            attempts: 12,
            initial_delay_ms: 1_000,
            max_delay_ms: 3_600_000,
            ..default_policy()
        };
        let steps: Vec<u64> = (5..=9).map(|attempt| delay(&policy, attempt).as_secs()).collect();
        assert_eq!(steps, [720, 1_440, 2_880, 3_600, 3_600]);
        assert_eq!(delay(&policy, u32::MAX), secs(3_600));
    }

    #[test]
    fn jitter_adds_up_to_a_fifth() {
        let policy = default_policy();
        let after = |jitter| next(&policy, 1, Duration::ZERO, &retry(None), jitter);
        assert_eq!(after(1.0), Next::After(secs(12)));
        assert_eq!(after(0.5), Next::After(secs(11)));
        assert_eq!(after(7.0), Next::After(secs(12)));
        assert_eq!(after(f64::NAN), Next::After(secs(10)));
    }

    #[test]
    fn a_retry_after_past_the_maximum_age_leaves_one_last_attempt_at_its_end() {
        let policy = default_policy();
        let verdict = retry(Some(secs(10 * 86_400)));
        assert_eq!(
            next(&policy, 1, secs(3_600), &verdict, 1.0),
            Next::After(secs(23 * 3_600))
        );
        assert_eq!(next(&policy, 2, secs(24 * 3_600), &verdict, 1.0), Next::Expired);
    }

    #[test]
    fn a_delay_past_the_maximum_age_expires_at_once() {
        let policy = RetryPolicy {
            max_age_minutes: 60,
            ..default_policy()
        };
        assert_eq!(next(&policy, 5, secs(60), &retry(None), 0.0), Next::Expired);
        assert_eq!(next(&policy, 1, secs(9_999), &retry(None), 0.0), Next::Expired);
    }

    #[test]
    fn verdicts_other_than_retry_are_final() {
        let policy = default_policy();
        let fail = Verdict::Fail {
            code: DeliveryErrorCode::HttpStatus,
            message: String::new(),
        };
        let refused = Verdict::Refused {
            reason: "dup".into(),
            external_id: None,
        };
        for (verdict, expected) in [
            (
                Verdict::Delivered {
                    external_id: None,
                    note: None,
                },
                Next::Delivered,
            ),
            (refused, Next::Refused),
            (fail, Next::Failed),
            (Verdict::Gone { message: String::new() }, Next::Gone),
        ] {
            assert_eq!(next(&policy, 1, Duration::ZERO, &verdict, 0.0), expected);
        }
    }

    fn policies() -> impl Strategy<Value = RetryPolicy> {
        (1_u32..40, 0_u32..1_000_000, 0_u32..100_000_000, 0_u32..10_000).prop_map(
            |(attempts, initial_delay_ms, max_delay_ms, max_age_minutes)| RetryPolicy {
                attempts,
                initial_delay_ms,
                max_delay_ms,
                max_age_minutes,
                give_up_on: Vec::new(),
            },
        )
    }

    proptest! {
        #[test]
        fn delays_never_shrink_from_attempt_to_attempt(policy in policies(), attempt in 1_u32..60) {
            prop_assert!(delay(&policy, attempt) <= delay(&policy, attempt + 1));
        }

        #[test]
        fn the_next_attempt_is_never_earlier_than_policy_or_retry_after_and_never_past_the_age(
            policy in policies(), attempt in 1_u32..40, age in 0_u64..700_000, asked in 0_u64..200_000, jitter in 0.0..1.0,
        ) {
            let verdict = retry(Some(secs(asked)));
            if let Next::After(wait) = next(&policy, attempt, secs(age), &verdict, jitter) {
                let left = max_age(&policy).saturating_sub(secs(age));
                let least = delay(&policy, attempt).max(secs(asked));
                prop_assert!(wait <= left);
                prop_assert!(wait >= least.min(left));
                prop_assert!(wait <= least.mul_f64(1.2) + Duration::from_nanos(10));
            }
        }

        #[test]
        fn the_budget_of_attempts_is_spent_exactly(policy in policies(), jitter in 0.0..1.0) {
            let policy = RetryPolicy { max_age_minutes: u32::MAX, ..policy };
            let (mut attempt, mut age) = (1, Duration::ZERO);
            while let Next::After(wait) = next(&policy, attempt, age, &retry(None), jitter) {
                age += wait;
                attempt += 1;
            }
            prop_assert_eq!(attempt, policy.attempts);
            prop_assert_eq!(next(&policy, attempt, age, &retry(None), jitter), Next::Exhausted);
        }
    }
}
