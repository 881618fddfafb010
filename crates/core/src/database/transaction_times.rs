//! How long writing transactions are open. Others may wait for each; on `SQLite` every writer does.

use std::panic::Location;
use std::time::{Duration, Instant};

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// A longer transaction is logged.
const LONG: Duration = Duration::from_secs(1);

type Labels = [(&'static str, String); 1];

/// Seconds by workload. Clones share the counts.
#[derive(Clone, Debug)]
pub struct TransactionTimes(pub Family<Labels, Histogram, fn() -> Histogram>);

impl Default for TransactionTimes {
    fn default() -> Self {
        Self(Family::new_with_constructor(seconds))
    }
}

/// From a millisecond to sixteen seconds.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 8))
}

/// A running transaction; counted when dropped.
#[derive(Debug)]
pub(super) struct TransactionTimer {
    times: TransactionTimes,
    work: &'static str,
    begun: &'static Location<'static>,
    since: Instant,
}

impl TransactionTimes {
    pub(super) fn begin(&self, work: &'static str, begun: &'static Location<'static>) -> TransactionTimer {
        TransactionTimer {
            times: self.clone(),
            work,
            begun,
            since: Instant::now(),
        }
    }
}

impl Drop for TransactionTimer {
    /// The log names the place in this program, and not whose work it was.
    fn drop(&mut self) {
        let held = self.since.elapsed();
        let labels = [("work", self.work.to_owned())];
        self.times.0.get_or_create(&labels).observe(held.as_secs_f64());
        if held > LONG {
            let (work, begun, seconds) = (self.work, self.begun, held.as_secs_f64());
            tracing::warn!(work, %begun, seconds, "a writing transaction was open for long; others may have waited for it");
        }
    }
}
