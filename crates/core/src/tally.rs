//! What happens too often to be written each time it does: submissions that are refused, and docs that are read. It is
//! counted here and written about once a second, so that whoever knocks often costs the database no more than others do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use entity::ids::{AccountId, FlowId, SourceId};

/// Different things counted between two writings. What comes on top is not counted: it can only be somebody who tries out
/// identifiers.
const MOST: usize = 4_096;

/// Who tried to submit where, in which hour. The nil identifier stands for a sender whom the credentials did not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt {
    /// The flow that was named, which may not exist.
    pub flow: FlowId,
    /// Who.
    pub sender: AccountId,
    /// The beginning of the hour.
    pub hour: DateTime<Utc>,
}

/// Who read the docs of which source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading {
    /// The source.
    pub source: SourceId,
    /// Its account.
    pub owner: AccountId,
    /// Who read.
    pub reader: AccountId,
}

/// How often, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads {
    /// How often.
    pub count: i64,
    /// The first time.
    pub first: DateTime<Utc>,
    /// The last time.
    pub last: DateTime<Utc>,
}

/// What was counted since it was last taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Submissions that were refused.
    pub refused: BTreeMap<Attempt, i64>,
    /// Docs that were read.
    pub read: BTreeMap<Reading, Reads>,
}

/// The counts of one process; clones count together.
#[derive(Clone, Default)]
pub struct Tally(Arc<Mutex<Counted>>);

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tally(…)")
    }
}

impl Tally {
    /// Counts a submission that was refused before it became a lead.
    pub fn refused(&self, flow: FlowId, sender: Option<AccountId>, at: DateTime<Utc>) {
        let attempt = Attempt {
            flow,
            sender: sender.unwrap_or_else(|| uuid::Uuid::nil().into()),
            hour: at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at),
        };
        self.change(|counted| counted.add_refused(attempt, 1));
    }

    /// Counts that somebody read docs.
    pub fn read(&self, reading: Reading, at: DateTime<Utc>) {
        let reads = Reads {
            count: 1,
            first: at,
            last: at,
        };
        self.change(|counted| counted.add_read(reading, reads));
    }

    /// All that was counted; counting begins anew.
    pub fn take(&self) -> Counted {
        let mut taken = Counted::default();
        self.change(|counted| std::mem::swap(counted, &mut taken));
        taken
    }

    /// What was taken and could not be written.
    pub fn give_back(&self, taken: Counted) {
        self.change(|counted| {
            for (attempt, count) in taken.refused {
                counted.add_refused(attempt, count);
            }
            for (reading, reads) in taken.read {
                counted.add_read(reading, reads);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Counted)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Counted {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.refused.is_empty() && self.read.is_empty()
    }

    fn add_refused(&mut self, attempt: Attempt, count: i64) {
        if self.refused.len() < MOST || self.refused.contains_key(&attempt) {
            *self.refused.entry(attempt).or_default() += count;
        }
    }

    fn add_read(&mut self, reading: Reading, reads: Reads) {
        if self.read.len() >= MOST && !self.read.contains_key(&reading) {
            return;
        }
        let add = |known: &mut Reads| {
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
        let tally = Tally::default();
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
        let tally = Tally::default();
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
        let tally = Tally::default();
        let reading = Reading {
            source: Uuid::nil().into(),
            owner: Uuid::nil().into(),
            reader: Uuid::nil().into(),
        };
        tally.read(reading, at(1));
        let taken = tally.take();
        tally.read(reading, at(2));
        tally.give_back(taken);
        let reads = Reads {
            count: 2,
            first: at(1),
            last: at(2),
        };
        assert_eq!(tally.take().read.get(&reading), Some(&reads));
    }
}
