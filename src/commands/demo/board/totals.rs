//! The totals of the demo.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Channel;

/// Latencies kept for each channel: enough for a median.
const KEPT: usize = 10_000;

#[derive(Default)]
pub(super) struct Totals {
    outcomes: BTreeMap<String, u32>,
    arrivals: BTreeMap<Channel, u32>,
    latencies: BTreeMap<Channel, Vec<Duration>>,
}

impl Totals {
    pub(super) fn answered(&mut self, outcome: &str) {
        *self.outcomes.entry(outcome.to_lowercase()).or_default() += 1;
    }

    pub(super) fn arrived(&mut self, channel: Channel, took: Duration) {
        *self.arrivals.entry(channel).or_default() += 1;
        let latencies = self.latencies.entry(channel).or_default();
        if latencies.len() < KEPT {
            latencies.push(took);
        }
    }

    pub(super) fn all_answered(&self) -> u32 {
        self.outcomes.values().sum()
    }

    /// A line for each channel.
    pub(super) fn latencies(&self) -> Vec<String> {
        let line = |(channel, all): (&Channel, &Vec<Duration>)| {
            let mut sorted = all.clone();
            sorted.sort_unstable();
            let median = sorted.get(sorted.len() / 2)?;
            Some(format!(
                "  by {}: half of them within {:.1} ms of being submitted",
                channel.name(),
                median.as_secs_f64() * 1_000.0
            ))
        };
        self.latencies.iter().filter_map(line).collect()
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcomes = self
            .outcomes
            .iter()
            .map(|(outcome, count)| format!("{count} {outcome}"));
        let arrivals = self
            .arrivals
            .iter()
            .map(|(channel, count)| format!("{} {count}", channel.name()));
        let (outcomes, arrivals): (Vec<String>, Vec<String>) = (outcomes.collect(), arrivals.collect());
        f.write_str(&outcomes.join(", "))?;
        if !arrivals.is_empty() {
            write!(f, "; arrived by {}", arrivals.join(", "))?;
        }
        Ok(())
    }
}
