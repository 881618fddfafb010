//! How many deliveries may be under way at once: in this process, and to each destination, so that a slow one holds back
//! only itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entity::ids::PartnerId;

/// The slots of one process.
#[derive(Clone, Debug)]
pub struct Slots {
    state: Arc<Mutex<State>>,
    total: u32,
    per_destination: u32,
}

#[derive(Debug, Default)]
struct State {
    used: u32,
    destinations: HashMap<PartnerId, u32>,
}

/// One of the slots; dropped, it is free again.
#[derive(Debug)]
pub struct Slot {
    state: Arc<Mutex<State>>,
    partner: PartnerId,
}

impl Slots {
    /// So many in all, and so many to one destination.
    pub fn new(total: u32, per_destination: u32) -> Self {
        Self {
            state: Arc::default(),
            total,
            per_destination,
        }
    }

    /// A slot for one attempt, if there is one. Later attempts leave a quarter free, so that a backlog of retries never
    /// delays fresh leads.
    pub fn try_take(&self, partner: PartnerId, retry: bool) -> Option<Slot> {
        let mut state = lock(&self.state);
        let limit = if retry { self.for_retries() } else { self.total };
        let to_partner = state.destinations.get(&partner).copied().unwrap_or_default();
        if state.used >= limit || to_partner >= self.per_destination {
            return None;
        }
        state.used += 1;
        state.destinations.insert(partner, to_partner + 1);
        Some(Slot {
            state: self.state.clone(),
            partner,
        })
    }

    /// Slots that are free now.
    pub fn free(&self) -> u32 {
        self.total.saturating_sub(lock(&self.state).used)
    }

    /// Slots that retries may use at most.
    pub fn for_retries(&self) -> u32 {
        (self.total - self.total / 4).max(1)
    }

    /// Deliveries under way.
    pub fn used(&self) -> u32 {
        lock(&self.state).used
    }

    /// Destinations that have no slot free.
    pub fn full_destinations(&self) -> Vec<PartnerId> {
        let state = lock(&self.state);
        state
            .destinations
            .iter()
            .filter(|(_, used)| **used >= self.per_destination)
            .map(|(partner, _)| *partner)
            .collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.used = state.used.saturating_sub(1);
        if let Some(used) = state.destinations.get_mut(&self.partner) {
            *used = used.saturating_sub(1);
            if *used == 0 {
                state.destinations.remove(&self.partner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partner(number: u128) -> PartnerId {
        PartnerId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn a_destination_never_has_more_than_its_share() {
        let slots = Slots::new(8, 2);
        let first = slots.try_take(partner(1), false);
        let second = slots.try_take(partner(1), false);
        assert!(first.is_some() && second.is_some());
        assert!(slots.try_take(partner(1), false).is_none());
        assert_eq!(slots.full_destinations(), [partner(1)]);
        assert!(slots.try_take(partner(2), false).is_some());
        drop(first);
        assert!(slots.try_take(partner(1), false).is_some());
    }

    #[test]
    fn retries_leave_a_quarter_to_first_attempts() {
        let slots = Slots::new(4, 4);
        let held: Vec<Slot> = std::iter::from_fn(|| slots.try_take(partner(1), true)).collect();
        assert_eq!((held.len(), slots.free()), (3, 1));
        assert!(slots.try_take(partner(1), false).is_some());
    }
}
