//! Weighted round robin by credits, without chance. Each lead is split among the contenders in proportion to their weights: each
//! gets its share as credit, and the one that takes the lead pays a whole lead. The lead goes to a contender with credit that would
//! reach a whole lead soonest. So among contenders that always match, none is ever a whole lead ahead of its share or behind it, and
//! every full round is exact. (This is the scheduling of unit jobs by earliest deadline, which is optimal on one machine.)
//!
//! A partner that does not match (by its caps, schedule or rule) gets no credit for that lead, so it comes back without a
//! flood. In any case credits stay within two leads.

use std::collections::{BTreeMap, BTreeSet};

use entity::ids::{AssignmentId, ProfileId};
use entity::profile_credit::Credits;

/// Credit of a whole lead. So many units divide exactly by most sums of weights: by all up to 20, and by all decimal ones.
const LEAD: i64 = 232_792_560 * 10_000_000;
/// Rounding error of shares. Less credit than this counts as none.
const EPSILON: i64 = LEAD / 1_000_000;
/// The most credit, and the most debt.
const MAX_CREDIT: i64 = 2 * LEAD;

/// A partner that could get a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contender {
    pub assignment: AssignmentId,
    /// Its share among the others; 0 gets nothing.
    pub weight: i32,
}

/// Credits of profiles, while a transaction holds their rows locked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundRobin {
    credits: BTreeMap<ProfileId, Credits>,
    changed: BTreeSet<ProfileId>,
}

impl RoundRobin {
    /// The credits of the database.
    pub fn new(credits: BTreeMap<ProfileId, Credits>) -> Self {
        Self {
            credits,
            changed: BTreeSet::new(),
        }
    }

    /// Gives a lead to a contender and answers its index; none when no contender has a weight.
    pub fn take(&mut self, profile: ProfileId, contenders: &[Contender]) -> Option<usize> {
        let credits = self.credits.entry(profile).or_default();
        let taken = take_turn(credits, contenders)?;
        self.changed.insert(profile);
        Some(taken)
    }

    /// The contender that would get the lead.
    pub fn peek(&self, profile: ProfileId, contenders: &[Contender]) -> Option<usize> {
        let mut credits = self.credits.get(&profile).cloned().unwrap_or_default();
        take_turn(&mut credits, contenders)
    }

    /// Forgets assignments that a profile does not have any more.
    pub fn keep_only(&mut self, profile: ProfileId, is_kept: impl Fn(AssignmentId) -> bool) {
        if let Some(credits) = self.credits.get_mut(&profile) {
            credits.0.retain(|assignment, _| is_kept(*assignment));
        }
    }

    /// The credits that have to be written, in the order in which they were locked.
    pub fn changes(&self) -> impl Iterator<Item = (ProfileId, &Credits)> {
        let changed = self.changed.iter();
        changed.filter_map(|profile| Some((*profile, self.credits.get(profile)?)))
    }
}

/// Splits a lead among the contenders and lets one of them pay for it. Of equally urgent ones the first takes it.
fn take_turn(credits: &mut Credits, contenders: &[Contender]) -> Option<usize> {
    let total: i64 = contenders.iter().map(|one| i64::from(one.weight.max(0))).sum();
    if total == 0 {
        return None;
    }
    let mut best = None;
    for (index, one) in contenders.iter().enumerate().filter(|(_, one)| one.weight > 0) {
        let share = share_of(one.weight, total);
        let credit = credits.0.entry(one.assignment).or_default();
        *credit = (*credit + share).min(MAX_CREDIT);
        let urgency = urgency(*credit, share);
        if best.is_none_or(|(_, first)| urgency < first) {
            best = Some((index, urgency));
        }
    }
    let (index, _) = best?;
    let winner = contenders.get(index)?;
    let credit = credits.0.entry(winner.assignment).or_default();
    *credit = (*credit - LEAD).max(-MAX_CREDIT);
    Some(index)
}

/// The least is served first: contenders with credit by the number of leads until they have a whole one, then those without by
/// their debt.
fn urgency(credit: i64, share: i64) -> (bool, i64, i64) {
    if credit <= EPSILON {
        return (true, 0, -credit);
    }
    let missing = (LEAD - credit - EPSILON).max(0);
    let more = i64::from(missing % share > 0);
    (false, missing / share + more, 0)
}

/// A weight's share of a lead.
fn share_of(weight: i32, total: i64) -> i64 {
    let share = i128::from(LEAD) * i128::from(weight) / i128::from(total);
    i64::try_from(share).unwrap_or(LEAD).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn contenders(weights: &[i32]) -> Vec<Contender> {
        let numbered = weights.iter().zip(1_u128..);
        let contender = |(weight, number): (&i32, u128)| Contender {
            assignment: AssignmentId(Uuid::from_u128(number)),
            weight: *weight,
        };
        numbered.map(contender).collect()
    }

    fn serve(credits: &mut Credits, contenders: &[Contender], leads: usize) -> Vec<i64> {
        let mut counts = vec![0; contenders.len()];
        for _ in 0..leads {
            counts[take_turn(credits, contenders).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn equal_weights_take_turns_in_the_order_of_ranks() {
        let all = contenders(&[1, 1, 1]);
        let mut credits = Credits::default();
        let order: Vec<_> = (0..7).map(|_| take_turn(&mut credits, &all).unwrap()).collect();
        assert_eq!(order, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn of_1000_leads_70_20_and_10_get_700_200_and_100() {
        let mut credits = Credits::default();
        assert_eq!(serve(&mut credits, &contenders(&[70, 20, 10]), 1_000), [700, 200, 100]);
        assert!(credits.0.values().all(|credit| *credit == 0), "{credits:?}");
    }

    #[test]
    fn nobody_with_a_weight_means_nobody() {
        assert_eq!(take_turn(&mut Credits::default(), &contenders(&[0, 0])), None);
        assert_eq!(take_turn(&mut Credits::default(), &[]), None);
        assert_eq!(serve(&mut Credits::default(), &contenders(&[0, 5]), 9), [0, 9]);
    }

    #[test]
    fn who_was_away_comes_back_without_a_flood() {
        let all = contenders(&[1, 1, 1]);
        let mut credits = Credits::default();
        serve(&mut credits, &all, 7);
        assert_eq!(serve(&mut credits, &all[..2], 500), [250, 250]);
        let back = serve(&mut credits, &all, 30);
        assert!(back.iter().all(|got| (9..=11).contains(got)), "{back:?}");
    }

    #[test]
    fn new_weights_hold_from_the_next_lead_on() {
        let mut credits = Credits::default();
        serve(&mut credits, &contenders(&[1_000_000, 1]), 12_345);
        let got = serve(&mut credits, &contenders(&[1, 1]), 100);
        assert!(got.iter().all(|got| (49..=51).contains(got)), "{got:?}");
    }

    #[test]
    fn assignments_that_are_gone_are_forgotten() {
        let profile = ProfileId(Uuid::nil());
        let mut turns = RoundRobin::default();
        let all = contenders(&[1, 1]);
        assert_eq!(turns.peek(profile, &all), Some(0));
        assert_eq!(turns.changes().count(), 0, "looking changes nothing");
        turns.take(profile, &all);
        turns.keep_only(profile, |assignment| assignment == all[1].assignment);
        let (_, credits) = turns.changes().next().unwrap();
        assert_eq!(credits.0.keys().collect::<Vec<_>>(), [&all[1].assignment]);
    }

    proptest! {
        #[test]
        fn nobody_is_ever_a_whole_lead_ahead_or_behind(weights in prop::collection::vec(0..1_000_i32, 1..12), leads in 1..400_usize) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let all = contenders(&weights);
            let total: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
            let mut credits = Credits::default();
            let mut counts = vec![0_i64; weights.len()];
            for served in 1..=i64::try_from(leads).unwrap() {
                counts[take_turn(&mut credits, &all).unwrap()] += 1;
                prop_assert_eq!(counts.iter().sum::<i64>(), served);
                for (count, weight) in counts.iter().zip(&weights) {
                    let ahead = count * total - served * i64::from(*weight);
                    prop_assert!(ahead.abs() < total, "{} of {} leads for {} of {}", count, served, weight, total);
                }
            }
        }

        #[test]
        fn a_whole_round_is_exact(weights in prop::collection::vec(1..60_i32, 1..8), rounds in 1..4_usize) {
            let total: i32 = weights.iter().sum();
            let counts = serve(&mut Credits::default(), &contenders(&weights), usize::try_from(total).unwrap() * rounds);
            let exact: Vec<i64> = weights.iter().map(|weight| i64::from(*weight) * i64::try_from(rounds).unwrap()).collect();
            prop_assert_eq!(counts, exact);
        }

        #[test]
        fn whoever_is_away_when_nobody_is_owed_more_than_two_leads(
            weights in prop::collection::vec(0..100_i32, 1..8), present in prop::collection::vec(any::<u8>(), 1..300),
        ) {
            let all = contenders(&weights);
            let mut credits = Credits::default();
            for mask in present {
                let here: Vec<_> = all.iter().enumerate().filter(|(place, _)| mask >> place & 1 == 1).map(|(_, one)| *one).collect();
                let before = credits.clone();
                let taken = take_turn(&mut credits, &here);
                prop_assert_eq!(taken.is_some(), here.iter().any(|one| one.weight > 0));
                if let Some(taken) = taken {
                    prop_assert!(here[taken].weight > 0);
                }
                for one in all.iter().filter(|one| !here.contains(one)) {
                    prop_assert_eq!(before.0.get(&one.assignment), credits.0.get(&one.assignment));
                }
                prop_assert!(credits.0.values().all(|credit| credit.abs() <= MAX_CREDIT));
            }
        }
    }
}
