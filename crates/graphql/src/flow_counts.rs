//! Counts of leads.

use async_graphql::SimpleObject;

use leadmesh_delivery as delivery;
use leadmesh_leads::counts::Counts;

/// Leads submitted in a range, by outcome. Test leads are not counted.
#[derive(Clone, Debug, SimpleObject)]
pub struct FlowCounts {
    /// All leads that got an outcome.
    submitted: i32,
    /// Accepted leads.
    accepted: i32,
    /// Leads rejected by a rule, a check or a cap.
    rejected: i32,
    /// Leads that failed because of an error.
    failed: i32,
    /// Accepted divided by submitted, from 0 to 1; null if there are none.
    accept_rate: Option<f64>,
    /// Median milliseconds from arrival to decision; null if there are no leads.
    p50_ms: Option<f64>,
    /// 95th percentile of milliseconds from arrival to decision; null if there are no leads.
    p95_ms: Option<f64>,
    /// Attempts refused before they became leads, because the sender had no right to submit. Counted by whole hours,
    /// including the hour in which the range begins; written with a delay of about a second.
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

impl From<delivery::counts::Counts> for FlowCounts {
    /// Of deliveries into another account's flow: what is on its way has no outcome yet.
    fn from(counts: delivery::counts::Counts) -> Self {
        let int = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let submitted = int(counts.delivered + counts.refused + counts.failed);
        Self {
            submitted: whole(submitted),
            accepted: whole(int(counts.delivered)),
            rejected: whole(int(counts.refused)),
            failed: whole(int(counts.failed)),
            accept_rate: (submitted > 0).then(|| real(int(counts.delivered)) / real(submitted)),
            p50_ms: counts.p50_ms,
            p95_ms: counts.p95_ms,
            refused_attempts: 0,
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
