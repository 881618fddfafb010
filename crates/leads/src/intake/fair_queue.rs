//! The queue of waiting submissions, fair between accounts. An account that submits hundreds of leads fills its own line only: a batch
//! takes from each account in turn, and only a few leads of each while several accounts submit.
//!
//! All leads of a batch are acknowledged together, so a single lead would wait for up to 256 leads of another account: once while they
//! are stored, and again if it is in their batch. So while several accounts submit, long lines and short ones are stored in separate
//! batches ("bulk" and normal), and only one writer at a time stores bulk batches. With one account alone, batches are as large as
//! possible. A batch is bounded in bytes too, because all of it is in memory, more than once.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// The most leads in one transaction.
pub(super) const BATCH: usize = 256;
/// Bytes from which on a batch is full. The lead that exceeds them is still in it.
const BATCH_BYTES: usize = 2 * 1024 * 1024;
/// Leads of one account in a batch while others submit too. A longer line is bulk.
const SHARE: usize = 16;
/// How long an account counts as submitting after its last lead.
const RECENT: Duration = Duration::from_secs(10);

/// Waiting items by account.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    lines: HashMap<Uuid, VecDeque<T>>,
    /// Accounts with waiting items, in the order in which they are served.
    order: VecDeque<Uuid>,
    count: usize,
    /// The account of the newest item, and when an item last came from another account than the one before it.
    newest: Option<Uuid>,
    mixed: Option<Instant>,
    /// Whether the last batch was bulk.
    was_bulk: bool,
}

/// A batch.
#[derive(Debug)]
pub(super) struct Taken<T> {
    pub(super) items: Vec<T>,
    /// Whether it is of long lines, which one writer at a time may store.
    pub(super) bulk: bool,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            lines: HashMap::new(),
            order: VecDeque::new(),
            count: 0,
            newest: None,
            mixed: None,
            was_bulk: false,
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
        let line = self.lines.entry(account).or_default();
        if line.is_empty() {
            self.order.push_back(account);
        }
        line.push_back(item);
        self.count += 1;
    }

    /// Takes the next batch: the oldest items of each account, each account once. Empty if nothing waits, or only bulk and the caller
    /// may not take that. `size` answers the bytes of an item.
    pub(super) fn take(&mut self, now: Instant, may_be_bulk: bool, size: impl Fn(&T) -> usize) -> Taken<T> {
        let mixed = self.mixed.is_some_and(|at| now.saturating_duration_since(at) < RECENT);
        if !mixed {
            let items = self.take_lines(BATCH, |_length| true, size);
            return Taken { items, bulk: false };
        }
        // With a single writer the two kinds alternate.
        let bulk_first = may_be_bulk && !self.was_bulk;
        let first = self.take_kind(bulk_first, may_be_bulk, &size);
        let taken = if first.items.is_empty() {
            self.take_kind(!bulk_first, may_be_bulk, &size)
        } else {
            first
        };
        self.was_bulk = taken.bulk;
        taken
    }

    fn take_kind(&mut self, bulk: bool, may_be_bulk: bool, size: impl Fn(&T) -> usize) -> Taken<T> {
        let items = if bulk && !may_be_bulk {
            Vec::new()
        } else {
            self.take_lines(SHARE, |length| (length > SHARE) == bulk, size)
        };
        Taken { items, bulk }
    }

    /// Takes up to `share` items of each account whose line has a length that fits.
    fn take_lines(&mut self, share: usize, fits: impl Fn(usize) -> bool, size: impl Fn(&T) -> usize) -> Vec<T> {
        let (mut batch, mut passed_over, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
        for _ in 0..self.order.len() {
            let Some(account) = self.order.pop_front() else { break };
            let Some(line) = self.lines.get_mut(&account) else {
                continue;
            };
            let most = share.min(BATCH.saturating_sub(batch.len())).min(line.len());
            if most == 0 || bytes >= BATCH_BYTES || !fits(line.len()) {
                // An account that is passed over keeps its turn before those that are served.
                passed_over.push(account);
                continue;
            }
            for _ in 0..most {
                let Some(item) = line.pop_front() else { break };
                bytes = bytes.saturating_add(size(&item));
                batch.push(item);
                if bytes >= BATCH_BYTES {
                    break;
                }
            }
            if line.is_empty() {
                self.lines.remove(&account);
            } else {
                self.order.push_back(account);
            }
        }
        self.count = self.count.saturating_sub(batch.len());
        for account in passed_over.into_iter().rev() {
            self.order.push_front(account);
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
        // The other writer has the bulk permit since before.
        let first = queue.take(now, false, small);
        assert_eq!((first.items.len(), first.bulk), (BATCH, false));
        assert_eq!((queue.take(now, true, small).items.len(), queue.len()), (44, 0));
        assert!(queue.take(now, true, small).items.is_empty());
    }

    #[test]
    fn a_single_lead_is_stored_without_those_of_who_brings_hundreds() {
        let now = Instant::now();
        let mut queue = queue(&[(ANN, 500), (BOB, 1)], now);
        let bulk = queue.take(now, true, small);
        assert_eq!((bulk.items.len(), senders(&bulk), bulk.bulk), (SHARE, vec![ANN], true));
        // The other writer.
        let short = queue.take(now, false, small);
        assert_eq!((short.items.len(), senders(&short), short.bulk), (1, vec![BOB], false));
        let none = queue.take(now, false, small);
        assert!(none.items.is_empty());
        assert_eq!(queue.len(), 500 - SHARE);
        // And soon after, for it may submit the next one.
        assert_eq!(queue.take(now + Duration::from_secs(9), true, small).items.len(), SHARE);
        assert_eq!(queue.take(now + RECENT, true, small).items.len(), BATCH);
    }

    #[test]
    fn one_writer_alone_takes_long_rows_and_short_ones_in_turns() {
        let now = Instant::now();
        let mut queue = queue(&[(ANN, 500)], now);
        let mut kinds = Vec::new();
        for number in 0..4 {
            queue.push(BOB, (BOB, number), now);
            kinds.extend([queue.take(now, true, small).bulk, queue.take(now, true, small).bulk]);
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
