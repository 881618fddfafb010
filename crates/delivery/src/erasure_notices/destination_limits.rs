//! Limits how many erasure notices a destination has under way, so that dead destinations do not delay the others.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use entity::erasure_notice::Model;
use uuid::Uuid;

/// Notices under way to a destination that has answered quickly.
const QUICK_SHARE: usize = 16;
/// Notices under way to a destination of which nothing is known yet.
const FIRST_SHARE: usize = 2;
const REST: TimeDelta = TimeDelta::minutes(1);
/// Destinations that are remembered as quick.
const MOST_QUICK: usize = 10_000;

/// A try that is over.
pub(super) struct FinishedNotice {
    pub(super) destination: Uuid,
    /// Whether it was one that had been interrupted: those have a place of their own, and none of their destination's.
    pub(super) apart: bool,
    /// Whether it took so long that the destination is left alone for a while.
    pub(super) slow: bool,
}

/// What destinations have under way.
#[derive(Default)]
pub(super) struct DestinationLimits {
    under_way: HashMap<Uuid, usize>,
    /// Those that have answered quickly.
    quick: HashSet<Uuid>,
    /// Those that have not, and until when they are left alone.
    resting: HashMap<Uuid, DateTime<Utc>>,
}

impl DestinationLimits {
    fn share(&self, destination: Uuid) -> usize {
        if self.quick.contains(&destination) {
            QUICK_SHARE
        } else {
            FIRST_SHARE
        }
    }

    /// Destinations that get nothing now.
    pub(super) fn closed(&self, now: DateTime<Utc>) -> Vec<Uuid> {
        let full = self.under_way.iter();
        let full = full.filter(|(destination, under_way)| **under_way >= self.share(**destination));
        let resting = self.resting.iter().filter(|(_, until)| **until > now);
        full.map(|(id, _)| *id).chain(resting.map(|(id, _)| *id)).collect()
    }

    /// Whether the notice's destination has room; then it is under way.
    pub(super) fn take(&mut self, notice: &Model) -> bool {
        let (destination, share) = (notice.destination(), self.share(notice.destination()));
        let under_way = self.under_way.entry(destination).or_default();
        let room = *under_way < share;
        *under_way += usize::from(room);
        room
    }

    /// A notice is not under way any more, or never was because it could not be claimed.
    pub(super) fn give_back(&mut self, destination: Uuid) {
        if let Some(under_way) = self.under_way.get_mut(&destination) {
            *under_way = under_way.saturating_sub(1);
        }
        self.under_way.retain(|_, under_way| *under_way > 0);
    }

    pub(super) fn free(&mut self, finished: &FinishedNotice, now: DateTime<Utc>) {
        if !finished.apart {
            self.give_back(finished.destination);
        }
        self.resting.retain(|_, until| *until > now);
        if self.quick.len() > MOST_QUICK {
            self.quick.clear();
        }
        if finished.slow {
            self.quick.remove(&finished.destination);
            self.resting.insert(finished.destination, now + REST);
        } else {
            self.quick.insert(finished.destination);
        }
    }
}

#[cfg(test)]
mod tests {
    use entity::delivery_config::Channel;
    use entity::erasure_notice::{NoticeStatus, Received};

    use super::*;

    fn notice(destination: u128) -> Model {
        let id = Uuid::from_u128(destination);
        Model {
            id: Uuid::nil().into(),
            account_id: Uuid::nil().into(),
            lead_id: Uuid::nil().into(),
            delivery_id: Uuid::nil().into(),
            partner_id: None,
            buyer_account_id: None,
            settings_id: id.into(),
            channel: Channel::Webhook,
            test: false,
            external_id: None,
            received: Received::Delivered,
            received_at: DateTime::UNIX_EPOCH,
            status: NoticeStatus::Queued,
            interruptions: 0,
            attempts: 0,
            due_at: None,
            lease_until: None,
            error: None,
            notified_at: None,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_dead_destination_takes_two_places_and_rests() {
        let (mut shares, now) = (DestinationLimits::default(), DateTime::UNIX_EPOCH);
        let dead = notice(1);
        assert_eq!((0..9).filter(|_| shares.take(&dead)).count(), FIRST_SHARE);
        assert_eq!(shares.closed(now), [dead.destination()]);
        assert!(shares.take(&notice(2)), "another one has its own places");
        for slow in [true, true] {
            shares.free(
                &FinishedNotice {
                    destination: dead.destination(),
                    apart: false,
                    slow,
                },
                now,
            );
        }
        assert_eq!(shares.closed(now), [dead.destination()]);
        assert_eq!(shares.closed(now + REST), Vec::<Uuid>::new());
        shares.free(
            &FinishedNotice {
                destination: notice(2).destination(),
                apart: false,
                slow: false,
            },
            now,
        );
        assert_eq!((0..99).filter(|_| shares.take(&notice(2))).count(), QUICK_SHARE);
    }
    #[test]
    fn what_could_not_be_claimed_or_is_tried_apart_takes_no_place() {
        let (mut shares, now) = (DestinationLimits::default(), DateTime::UNIX_EPOCH);
        let one = notice(1);
        assert!(shares.take(&one) && shares.take(&one) && !shares.take(&one));
        shares.give_back(one.destination());
        assert!(shares.take(&one) && !shares.take(&one));
        let apart = FinishedNotice {
            destination: one.destination(),
            apart: true,
            slow: true,
        };
        shares.free(&apart, now);
        assert!(!shares.take(&one), "its end frees no place of the others");
    }
}
