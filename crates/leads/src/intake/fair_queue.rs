//! What waits to be stored, by the account that submits it. Whoever submits hundreds of leads at once fills its own row, not that of
//! others: a batch takes of each account in turn, and only a few of one while there are others.
//!
//! All leads of a batch are acknowledged together, so a batch of 256 leads of one account is what another account's single lead would
//! wait for, once if it comes while that is stored, and again if it is in it. So while several accounts submit, long rows and short ones
//! are stored in batches apart, and only one writer at a time stores of the long ones. With one account alone, batches are as large as
//! they can.
//! A batch is bounded in bytes too, for all of it is in memory at once, more than once.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// Leads stored in one transaction.
pub(super) const BATCH: usize = 256;
/// Bytes that they hold, but for the last one: a lead that fills a batch is still in it.
const BATCH_BYTES: usize = 2 * 1024 * 1024;
/// Of them, those of one account while others submit as well.
const SHARE: usize = 16;
/// For how long others count as submitting after their last lead.
const LATELY: Duration = Duration::from_secs(10);

/// Items that wait, each with its account.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    rows: HashMap<Uuid, VecDeque<T>>,
    /// Accounts with something in their row, in the order in which they are served.
    turns: VecDeque<Uuid>,
    count: usize,
    /// The account of the newest item, and when an item was last not of the account of the one before.
    newest: Option<Uuid>,
    mixed: Option<Instant>,
    /// Whether the last batch was of long rows.
    was_long: bool,
}

/// A batch.
#[derive(Debug)]
pub(super) struct Taken<T> {
    pub(super) items: Vec<T>,
    /// Whether it is of long rows, which one writer at a time may store.
    pub(super) long: bool,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            rows: HashMap::new(),
            turns: VecDeque::new(),
            count: 0,
            newest: None,
            mixed: None,
            was_long: false,
        }
    }
}

impl<T> FairQueue<T> {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn push(&mut self, account: Uuid, item: T, now: Instant) {
        if self.newest.replace(account).is_some_and(|before| before != account) {
            self.mixed = Some(now);
        }
        let row = self.rows.entry(account).or_default();
        if row.is_empty() {
            self.turns.push_back(account);
        }
        row.push_back(item);
        self.count += 1;
    }

    /// The next batch: the oldest of each account, and each account once. Empty if nothing waits, or if only long rows do and the
    /// caller may not have those. `held` says how many bytes an item holds.
    pub(super) fn take(&mut self, now: Instant, may_be_long: bool, held: impl Fn(&T) -> usize) -> Taken<T> {
        let mixed = self.mixed.is_some_and(|at| now.saturating_duration_since(at) < LATELY);
        if !mixed {
            let items = self.take_of(BATCH, |_row| true, held);
            return Taken { items, long: false };
        }
        // With a single writer the two kinds take turns.
        let long_first = may_be_long && !self.was_long;
        let first = self.take_kind(long_first, may_be_long, &held);
        let taken = if first.items.is_empty() {
            self.take_kind(!long_first, may_be_long, &held)
        } else {
            first
        };
        self.was_long = taken.long;
        taken
    }

    fn take_kind(&mut self, long: bool, may_be_long: bool, held: impl Fn(&T) -> usize) -> Taken<T> {
        let items = if long && !may_be_long {
            Vec::new()
        } else {
            self.take_of(SHARE, |row| (row > SHARE) == long, held)
        };
        Taken { items, long }
    }

    /// So many of each account whose row is of a length that fits.
    fn take_of(&mut self, share: usize, fits: impl Fn(usize) -> bool, held: impl Fn(&T) -> usize) -> Vec<T> {
        let (mut batch, mut passed_over, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
        for _ in 0..self.turns.len() {
            let Some(account) = self.turns.pop_front() else { break };
            let Some(row) = self.rows.get_mut(&account) else {
                continue;
            };
            let room = share.min(BATCH.saturating_sub(batch.len())).min(row.len());
            if room == 0 || bytes >= BATCH_BYTES || !fits(row.len()) {
                // Whoever is passed over keeps its turn before those who are served.
                passed_over.push(account);
                continue;
            }
            for _ in 0..room {
                let Some(item) = row.pop_front() else { break };
                bytes = bytes.saturating_add(held(&item));
                batch.push(item);
                if bytes >= BATCH_BYTES {
                    break;
                }
            }
            if row.is_empty() {
                self.rows.remove(&account);
            } else {
                self.turns.push_back(account);
            }
        }
        self.count = self.count.saturating_sub(batch.len());
        for account in passed_over.into_iter().rev() {
            self.turns.push_front(account);
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANN: Uuid = Uuid::from_u128(1);
    const BOB: Uuid = Uuid::from_u128(2);

    fn queue(of: &[(Uuid, u32)], at: Instant) -> FairQueue<(Uuid, u32)> {
        let mut queue = FairQueue::default();
        for (account, count) in of {
            (0..*count).for_each(|number| queue.push(*account, (*account, number), at));
        }
        queue
    }

    fn senders<T>(taken: &Taken<(Uuid, T)>) -> Vec<Uuid> {
        let mut accounts: Vec<Uuid> = taken.items.iter().map(|(account, _)| *account).collect();
        accounts.dedup();
        accounts
    }

    /// Held by an item that is far from filling a batch.
    fn small<T>(_: &T) -> usize {
        1
    }

    #[test]
    fn a_batch_is_bounded_in_bytes_and_nobody_is_passed_over_for_it() {
        let now = Instant::now();
        let large = |_: &(Uuid, u32)| BATCH_BYTES / 4;
        let mut alone = queue(&[(ANN, 10)], now);
        let taken: Vec<usize> = (0..4).map(|_| alone.take(now, true, large).items.len()).collect();
        assert_eq!(taken, [4, 4, 2, 0]);
        let huge = |(_, number): &(Uuid, u32)| if *number == 1 { 3 * BATCH_BYTES } else { 1 };
        let mut alone = queue(&[(ANN, 3)], now);
        let taken: Vec<usize> = (0..2).map(|_| alone.take(now, true, huge).items.len()).collect();
        assert_eq!(taken, [2, 1]);
        let cid = Uuid::from_u128(3);
        let mut many = queue(&[(ANN, 10), (BOB, 3), (cid, 1)], now);
        assert_eq!(many.take(now, true, large).items.len(), 4);
        assert_eq!(senders(&many.take(now, true, large)), [BOB, cid]);
    }

    #[test]
    fn one_account_alone_fills_a_batch() {
        let now = Instant::now();
        let mut queue = queue(&[(ANN, 300)], now);
        // Whoever else stores a batch of long rows does so since before.
        let first = queue.take(now, false, small);
        assert_eq!((first.items.len(), first.long), (BATCH, false));
        assert_eq!((queue.take(now, true, small).items.len(), queue.len()), (44, 0));
        assert!(queue.take(now, true, small).items.is_empty());
    }

    #[test]
    fn a_single_lead_is_stored_without_those_of_who_brings_hundreds() {
        let now = Instant::now();
        let mut queue = queue(&[(ANN, 500), (BOB, 1)], now);
        let long = queue.take(now, true, small);
        assert_eq!((long.items.len(), senders(&long), long.long), (SHARE, vec![ANN], true));
        // The other writer.
        let short = queue.take(now, false, small);
        assert_eq!((short.items.len(), senders(&short), short.long), (1, vec![BOB], false));
        let none = queue.take(now, false, small);
        assert!(none.items.is_empty());
        assert_eq!(queue.len(), 500 - SHARE);
        // And soon after, for it may submit the next one.
        assert_eq!(queue.take(now + Duration::from_secs(9), true, small).items.len(), SHARE);
        assert_eq!(queue.take(now + LATELY, true, small).items.len(), BATCH);
    }

    #[test]
    fn one_writer_alone_takes_long_rows_and_short_ones_in_turns() {
        let now = Instant::now();
        let mut queue = queue(&[(ANN, 500)], now);
        let mut kinds = Vec::new();
        for number in 0..4 {
            queue.push(BOB, (BOB, number), now);
            kinds.extend([queue.take(now, true, small).long, queue.take(now, true, small).long]);
        }
        assert_eq!(kinds, [true, false].repeat(4));
    }

    #[test]
    fn whoever_is_passed_over_keeps_its_turn() {
        let (now, cid) = (Instant::now(), Uuid::from_u128(3));
        let mut queue = queue(&[(ANN, 40), (BOB, 1), (cid, 40)], now);
        assert_eq!(senders(&queue.take(now, false, small)), [BOB]);
        assert_eq!(senders(&queue.take(now, true, small)), [ANN, cid]);
        assert_eq!(queue.len(), 80 - 2 * SHARE);
    }

    #[test]
    fn more_accounts_than_fit_have_their_turns() {
        let now = Instant::now();
        let accounts: Vec<(Uuid, u32)> = (0..40).map(|account| (Uuid::from_u128(account), 10)).collect();
        let mut queue = queue(&accounts, now);
        let first = queue.take(now, true, small);
        assert_eq!(first.items.len(), BATCH);
        let served = [senders(&first), senders(&queue.take(now, true, small))].concat();
        let all: std::collections::HashSet<Uuid> = served.iter().copied().collect();
        assert_eq!(all.len(), 40);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_overtaken_within_an_account(pushes in proptest::collection::vec(0_u128..5, 0..2_000)) {
            let now = Instant::now();
            let mut queue = FairQueue::default();
            let mut taken = Vec::new();
            for (number, account) in pushes.iter().enumerate() {
                queue.push(Uuid::from_u128(*account), (*account, number), now);
                if number % 97 == 0 {
                    taken.extend(queue.take(now, number % 2 == 0, small).items);
                }
            }
            while queue.len() > 0 {
                let batch = queue.take(now, true, small).items;
                prop_assert!(!batch.is_empty() && batch.len() <= BATCH);
                taken.extend(batch);
            }
            prop_assert_eq!(taken.len(), pushes.len());
            for account in 0..5 {
                let of: Vec<usize> = taken.iter().filter(|(one, _)| *one == account).map(|(_, number)| *number).collect();
                prop_assert!(of.is_sorted());
            }
        }
    }
}
