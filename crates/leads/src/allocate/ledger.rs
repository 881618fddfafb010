//! The counters of caps, while a transaction holds their rows locked.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use entity::cap_usage::Cap;
use entity::delivery::Reservation;
use entity::ids::CapId;
use sea_orm::ActiveEnum;

use leadmesh_flows::caps::window;

/// A counter: a cap, and the start of one of its windows.
pub type Counter = (CapId, DateTime<Utc>);

/// Counters, as they will be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    used: BTreeMap<Counter, i32>,
    changed: HashSet<Counter>,
}

impl Ledger {
    /// The counters of the database. One that it lacks is zero.
    pub fn new(used: BTreeMap<Counter, i32>) -> Self {
        Self {
            used,
            changed: HashSet::new(),
        }
    }

    /// The counters that have to be written.
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

    /// Takes one place under every cap, or none: then answers the cap that is used up.
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

    /// Gives reservations back.
    pub(super) fn release(&mut self, reservations: &[Reservation]) {
        for Reservation { cap, window } in reservations {
            if let Some(used) = self.used.get_mut(&(*cap, *window)) {
                *used -= 1;
            }
        }
    }
}

/// The counter of a cap in the window of that time.
pub fn counter(cap: &Cap, now: DateTime<Utc>) -> Counter {
    (cap.id, window(cap, now).0)
}

/// The message for a cap that is used up.
pub fn cap_text(cap: &Cap) -> String {
    format!(
        "the cap of {} leads per {} ({}) is used up",
        cap.limit,
        cap.period.to_value().to_lowercase(),
        cap.timezone
    )
}
