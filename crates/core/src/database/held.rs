//! How long transactions that write are held, each of which others may wait for; on `SQLite` everybody does.

use std::panic::Location;
use std::time::{Duration, Instant};

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// A transaction that is held for longer is told to the log.
const LONG: Duration = Duration::from_secs(1);

/// The label of a kind of work.
type Labels = [(&'static str, String); 1];

/// Seconds by kind of work; clones count together.
#[derive(Clone, Debug)]
pub struct HeldTimes(pub(crate) Family<Labels, Histogram, fn() -> Histogram>);

impl Default for HeldTimes {
    fn default() -> Self {
        Self(Family::new_with_constructor(seconds))
    }
}

/// From a millisecond to sixteen seconds.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 8))
}

/// A transaction that is held; counted when dropped.
#[derive(Debug)]
pub(super) struct Held {
    times: HeldTimes,
    work: &'static str,
    /// Where in this program it was begun.
    begun: &'static Location<'static>,
    since: Instant,
}

impl HeldTimes {
    pub(super) fn begin(&self, work: &'static str, begun: &'static Location<'static>) -> Held {
        Held {
            times: self.clone(),
            work,
            begun,
            since: Instant::now(),
        }
    }
}

impl Drop for Held {
    /// The log gets the place in this program and nothing of whose work it was.
    fn drop(&mut self) {
        let held = self.since.elapsed();
        let labels = [("work", self.work.to_owned())];
        self.times.0.get_or_create(&labels).observe(held.as_secs_f64());
        if held > LONG {
            let (work, begun, seconds) = (self.work, self.begun, held.as_secs_f64());
            tracing::warn!(work, %begun, seconds, "a writing transaction was held for long, for which others may have waited");
        }
    }
}
