//! How many deliveries may be under way at once: in this process, and to each destination, so that a slow one holds back
//! only itself. A destination's share is free again when the exchange with it is over, the process' when the outcome is
//! recorded as well.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

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
    destinations: HashMap<Uuid, u32>,
    /// Of destinations that have failed lately: how many each may have at once now.
    slowed: HashMap<Uuid, u32>,
    /// Whether later attempts are due that found no slot.
    retries_wait: bool,
}

/// One of the slots; dropped, it is free again.
#[derive(Debug)]
pub struct Slot {
    state: Arc<Mutex<State>>,
    /// None when the exchange is over.
    destination: Option<Uuid>,
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
    /// delays fresh leads; while some wait, first attempts leave an eighth, so that a flood of leads never starves them.
    pub fn try_take(&self, destination: Uuid, retry: bool) -> Option<Slot> {
        let mut state = lock(&self.state);
        let under_way = state.destinations.get(&destination).copied().unwrap_or_default();
        let total = if retry {
            self.total - self.total / 4
        } else {
            state.for_first(self.total)
        };
        if state.used >= total.max(1) || under_way >= self.at_destination(&state, destination, retry) {
            return None;
        }
        state.used += 1;
        state.destinations.insert(destination, under_way + 1);
        Some(Slot {
            state: self.state.clone(),
            destination: Some(destination),
        })
    }

    /// Slots that are free now.
    pub fn free(&self) -> u32 {
        self.total.saturating_sub(lock(&self.state).used)
    }

    /// Notes whether later attempts are due that found no slot.
    pub fn set_retries_wait(&self, wait: bool) {
        lock(&self.state).retries_wait = wait;
    }

    /// What one destination may have at once. Retries may use all of it: it is theirs as much as that of first attempts.
    fn at_destination(&self, state: &State, destination: Uuid, retry: bool) -> u32 {
        let share = state.slowed.get(&destination).copied().unwrap_or(self.per_destination);
        if retry { share } else { state.for_first(share).max(1) }
    }

    /// A destination has failed, or has too much to do: from now on it has half as many at once, but always one.
    pub fn slow(&self, destination: Uuid) {
        let mut state = lock(&self.state);
        let share = state.slowed.entry(destination).or_insert(self.per_destination);
        *share = (*share / 2).max(1);
    }

    /// A destination works: it has twice as many at once, up to its share. So one that recovers is not met by all that waits.
    pub fn ease(&self, destination: Uuid) {
        let mut state = lock(&self.state);
        if let Some(share) = state.slowed.get_mut(&destination) {
            *share *= 2;
            if *share >= self.per_destination {
                state.slowed.remove(&destination);
            }
        }
    }

    /// Deliveries under way.
    pub fn used(&self) -> u32 {
        lock(&self.state).used
    }

    /// Destinations that have no slot free for first or for later attempts.
    pub fn full_destinations(&self, retry: bool) -> Vec<Uuid> {
        let state = lock(&self.state);
        let limit = |destination| self.at_destination(&state, destination, retry);
        state
            .destinations
            .iter()
            .filter(|(destination, used)| **used >= limit(**destination))
            .map(|(destination, _)| *destination)
            .collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Of so many slots, those that first attempts may use now.
    fn for_first(&self, slots: u32) -> u32 {
        if self.retries_wait { slots - slots / 8 } else { slots }
    }

    fn leave(&mut self, destination: Uuid) {
        if let Some(used) = self.destinations.get_mut(&destination) {
            *used = used.saturating_sub(1);
            if *used == 0 {
                self.destinations.remove(&destination);
            }
        }
    }
}

impl Slot {
    /// Frees the destination's share: the exchange with it is over.
    pub fn leave_destination(&mut self) {
        if let Some(destination) = self.destination.take() {
            lock(&self.state).leave(destination);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.used = state.used.saturating_sub(1);
        if let Some(destination) = self.destination.take() {
            state.leave(destination);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partner(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[test]
    fn a_destination_never_has_more_than_its_share() {
        let slots = Slots::new(8, 2);
        let first = slots.try_take(partner(1), false);
        let second = slots.try_take(partner(1), false);
        assert!(first.is_some() && second.is_some());
        assert!(slots.try_take(partner(1), false).is_none());
        assert_eq!(slots.full_destinations(false), [partner(1)]);
        assert!(slots.try_take(partner(2), false).is_some());
        drop(first);
        assert!(slots.try_take(partner(1), false).is_some());
    }

    #[test]
    fn a_destination_is_free_when_the_exchange_is_over_and_the_process_when_it_is_recorded() {
        let slots = Slots::new(2, 1);
        let mut first = slots.try_take(partner(1), false).unwrap();
        first.leave_destination();
        let second = slots.try_take(partner(1), false);
        assert!(second.is_some() && slots.try_take(partner(2), false).is_none());
        drop(first);
        assert!(slots.try_take(partner(2), false).is_some());
        assert_eq!(slots.full_destinations(false), [partner(1)]);
    }

    #[test]
    fn a_destination_that_fails_has_ever_fewer_at_once_until_it_works_again() {
        let slots = Slots::new(64, 16);
        let at_once = || {
            std::iter::from_fn(|| slots.try_take(partner(1), true))
                .collect::<Vec<_>>()
                .len()
        };
        let mut shares = vec![at_once()];
        for _ in 0..5 {
            slots.slow(partner(1));
            shares.push(at_once());
        }
        assert_eq!(shares, [16, 8, 4, 2, 1, 1]);
        assert!(
            (0..16).all(|_| slots.try_take(partner(2), true).is_some()),
            "others have all of theirs"
        );
        let held = slots.try_take(partner(1), true);
        assert_eq!(slots.full_destinations(true), [partner(1)]);
        drop(held);
        shares = (0..5)
            .map(|_| {
                slots.ease(partner(1));
                at_once()
            })
            .collect();
        assert_eq!(shares, [2, 4, 8, 16, 16]);
    }

    #[test]
    fn retries_leave_a_quarter_to_first_attempts() {
        let slots = Slots::new(4, 4);
        let held: Vec<Slot> = std::iter::from_fn(|| slots.try_take(partner(1), true)).collect();
        assert_eq!((held.len(), slots.free()), (3, 1));
        assert!(slots.try_take(partner(1), false).is_some());
    }

    #[test]
    fn first_attempts_leave_an_eighth_to_retries_that_wait() {
        let slots = Slots::new(100, 16);
        slots.set_retries_wait(true);
        let held: Vec<Slot> = std::iter::from_fn(|| slots.try_take(partner(1), false)).collect();
        assert_eq!(held.len(), 14, "of the destination's 16");
        assert_eq!(slots.full_destinations(false), [partner(1)]);
        assert!(slots.full_destinations(true).is_empty());
        let retries: Vec<Slot> = std::iter::from_fn(|| slots.try_take(partner(1), true)).collect();
        assert_eq!(retries.len(), 2);
        slots.set_retries_wait(false);
        assert!(slots.try_take(partner(1), false).is_none(), "the retries have the rest");
    }
}
