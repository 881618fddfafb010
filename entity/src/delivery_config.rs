//! Stand-in for the delivery settings, to be replaced by the real file of the same name.

use serde::{Deserialize, Serialize};

/// When and how often a failed attempt is repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Delay before the second attempt.
    pub initial_delay_ms: u32,
    /// Upper bound of any delay before jitter.
    pub max_delay_ms: u32,
    /// Age after which no further attempt is made.
    pub max_age_minutes: u32,
    /// HTTP statuses that fail at once.
    pub give_up_on: Vec<u16>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 6,
            initial_delay_ms: 10_000,
            max_delay_ms: 7_200_000,
            max_age_minutes: 1_440,
            give_up_on: Vec::new(),
        }
    }
}

/// Lets a partner refuse inside a 2xx answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseRule {
    /// JSON pointer to the verdict.
    pub pointer: String,
    /// Values that mean accepted.
    pub accepted_values: Vec<String>,
    /// JSON pointer to the receiver's own ID.
    pub external_id_pointer: Option<String>,
    /// JSON pointer to the reason of a refusal.
    pub reason_pointer: Option<String>,
}
