//! What waits to be stored, by the account that submits it. Whoever submits hundreds of leads at once fills its own row, not that of
//! others: a batch takes of each account in turn, and only a few of one while there are others.
//!
//! All leads of a batch are acknowledged together, so a batch of 256 leads of one account is what another account's single lead would
//! wait for, once if it comes while that is stored, and again if it is in it. With one account alone, batches are as large as they can.
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
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            rows: HashMap::new(),
            turns: VecDeque::new(),
            count: 0,
            newest: None,
            mixed: None,
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

    /// The next batch: the oldest of each account, and each account once; `held` says how many bytes an item holds. Empty only if
    /// nothing waits.
    pub(super) fn take(&mut self, now: Instant, held: impl Fn(&T) -> usize) -> Vec<T> {
        let mixed = self.mixed.is_some_and(|at| now.saturating_duration_since(at) < LATELY);
        let share = if mixed { SHARE } else { BATCH };
        let mut batch = Vec::new();
        let mut bytes: usize = 0;
        for _ in 0..self.turns.len() {
            let room = share.min(BATCH.saturating_sub(batch.len()));
            if room == 0 || bytes >= BATCH_BYTES {
                break;
            }
            let Some(account) = self.turns.pop_front() else { break };
            let Some(row) = self.rows.get_mut(&account) else {
                continue;
            };
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

    /// Held by an item that is far from filling a batch.
    fn small<T>(_: &T) -> usize {
        1
    }

    #[test]
    fn a_batch_is_bounded_in_bytes_and_nobody_is_passed_over_for_it() {
        let now = Instant::now();
        let large = |_: &(Uuid, u32)| BATCH_BYTES / 4;
        let mut alone = queue(&[(ANN, 10)], now);
        let taken: Vec<usize> = (0..4).map(|_| alone.take(now, large).len()).collect();
        assert_eq!(taken, [4, 4, 2, 0]);
        let huge = |(_, number): &(Uuid, u32)| if *number == 1 { 3 * BATCH_BYTES } else { 1 };
        let mut alone = queue(&[(ANN, 3)], now);
        assert_eq!((alone.take(now, huge).len(), alone.take(now, huge).len()), (2, 1));
        let mut both = queue(&[(ANN, 10), (BOB, 1)], now);
        assert_eq!(both.take(now, large).len(), 4);
        assert_eq!(both.take(now, large).first(), Some(&(BOB, 0)));
    }

    #[test]
    fn one_account_alone_fills_a_batch() {
        let now = Instant::now();
        let mut queue = queue(&[(ANN, 300)], now);
        assert_eq!(
            (queue.take(now, small).len(), queue.take(now, small).len(), queue.len()),
            (BATCH, 44, 0)
        );
        assert!(queue.take(now, small).is_empty());
    }

    #[test]
    fn a_single_lead_waits_for_few_of_those_who_bring_hundreds() {
        let now = Instant::now();
        let mut queue = queue(&[(ANN, 500), (BOB, 1)], now);
        let batch = queue.take(now, small);
        assert_eq!(batch.len(), SHARE + 1);
        assert_eq!(batch.last(), Some(&(BOB, 0)));
        // And soon after, for it may submit the next one.
        assert_eq!(queue.take(now + Duration::from_secs(9), small).len(), SHARE);
        assert_eq!(queue.take(now + LATELY, small).len(), BATCH);
    }

    #[test]
    fn more_accounts_than_fit_have_their_turns() {
        let now = Instant::now();
        let accounts: Vec<(Uuid, u32)> = (0..40).map(|account| (Uuid::from_u128(account), 10)).collect();
        let mut queue = queue(&accounts, now);
        let mut served: Vec<Uuid> = queue.take(now, small).into_iter().map(|(account, _)| account).collect();
        assert_eq!(served.len(), BATCH);
        served.extend(queue.take(now, small).into_iter().map(|(account, _)| account));
        served.dedup();
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
                    taken.extend(queue.take(now, small));
                }
            }
            while queue.len() > 0 {
                let batch = queue.take(now, small);
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
