//! The counters of caps while a transaction holds them.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use entity::cap_usage::Cap;
use entity::delivery::Reservation;
use entity::ids::CapId;

use leadmesh_flows::caps::window;

/// A counter: which cap, in which of its windows.
pub type Counter = (CapId, DateTime<Utc>);

/// Counters held locked, as they are and as they will be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    used: BTreeMap<Counter, i32>,
    changed: HashSet<Counter>,
}

impl Ledger {
    /// The counters as the database has them; one that it lacks stands at zero.
    pub fn new(used: BTreeMap<Counter, i32>) -> Self {
        Self {
            used,
            changed: HashSet::new(),
        }
    }

    /// What has to be written back.
    pub fn changes(&self) -> Vec<(Counter, i32)> {
        let mut changes: Vec<_> = self
            .changed
            .iter()
            .filter_map(|key| self.used.get_key_value(key))
            .map(|(key, used)| (*key, *used))
            .collect();
        changes.sort_unstable();
        changes
    }

    /// Counts once on every cap, or on none: then the full one is named.
    pub fn reserve<'a>(&mut self, caps: &'a [Cap], now: DateTime<Utc>) -> Result<Vec<Reservation>, &'a Cap> {
        if let Some(full) = self.full(caps, now) {
            return Err(full);
        }
        let mut count = |cap: &Cap| {
            let (cap, window) = counter(cap, now);
            *self.used.entry((cap, window)).or_default() += 1;
            self.changed.insert((cap, window));
            Reservation { cap, window }
        };
        Ok(caps.iter().map(&mut count).collect())
    }

    /// The first cap that is used up.
    pub(super) fn full<'a>(&self, caps: &'a [Cap], now: DateTime<Utc>) -> Option<&'a Cap> {
        let used = |cap: &Cap| self.used.get(&counter(cap, now)).copied().unwrap_or_default();
        caps.iter().find(|cap| used(cap) >= cap.limit)
    }

    /// Takes back what was counted.
    pub(super) fn release(&mut self, reservations: &[Reservation]) {
        for Reservation { cap, window } in reservations {
            if let Some(used) = self.used.get_mut(&(*cap, *window)) {
                *used -= 1;
            }
        }
    }
}

/// The counter on which a cap counts at that time.
pub fn counter(cap: &Cap, now: DateTime<Utc>) -> Counter {
    (cap.id, window(cap, now).0)
}

/// What is said of a cap that is used up.
pub fn cap_text(cap: &Cap) -> String {
    format!(
        "the cap of {} leads per {} ({}) is used up",
        cap.limit,
        period_word(cap),
        cap.timezone
    )
}

fn period_word(cap: &Cap) -> &'static str {
    use entity::cap_usage::CapPeriod::{Day, Hour, Lifetime, Month, Week};
    match cap.period {
        Hour => "hour",
        Day => "day",
        Week => "week",
        Month => "month",
        Lifetime => "lifetime",
    }
}
