//! Whose turn it is, without dice. Every lead is split among the partners that could get it, in proportion to their weights;
//! each is owed its part, and the one that gets the lead pays a whole one. The lead goes to one that is owed something, and of
//! those to the one that would soonest be owed a whole lead. So among partners that always match nobody is ever a whole lead
//! ahead of its share or behind it, which makes every round of leads exact (this is scheduling of unit jobs by their earliest
//! deadlines, which is optimal on one machine).
//!
//! A partner that does not match (its cap is used up, its hours are over, its rule does not hold) has no part in that lead:
//! it is owed no more later than it was before, so it comes back without a flood. In any case nobody is owed more than two leads.

use std::collections::{BTreeMap, BTreeSet};

use entity::ids::{AssignmentId, ProfileId};
use entity::profile_turn::Owed;

/// A whole lead. Of this many parts most sums of weights take exact shares: all up to 20, all decimal ones.
const LEAD: i64 = 232_792_560 * 10_000_000;
/// Less than this is nothing: what is lost by rounding shares must not decide.
const NOTHING: i64 = LEAD / 1_000_000;
/// Nobody is owed more, or ahead by more.
const MOST: i64 = 2 * LEAD;

/// A partner that could get a lead, and its part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contender {
    /// Its place in the profile.
    pub assignment: AssignmentId,
    /// Its share among the others; 0 gets nothing.
    pub weight: i32,
}

/// What the partners of profiles are owed, while a transaction holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    owed: BTreeMap<ProfileId, Owed>,
    changed: BTreeSet<ProfileId>,
}

impl Turns {
    /// As the database has it.
    pub fn new(owed: BTreeMap<ProfileId, Owed>) -> Self {
        Self {
            owed,
            changed: BTreeSet::new(),
        }
    }

    /// Gives a lead to one of the contenders; answers its place among them. None when nobody has a weight.
    pub fn take(&mut self, profile: ProfileId, contenders: &[Contender]) -> Option<usize> {
        let owed = self.owed.entry(profile).or_default();
        let taken = turn(owed, contenders)?;
        self.changed.insert(profile);
        Some(taken)
    }

    /// To whom the lead would go.
    pub fn look(&self, profile: ProfileId, contenders: &[Contender]) -> Option<usize> {
        let mut owed = self.owed.get(&profile).cloned().unwrap_or_default();
        turn(&mut owed, contenders)
    }

    /// Forgets places that a profile has no more.
    pub fn keep_only(&mut self, profile: ProfileId, places: impl Fn(AssignmentId) -> bool) {
        if let Some(owed) = self.owed.get_mut(&profile) {
            owed.0.retain(|place, _| places(*place));
        }
    }

    /// What has to be written back, in the order in which it was locked.
    pub fn changes(&self) -> impl Iterator<Item = (ProfileId, &Owed)> {
        let changed = self.changed.iter();
        changed.filter_map(|profile| self.owed.get_key_value(profile).map(|(profile, owed)| (*profile, owed)))
    }
}

/// Splits a lead among the contenders and lets one of them pay for it. Equally soon means the first of them.
fn turn(owed: &mut Owed, contenders: &[Contender]) -> Option<usize> {
    let total: i64 = contenders.iter().map(|one| i64::from(one.weight.max(0))).sum();
    if total == 0 {
        return None;
    }
    let mut best: Option<(usize, (bool, i64, i64))> = None;
    for (place, one) in contenders.iter().enumerate().filter(|(_, one)| one.weight > 0) {
        let share = part(one.weight, total);
        let credit = owed.0.entry(one.assignment).or_default();
        *credit = (*credit + share).min(MOST);
        let order = urgency(*credit, share);
        if best.is_none_or(|(_, first)| order < first) {
            best = Some((place, order));
        }
    }
    let (place, _) = best?;
    let winner = contenders.get(place)?;
    let credit = owed.0.entry(winner.assignment).or_default();
    *credit = (*credit - LEAD).max(-MOST);
    Some(place)
}

/// The least is served first: those that are owed something, by how many leads it takes until they are owed a whole one; then
/// who is least ahead.
fn urgency(credit: i64, share: i64) -> (bool, i64, i64) {
    if credit <= NOTHING {
        return (true, 0, -credit);
    }
    let missing = (LEAD - credit - NOTHING).max(0);
    let more = i64::from(missing % share > 0);
    (false, missing / share + more, 0)
}

/// A weight's part of a lead.
fn part(weight: i32, total: i64) -> i64 {
    let part = i128::from(LEAD) * i128::from(weight) / i128::from(total);
    i64::try_from(part).unwrap_or(LEAD).max(1)
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

    fn serve(owed: &mut Owed, contenders: &[Contender], leads: usize) -> Vec<i64> {
        let mut counts = vec![0; contenders.len()];
        for _ in 0..leads {
            counts[turn(owed, contenders).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn equal_weights_take_turns_in_the_order_of_ranks() {
        let all = contenders(&[1, 1, 1]);
        let mut owed = Owed::default();
        let order: Vec<_> = (0..7).map(|_| turn(&mut owed, &all).unwrap()).collect();
        assert_eq!(order, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn of_1000_leads_70_20_and_10_get_700_200_and_100() {
        let mut owed = Owed::default();
        assert_eq!(serve(&mut owed, &contenders(&[70, 20, 10]), 1_000), [700, 200, 100]);
        assert!(owed.0.values().all(|credit| *credit == 0), "{owed:?}");
    }

    #[test]
    fn nobody_with_a_weight_means_nobody() {
        assert_eq!(turn(&mut Owed::default(), &contenders(&[0, 0])), None);
        assert_eq!(turn(&mut Owed::default(), &[]), None);
        assert_eq!(serve(&mut Owed::default(), &contenders(&[0, 5]), 9), [0, 9]);
    }

    #[test]
    fn who_was_away_comes_back_without_a_flood() {
        let all = contenders(&[1, 1, 1]);
        let mut owed = Owed::default();
        serve(&mut owed, &all, 7);
        assert_eq!(serve(&mut owed, &all[..2], 500), [250, 250]);
        let back = serve(&mut owed, &all, 30);
        assert!(back.iter().all(|got| (9..=11).contains(got)), "{back:?}");
    }

    #[test]
    fn new_weights_hold_from_the_next_lead_on() {
        let mut owed = Owed::default();
        serve(&mut owed, &contenders(&[1_000_000, 1]), 12_345);
        let got = serve(&mut owed, &contenders(&[1, 1]), 100);
        assert!(got.iter().all(|got| (49..=51).contains(got)), "{got:?}");
    }

    #[test]
    fn places_that_are_gone_are_forgotten() {
        let profile = ProfileId(Uuid::nil());
        let mut turns = Turns::default();
        let all = contenders(&[1, 1]);
        assert_eq!(turns.look(profile, &all), Some(0));
        assert_eq!(turns.changes().count(), 0, "looking changes nothing");
        turns.take(profile, &all);
        turns.keep_only(profile, |place| place == all[1].assignment);
        let (_, owed) = turns.changes().next().unwrap();
        assert_eq!(owed.0.keys().collect::<Vec<_>>(), [&all[1].assignment]);
    }

    proptest! {
        #[test]
        fn nobody_is_ever_a_whole_lead_ahead_or_behind(weights in prop::collection::vec(0..1_000_i32, 1..12), leads in 1..400_usize) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let all = contenders(&weights);
            let total: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
            let mut owed = Owed::default();
            let mut counts = vec![0_i64; weights.len()];
            for served in 1..=i64::try_from(leads).unwrap() {
                counts[turn(&mut owed, &all).unwrap()] += 1;
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
            let counts = serve(&mut Owed::default(), &contenders(&weights), usize::try_from(total).unwrap() * rounds);
            let exact: Vec<i64> = weights.iter().map(|weight| i64::from(*weight) * i64::try_from(rounds).unwrap()).collect();
            prop_assert_eq!(counts, exact);
        }

        #[test]
        fn whoever_is_away_when_nobody_is_owed_more_than_two_leads(
            weights in prop::collection::vec(0..100_i32, 1..8), present in prop::collection::vec(any::<u8>(), 1..300),
        ) {
            let all = contenders(&weights);
            let mut owed = Owed::default();
            for mask in present {
                let here: Vec<_> = all.iter().enumerate().filter(|(place, _)| mask >> place & 1 == 1).map(|(_, one)| *one).collect();
                let before = owed.clone();
                let taken = turn(&mut owed, &here);
                prop_assert_eq!(taken.is_some(), here.iter().any(|one| one.weight > 0));
                if let Some(taken) = taken {
                    prop_assert!(here[taken].weight > 0);
                }
                for one in all.iter().filter(|one| !here.contains(one)) {
                    prop_assert_eq!(before.0.get(&one.assignment), owed.0.get(&one.assignment));
                }
                prop_assert!(owed.0.values().all(|credit| credit.abs() <= MOST));
            }
        }
    }
}
