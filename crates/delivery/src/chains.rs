//! Chains: deliveries of a lead that stand for one sale, since each was made because the one before it had ended without success. At
//! most one of them may be open or delivered, unless a person retries a single one.

use std::collections::{BTreeMap, HashSet};

use entity::chain::Link;
use entity::delivery::{DeliveryStatus, Entity, Model};
use entity::ids::{AccountId, DeliveryId, LeadId, ProfileId};
use sea_orm::ConnectionTrait;

use leadmesh_core::error::Result;

const LEADS: usize = 200;

/// The chains of some leads, which all their deliveries make up.
pub(super) struct Chains(Vec<Vec<Link>>);

impl Chains {
    /// Puts together what belongs together.
    pub(super) fn of(links: impl IntoIterator<Item = Link>) -> Self {
        let mut by_profile: BTreeMap<(LeadId, ProfileId), Vec<Link>> = BTreeMap::new();
        for link in links {
            if let Some(profile) = link.profile_id {
                by_profile.entry((link.lead_id, profile)).or_default().push(link);
            }
        }
        Self(by_profile.into_values().flat_map(chains_in).collect())
    }

    /// Those of one lead whose deliveries are at hand.
    pub(super) fn of_rows(rows: &[Model]) -> Self {
        Self::of(rows.iter().map(Link::from))
    }

    /// Whether another delivery of its chain is open or delivered.
    pub(super) fn is_with_another(&self, id: DeliveryId) -> bool {
        let mut own = self.0.iter().filter(|chain| chain.iter().any(|link| link.id == id));
        own.any(|chain| live_elsewhere(chain, id))
    }

    /// Those of some deliveries that may be attempted again together: of no chain that another one holds, and one of each chain at
    /// most, that which ended first. So, if it fails once more, the next one has its turn.
    fn one_of_each(&self, ids: &[DeliveryId]) -> HashSet<DeliveryId> {
        let mut chosen: HashSet<DeliveryId> = ids.iter().copied().collect();
        for chain in &self.0 {
            let among: Vec<&Link> = chain.iter().filter(|link| chosen.contains(&link.id)).collect();
            let free = among.iter().filter(|link| !live_elsewhere(chain, link.id));
            let first = free.min_by_key(|link| (link.settled_at, link.id)).map(|link| link.id);
            for link in among {
                if Some(link.id) != first {
                    chosen.remove(&link.id);
                }
            }
        }
        chosen
    }
}

fn live_elsewhere(chain: &[Link], id: DeliveryId) -> bool {
    chain.iter().any(|link| link.id != id && link.is_live())
}

/// The chains among what one profile has made of one lead.
fn chains_in(mut links: Vec<Link>) -> Vec<Vec<Link>> {
    links.sort_by_key(|link| (link.created_at, link.id));
    let begun = links.iter().filter(|link| link.follows.is_none());
    let begun = begun.map(|link| link.created_at).min();
    let mut chains: Vec<Vec<Link>> = Vec::new();
    for link in links {
        // A profile picks its first partners at one time. Later deliveries from before `follows` was stored have an unknown predecessor.
        let is_later = link.follows.is_none() && begun.is_some_and(|begun| link.created_at > begun);
        let (own, mut others): (Vec<_>, Vec<_>) = chains.into_iter().partition(|chain: &Vec<Link>| {
            chain
                .iter()
                .any(|before| are_next(before, &link) || (is_later && may_precede(before, &link)))
        });
        let mut own = own.concat();
        own.push(link);
        others.push(own);
        chains = others;
    }
    chains
}

/// Whether one follows the other, whichever comes first by the clocks of the processes that made them.
fn are_next(one: &Link, other: &Link) -> bool {
    other.follows == Some(one.id) || one.follows == Some(other.id)
}

/// Not what had arrived before the later one was made.
fn may_precede(before: &Link, later: &Link) -> bool {
    let had_arrived = before.status == DeliveryStatus::Delivered
        && before.is_live()
        && before.settled_at.is_some_and(|settled| settled <= later.created_at);
    !had_arrived
}

/// Those of some deliveries of an account, each with its lead, that may be attempted again together: see [`Chains::one_of_each`].
pub(super) async fn one_of_each(
    db: &impl ConnectionTrait,
    account: AccountId,
    deliveries: &[(DeliveryId, LeadId)],
) -> Result<HashSet<DeliveryId>> {
    let mut by_lead: BTreeMap<LeadId, Vec<DeliveryId>> = BTreeMap::new();
    for (id, lead) in deliveries {
        by_lead.entry(*lead).or_default().push(*id);
    }
    let by_lead: Vec<(LeadId, Vec<DeliveryId>)> = by_lead.into_iter().collect();
    let mut chosen = HashSet::with_capacity(deliveries.len());
    for part in by_lead.chunks(LEADS) {
        let links = Entity::links(db, account, part.iter().map(|(lead, _)| *lead)).await?;
        let ids: Vec<DeliveryId> = part.iter().flat_map(|(_, ids)| ids).copied().collect();
        chosen.extend(Chains::of(links).one_of_each(&ids));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use entity::delivery::ReviewStatus;
    use uuid::Uuid;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn id(number: u128) -> DeliveryId {
        Uuid::from_u128(number).into()
    }

    /// Made and settled at these seconds, after another one.
    fn link(number: u128, status: DeliveryStatus, (made, settled): (i64, i64), follows: Option<u128>) -> Link {
        Link {
            id: id(number),
            lead_id: Uuid::from_u128(1).into(),
            profile_id: Some(Uuid::from_u128(2).into()),
            follows: follows.map(id),
            status,
            review: None,
            created_at: at(made),
            settled_at: Some(at(settled)),
        }
    }

    fn chosen(links: Vec<Link>) -> Vec<u128> {
        let failed = links.iter().filter(|link| link.status == DeliveryStatus::Failed);
        let failed: Vec<DeliveryId> = failed.map(|link| link.id).collect();
        let mut chosen: Vec<u128> = Chains::of(links)
            .one_of_each(&failed)
            .into_iter()
            .map(|id| id.0.as_u128())
            .collect();
        chosen.sort_unstable();
        chosen
    }

    #[test]
    fn one_of_a_chain_is_chosen_the_one_that_ended_first() {
        use DeliveryStatus::Failed;
        let all_failed = |ends: [i64; 3]| {
            let [first, second, third] = ends;
            vec![
                link(1, Failed, (0, first), None),
                link(2, Failed, (1, second), Some(1)),
                link(3, Failed, (2, third), Some(2)),
            ]
        };
        assert_eq!(chosen(all_failed([1, 2, 3])), [1]);
        assert_eq!(chosen(all_failed([9, 2, 3])), [2]);
        // Clocks of processes differ: a follower may be the older one by its time.
        let skewed = vec![link(1, Failed, (5, 6), None), link(2, Failed, (4, 7), Some(1))];
        assert_eq!(chosen(skewed), [1]);
    }

    #[test]
    fn nothing_of_a_chain_that_somebody_holds_is_chosen() {
        use DeliveryStatus::{Cancelled, Delivered, Failed, Queued, Refused, Retrying, Sending};
        for (status, expected) in [
            (Delivered, vec![]),
            (Queued, vec![]),
            (Sending, vec![]),
            (Retrying, vec![]),
            (Refused, vec![1]),
            (Cancelled, vec![1]),
        ] {
            let links = vec![link(1, Failed, (0, 3), None), link(2, status, (2, 2), Some(1))];
            assert_eq!(chosen(links), expected, "{status:?}");
        }
        for (review, expected) in [
            (ReviewStatus::PendingReview, vec![]),
            (ReviewStatus::Accepted, vec![]),
            (ReviewStatus::ReturnRequested, vec![]),
            (ReviewStatus::Rejected, vec![1]),
            (ReviewStatus::Returned, vec![1]),
        ] {
            let mut after = link(2, Delivered, (1, 1), Some(1));
            after.review = Some(review);
            assert_eq!(
                chosen(vec![link(1, Failed, (0, 1), None), after]),
                expected,
                "{review:?}"
            );
        }
    }

    #[test]
    fn what_one_call_made_for_several_recipients_is_several_chains() {
        use DeliveryStatus::{Delivered, Failed};
        let links = vec![
            link(1, Failed, (0, 0), None),
            link(2, Delivered, (0, 0), None),
            link(3, Failed, (0, 4), None),
            link(4, Delivered, (5, 6), Some(3)),
        ];
        assert_eq!(chosen(links), [1]);
    }

    #[test]
    fn of_rows_from_before_predecessors_were_kept_the_times_tell() {
        use DeliveryStatus::{Delivered, Failed};
        // The successor was made a moment before its predecessor was settled.
        let links = vec![link(1, Failed, (0, 8), None), link(2, Delivered, (7, 7), None)];
        assert!(chosen(links).is_empty());
        // One has got it before the other's successor was made, so that it is a sale of its own.
        let links = vec![
            link(1, Delivered, (0, 1), None),
            link(2, Failed, (0, 3), None),
            link(3, Failed, (3, 4), None),
        ];
        assert_eq!(chosen(links), [2]);
        // An old chain that goes on.
        let links = vec![
            link(1, Failed, (0, 1), None),
            link(2, Failed, (1, 2), None),
            link(3, Delivered, (2, 3), Some(2)),
        ];
        assert!(chosen(links).is_empty());
    }
}
