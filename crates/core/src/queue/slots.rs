//! Limits of deliveries under way: for the process; for each destination, so that a slow one delays only itself; and for each account,
//! so that one with many deliveries leaves slots to the others. A destination's slot is free when the exchange with it is over, that of
//! the process and the account once the outcome is recorded.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use entity::due::Destination;
use entity::ids::AccountId;

/// Where several accounts deliver, one may hold this many times the slots that are free: a single busy account three quarters, two busy
/// ones three sevenths each, and so on. An account without a slot always finds one.
const TIMES_FREE: u32 = 3;
/// How long a delivery that must be alone waits for all others to end; longer than any exchange. Then the others go on.
const PATIENCE: Duration = Duration::from_secs(75);
/// How long the others go on before they are held back again.
const REST: Duration = Duration::from_secs(75);

#[derive(Clone, Debug)]
pub struct Slots {
    state: Arc<Mutex<State>>,
    total: u32,
    per_destination: u32,
}

#[derive(Debug, Default)]
struct State {
    used: u32,
    destinations: HashMap<Destination, u32>,
    /// First attempts, and later ones, of each account that are under way.
    accounts: HashMap<(AccountId, bool), u32>,
    /// The first account that asked for a slot.
    first: Option<AccountId>,
    /// Whether another one has asked as well.
    several: bool,
    /// The present limits of destinations that have failed lately.
    limits: HashMap<Destination, u32>,
    /// Whether due retries have found no slot.
    retries_wait: bool,
    /// Slots of isolated deliveries.
    isolated: u32,
    alone: Alone,
    /// Until then no delivery waits to be alone, because the last one waited in vain.
    resting_until: Option<Instant>,
}

/// Whether one delivery gets the whole process to itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Alone {
    #[default]
    No,
    /// Other deliveries get no slots until all are free.
    Wanted { until: Instant },
    /// One delivery is under way, and no other.
    Taken,
}

/// A slot, which is free again when this is dropped.
#[derive(Debug)]
pub struct Slot {
    state: Arc<Mutex<State>>,
    /// The account, and whether it is for a retry.
    account: (AccountId, bool),
    /// None when the exchange is over.
    destination: Option<Destination>,
    isolated: bool,
}

impl Slots {
    /// `total` in all, `per_destination` for one destination.
    pub fn new(total: u32, per_destination: u32) -> Self {
        Self {
            state: Arc::default(),
            total,
            per_destination,
        }
    }

    /// A slot for one attempt, if there is one. Retries leave a quarter of the slots free, so that a backlog of them never delays new
    /// leads; while retries wait, first attempts leave an eighth, so that a flood of leads never starves them.
    pub fn try_take(&self, account: AccountId, destination: Destination, retry: bool) -> Option<Slot> {
        let mut state = lock(&self.state);
        if state.is_closed() {
            return None;
        }
        self.take(&mut state, account, destination, retry)
    }

    /// A slot for an isolated delivery, beside all that are not isolated.
    pub fn try_take_isolated(&self, account: AccountId, destination: Destination) -> Option<Slot> {
        let mut slot = self.try_take(account, destination, true)?;
        slot.isolate();
        Some(slot)
    }

    /// A slot for a delivery that must be alone in this process. While others are under way, no more of them begin, and there is a slot
    /// once they have ended. If they do not end in time, the others go on, and this is tried again later.
    pub fn try_take_alone(&self, account: AccountId, destination: Destination) -> Option<Slot> {
        self.try_take_alone_at(account, destination, Instant::now())
    }

    fn try_take_alone_at(&self, account: AccountId, destination: Destination, now: Instant) -> Option<Slot> {
        let mut slot = {
            let mut state = lock(&self.state);
            match state.alone {
                Alone::Taken => return None,
                Alone::No if state.resting_until.is_some_and(|until| now < until) => return None,
                Alone::No => state.alone = Alone::Wanted { until: now + PATIENCE },
                Alone::Wanted { until } if now >= until => {
                    (state.alone, state.resting_until) = (Alone::No, Some(now + REST));
                    return None;
                }
                Alone::Wanted { .. } => {}
            }
            if state.used > 0 {
                return None;
            }
            let slot = self.take(&mut state, account, destination, true)?;
            state.alone = Alone::Taken;
            slot
        };
        slot.isolate();
        Some(slot)
    }

    /// No delivery waits to be alone any more.
    pub fn give_up_alone(&self) {
        let mut state = lock(&self.state);
        if matches!(state.alone, Alone::Wanted { .. }) {
            state.alone = Alone::No;
        }
    }

    /// Isolated deliveries under way.
    pub fn isolated(&self) -> u32 {
        lock(&self.state).isolated
    }

    fn take(&self, state: &mut State, account: AccountId, destination: Destination, retry: bool) -> Option<Slot> {
        state.note_account(account);
        let under_way = state.destinations.get(&destination).copied().unwrap_or_default();
        if under_way >= self.at_destination(state, destination, retry) || !self.has_room(state, account, retry) {
            return None;
        }
        state.used += 1;
        state.destinations.insert(destination, under_way + 1);
        *state.accounts.entry((account, retry)).or_default() += 1;
        Some(Slot {
            state: self.state.clone(),
            account: (account, retry),
            destination: Some(destination),
            isolated: false,
        })
    }

    /// Whether an account may have one more slot. First attempts and retries are counted apart, so that neither starves the other.
    fn has_room(&self, state: &State, account: AccountId, retry: bool) -> bool {
        let total = if retry {
            self.total - self.total / 4
        } else {
            state.for_first(self.total)
        };
        let free = total.max(1).saturating_sub(state.used);
        let held = state.accounts.get(&(account, retry)).copied().unwrap_or_default();
        free > 0 && (!state.several || held < free.saturating_mul(TIMES_FREE))
    }

    pub fn free(&self) -> u32 {
        let state = lock(&self.state);
        if state.is_closed() {
            0
        } else {
            self.total.saturating_sub(state.used)
        }
    }

    /// How many more slots a destination may have now.
    pub fn room(&self, destination: Destination, retry: bool) -> u32 {
        let state = lock(&self.state);
        let under_way = state.destinations.get(&destination).copied().unwrap_or_default();
        self.at_destination(&state, destination, retry)
            .saturating_sub(under_way)
    }

    /// Notes whether due retries have found no slot.
    pub fn set_retries_wait(&self, wait: bool) {
        lock(&self.state).retries_wait = wait;
    }

    /// The present limit of a destination. Retries may use all of it.
    fn at_destination(&self, state: &State, destination: Destination, retry: bool) -> u32 {
        let share = state.limits.get(&destination).copied().unwrap_or(self.per_destination);
        if retry { share } else { state.for_first(share).max(1) }
    }

    /// After a failure or a 429: halves the destination's limit, down to one.
    pub fn halve_limit(&self, destination: Destination) {
        let mut state = lock(&self.state);
        let share = state.limits.entry(destination).or_insert(self.per_destination);
        *share = (*share / 2).max(1);
    }

    /// After a success: doubles the destination's limit up to the usual one, so that a recovering destination is not flooded.
    pub fn double_limit(&self, destination: Destination) {
        let mut state = lock(&self.state);
        if let Some(share) = state.limits.get_mut(&destination) {
            *share *= 2;
            if *share >= self.per_destination {
                state.limits.remove(&destination);
            }
        }
    }

    pub fn used(&self) -> u32 {
        lock(&self.state).used
    }

    /// Destinations without a free slot for first attempts or for retries.
    pub fn full_destinations(&self, retry: bool) -> Vec<Destination> {
        let state = lock(&self.state);
        let limit = |destination| self.at_destination(&state, destination, retry);
        state
            .destinations
            .iter()
            .filter(|(destination, used)| **used >= limit(**destination))
            .map(|(destination, _)| *destination)
            .collect()
    }

    /// Accounts without a free slot for first attempts or for retries.
    pub fn full_accounts(&self, retry: bool) -> Vec<AccountId> {
        let state = lock(&self.state);
        let of_kind = state.accounts.keys().filter(|(_, kind)| *kind == retry);
        of_kind
            .map(|(account, _)| *account)
            .filter(|account| !self.has_room(&state, *account, retry))
            .collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Whether one delivery is alone, or waits for that, so that no other begins.
    fn is_closed(&self) -> bool {
        match self.alone {
            Alone::No => false,
            Alone::Wanted { until } => Instant::now() < until,
            Alone::Taken => true,
        }
    }

    /// How many of `slots` first attempts may use now.
    fn for_first(&self, slots: u32) -> u32 {
        if self.retries_wait { slots - slots / 8 } else { slots }
    }

    /// An account asks for a slot. It is never forgotten that there are several, so that one that delivers seldom finds a slot.
    fn note_account(&mut self, account: AccountId) {
        self.several |= *self.first.get_or_insert(account) != account;
    }
}

/// Counts one less; keys without a count are removed.
fn decrement<K: Eq + Hash>(counts: &mut HashMap<K, u32>, of: &K) {
    if let Some(count) = counts.get_mut(of) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(of);
        }
    }
}

impl Slot {
    fn isolate(&mut self) {
        self.isolated = true;
        lock(&self.state).isolated += 1;
    }

    /// Frees the destination's slot, because the exchange with it is over.
    pub fn leave_destination(&mut self) {
        if let Some(destination) = self.destination.take() {
            decrement(&mut lock(&self.state).destinations, &destination);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.used = state.used.saturating_sub(1);
        if self.isolated {
            state.isolated = state.isolated.saturating_sub(1);
        }
        if state.alone == Alone::Taken {
            state.alone = Alone::No;
        }
        decrement(&mut state.accounts, &self.account);
        if let Some(destination) = self.destination.take() {
            decrement(&mut state.destinations, &destination);
        }
    }
}

#[cfg(test)]
mod tests;
