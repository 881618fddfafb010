//! What a place of a partner in a profile is made of.

use async_graphql::{ID, InputObject, MaybeUndefined};

use crate::distribution::assignments::{AssignmentChanges, NewAssignment};
use crate::graphql::cap::CapInput;
use crate::graphql::delivery_settings::inputs::DeliverySettingsInput;
use crate::graphql::field_mapping::each;
use crate::graphql::ids::id_or_unknown;
use crate::graphql::money::MoneyInput;
use crate::graphql::rule::RuleInput;
use crate::graphql::schedule::ScheduleInput;

/// A partner's place in a profile, to be made.
#[derive(Clone, Debug, InputObject)]
pub struct AssignPartnerInput {
    /// Which profile.
    profile_id: ID,
    /// Which partner.
    partner_id: ID,
    /// 1 to 1,000,000, where 1 comes first; by default after all others.
    rank: Option<i32>,
    /// Share among the others in a WEIGHTED profile, 0 to 1,000,000, where 0 gets nothing; by default 1.
    weight: Option<i32>,
    /// Which of the profile's leads it gets; by default all. Rules take the PAID plan.
    rule: Option<RuleInput>,
    /// What the partner pays for a lead from here, in place of the profile's price.
    price: Option<MoneyInput>,
    /// Limits of leads routed here, at most one for each period. Caps take the PAID plan.
    caps: Option<Vec<CapInput>>,
    /// When it gets leads; by default always.
    schedule: Option<ScheduleInput>,
    /// How leads from here are delivered; by default as the partner gets all others.
    delivery: Option<DeliverySettingsInput>,
    /// Whether it counts.
    #[graphql(default_with = "Some(true)")]
    enabled: Option<bool>,
}

/// Changes of a partner's place in a profile; what is left out stays.
#[derive(Clone, Debug, InputObject)]
pub struct UpdateAssignmentInput {
    /// Which place.
    id: ID,
    /// 1 to 1,000,000, where 1 comes first.
    rank: Option<i32>,
    /// Share among the others in a WEIGHTED profile, 0 to 1,000,000, where 0 gets nothing. Holds from the next lead on.
    weight: Option<i32>,
    /// Which of the profile's leads it gets; null means all.
    rule: MaybeUndefined<RuleInput>,
    /// What the partner pays for a lead from here; null means the profile's price.
    price: MaybeUndefined<MoneyInput>,
    /// All limits; null or an empty list removes them.
    caps: MaybeUndefined<Vec<CapInput>>,
    /// When it gets leads; null means always.
    schedule: MaybeUndefined<ScheduleInput>,
    /// How leads from here are delivered; null means as the partner gets all others.
    delivery: MaybeUndefined<DeliverySettingsInput>,
    /// Whether it counts.
    enabled: Option<bool>,
}

impl From<AssignPartnerInput> for NewAssignment {
    fn from(input: AssignPartnerInput) -> Self {
        Self {
            profile: id_or_unknown(&input.profile_id),
            partner: id_or_unknown(&input.partner_id),
            rank: input.rank,
            weight: input.weight,
            rule: input.rule.map(Into::into),
            price: input.price.map(Into::into),
            caps: each(input.caps.unwrap_or_default()),
            schedule: input.schedule.map(Into::into),
            delivery: input.delivery.map(Into::into),
            enabled: input.enabled.unwrap_or(true),
        }
    }
}

impl From<UpdateAssignmentInput> for AssignmentChanges {
    fn from(input: UpdateAssignmentInput) -> Self {
        Self {
            id: id_or_unknown(&input.id),
            rank: input.rank,
            weight: input.weight,
            rule: input.rule.map_value(Into::into),
            price: input.price.map_value(Into::into),
            caps: input.caps.map_value(each),
            schedule: input.schedule.map_value(Into::into),
            delivery: input.delivery.map_value(Into::into),
            enabled: input.enabled,
        }
    }
}
