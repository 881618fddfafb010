//! Counts of leads.

use async_graphql::SimpleObject;

use crate::leads::counts::Counts;

/// How many leads came in some time and what became of them; tests left out.
#[derive(Clone, Debug, SimpleObject)]
pub struct FlowCounts {
    /// All that came and were told an outcome.
    submitted: i32,
    /// Leads that were taken.
    accepted: i32,
    /// Leads that were refused by a rule, a check or a cap.
    rejected: i32,
    /// Leads that could not be handled.
    failed: i32,
    /// Accepted leads among all, from 0 to 1; null when none came.
    accept_rate: Option<f64>,
    /// Half of the leads were decided within so many milliseconds; null when none came.
    p50_ms: Option<f64>,
    /// Of 100 leads, 95 were decided within so many milliseconds; null when none came.
    p95_ms: Option<f64>,
    /// Attempts that were refused before they became leads, because the sender had no right to submit. Counted by whole hours,
    /// with the hour in which the time begins; written about a second late.
    refused_attempts: i32,
}

impl FlowCounts {
    /// Leads, and attempts that did not become any.
    pub fn with_refused(counts: Counts, refused: i64) -> Self {
        Self {
            refused_attempts: whole(refused),
            ..counts.into()
        }
    }
}

impl From<Counts> for FlowCounts {
    fn from(counts: Counts) -> Self {
        let submitted = counts.submitted();
        Self {
            submitted: whole(submitted),
            accepted: whole(counts.accepted),
            rejected: whole(counts.rejected),
            failed: whole(counts.failed),
            accept_rate: (submitted > 0).then(|| real(counts.accepted) / real(submitted)),
            p50_ms: counts.p50_us.map(|micros| real(micros) / 1_000.0),
            p95_ms: counts.p95_us.map(|micros| real(micros) / 1_000.0),
            refused_attempts: whole(counts.refused),
        }
    }
}

/// `Int` has 32 bits.
fn whole(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "rates and milliseconds are read by people; counts this large do not occur"
)]
fn real(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_times_are_absent_without_leads() {
        let none = FlowCounts::from(Counts::default());
        assert_eq!((none.submitted, none.accept_rate, none.p50_ms), (0, None, None));
        let some = FlowCounts::from(Counts {
            accepted: 1,
            rejected: 2,
            failed: 1,
            p50_us: Some(1_500),
            p95_us: Some(2_000),
            refused: 7,
        });
        assert_eq!(
            (some.submitted, some.accept_rate, some.p50_ms, some.refused_attempts),
            (4, Some(0.25), Some(1.5), 7)
        );
    }
}
