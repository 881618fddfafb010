//! Counts of frequent events: refused submissions and reads of submission docs. They are written about once a second, so that a
//! frequent caller costs the database no more than others.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use entity::ids::{AccountId, FlowId, SourceId};

/// Different entries counted between two writes. Further ones are not counted: they come from guessed identifiers.
const MOST: usize = 4_096;

/// Submissions refused to one sender in one hour. The nil identifier stands for an unknown sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedSubmission {
    /// May not exist.
    pub flow: FlowId,
    pub sender: AccountId,
    pub hour: DateTime<Utc>,
}

/// One account's reading of the docs of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocsReader {
    pub source: SourceId,
    pub owner: AccountId,
    pub reader: AccountId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadCount {
    pub count: i64,
    pub first: DateTime<Utc>,
    pub last: DateTime<Utc>,
}

/// Counts since the last write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub refused: BTreeMap<RefusedSubmission, i64>,
    pub read: BTreeMap<DocsReader, ReadCount>,
}

/// The counters of one process. Clones share the counts.
#[derive(Clone, Default)]
pub struct DeferredCounters(Arc<Mutex<Counts>>);

impl fmt::Debug for DeferredCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeferredCounters(…)")
    }
}

impl DeferredCounters {
    /// Counts a submission that was refused before it became a lead.
    pub fn refused(&self, flow: FlowId, sender: Option<AccountId>, at: DateTime<Utc>) {
        let attempt = RefusedSubmission {
            flow,
            sender: sender.unwrap_or_else(|| uuid::Uuid::nil().into()),
            hour: at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at),
        };
        self.change(|counted| counted.add_refused(attempt, 1));
    }

    pub fn read(&self, reading: DocsReader, at: DateTime<Utc>) {
        let reads = ReadCount {
            count: 1,
            first: at,
            last: at,
        };
        self.change(|counted| counted.add_read(reading, reads));
    }

    /// Takes all counts and starts anew.
    pub fn take(&self) -> Counts {
        let mut taken = Counts::default();
        self.change(|counted| std::mem::swap(counted, &mut taken));
        taken
    }

    /// Adds counts back that could not be written.
    pub fn give_back(&self, taken: Counts) {
        self.change(|counted| {
            for (attempt, count) in taken.refused {
                counted.add_refused(attempt, count);
            }
            for (reading, reads) in taken.read {
                counted.add_read(reading, reads);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Counts {
    pub fn is_empty(&self) -> bool {
        self.refused.is_empty() && self.read.is_empty()
    }

    fn add_refused(&mut self, attempt: RefusedSubmission, count: i64) {
        if self.refused.len() < MOST || self.refused.contains_key(&attempt) {
            *self.refused.entry(attempt).or_default() += count;
        }
    }

    fn add_read(&mut self, reading: DocsReader, reads: ReadCount) {
        if self.read.len() >= MOST && !self.read.contains_key(&reading) {
            return;
        }
        let add = |known: &mut ReadCount| {
            known.count += reads.count;
            known.first = known.first.min(reads.first);
            known.last = known.last.max(reads.last);
        };
        self.read.entry(reading).and_modify(add).or_insert(reads);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn flow(number: usize) -> FlowId {
        FlowId(Uuid::from_u128(u128::try_from(number).unwrap()))
    }

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    #[test]
    fn attempts_of_one_hour_are_one_number() {
        let tally = DeferredCounters::default();
        for minute in [0, 59, 60] {
            tally.refused(flow(1), None, at(minute));
        }
        let counts: Vec<(DateTime<Utc>, i64)> = tally
            .take()
            .refused
            .iter()
            .map(|(attempt, count)| (attempt.hour, *count))
            .collect();
        assert_eq!(counts, [(at(0), 2), (at(60), 1)]);
        assert!(tally.take().is_empty());
    }

    #[test]
    fn whoever_tries_out_identifiers_takes_no_room_without_end() {
        let tally = DeferredCounters::default();
        tally.refused(flow(0), None, at(0));
        for number in 0..2 * MOST {
            tally.refused(flow(number), None, at(0));
        }
        let counted = tally.take();
        assert_eq!(counted.refused.len(), MOST);
        assert_eq!(
            counted.refused.values().next(),
            Some(&2),
            "what is known goes on being counted"
        );
    }

    #[test]
    fn what_could_not_be_written_is_counted_with_what_came_since() {
        let tally = DeferredCounters::default();
        let reading = DocsReader {
            source: Uuid::nil().into(),
            owner: Uuid::nil().into(),
            reader: Uuid::nil().into(),
        };
        tally.read(reading, at(1));
        let taken = tally.take();
        tally.read(reading, at(2));
        tally.give_back(taken);
        let reads = ReadCount {
            count: 2,
            first: at(1),
            last: at(2),
        };
        assert_eq!(tally.take().read.get(&reading), Some(&reads));
    }
}
