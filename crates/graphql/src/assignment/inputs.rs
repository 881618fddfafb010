//! What a place of a partner in a profile is made of.

use async_graphql::{InputObject, MaybeUndefined};
use entity::ids::{AssignmentId, PartnerId, ProfileId};

use crate::delivery_settings::inputs::DeliverySettingsInput;
use crate::schedule::ScheduleInput;
use leadmesh_distribution::assignments::{AssignmentChanges, NewAssignment};
use leadmesh_flows::PriceInput;
use leadmesh_flows::caps::CapInput;
use leadmesh_forms::rules::Rule;

/// Assigns a partner to a profile.
#[derive(Clone, Debug, InputObject)]
pub struct AssignPartnerInput {
    /// Identifier of the profile.
    profile_id: ProfileId,
    /// Identifier of the partner.
    partner_id: PartnerId,
    /// Rank, 1 to 1,000,000; 1 comes first. Defaults to last.
    rank: Option<i32>,
    /// Share in a WEIGHTED profile, 0 to 1,000,000; 0 gets nothing. Defaults to 1.
    weight: Option<i32>,
    /// Which of the profile's leads the partner gets. Defaults to all. Rules require the PAID plan.
    rule: Option<Rule>,
    /// Price that the partner pays for a lead, instead of the profile's.
    price: Option<PriceInput>,
    /// Caps on leads routed through this assignment, at most one per period. Caps require the PAID plan.
    caps: Option<Vec<CapInput>>,
    /// When the partner gets leads. Defaults to always.
    schedule: Option<ScheduleInput>,
    /// Delivery settings of this assignment. Defaults to the partner's.
    delivery: Option<DeliverySettingsInput>,
    /// Whether the assignment takes part.
    #[graphql(default_with = "Some(true)")]
    enabled: Option<bool>,
}

/// Changes to an assignment; omitted fields stay unchanged.
#[derive(Clone, Debug, InputObject)]
pub struct UpdateAssignmentInput {
    /// Identifier of the assignment.
    id: AssignmentId,
    /// Rank, 1 to 1,000,000; 1 comes first.
    rank: Option<i32>,
    /// Share in a WEIGHTED profile, 0 to 1,000,000; 0 gets nothing. Applies from the next lead on.
    weight: Option<i32>,
    /// Which of the profile's leads the partner gets. Null means all.
    rule: MaybeUndefined<Rule>,
    /// Price that the partner pays for a lead. Null means the profile's price.
    price: MaybeUndefined<PriceInput>,
    /// All caps. Null or an empty list removes them.
    caps: MaybeUndefined<Vec<CapInput>>,
    /// When the partner gets leads. Null means always.
    schedule: MaybeUndefined<ScheduleInput>,
    /// Delivery settings of this assignment. Null means the partner's.
    delivery: MaybeUndefined<DeliverySettingsInput>,
    /// Whether the assignment takes part.
    enabled: Option<bool>,
}

impl From<AssignPartnerInput> for NewAssignment {
    fn from(input: AssignPartnerInput) -> Self {
        Self {
            profile: input.profile_id,
            partner: input.partner_id,
            rank: input.rank,
            weight: input.weight,
            rule: input.rule,
            price: input.price,
            caps: input.caps.unwrap_or_default(),
            schedule: input.schedule.map(Into::into),
            delivery: input.delivery.map(Into::into),
            enabled: input.enabled.unwrap_or(true),
        }
    }
}

impl From<UpdateAssignmentInput> for AssignmentChanges {
    fn from(input: UpdateAssignmentInput) -> Self {
        Self {
            id: input.id,
            rank: input.rank,
            weight: input.weight,
            rule: input.rule,
            price: input.price,
            caps: input.caps,
            schedule: input.schedule.map_value(Into::into),
            delivery: input.delivery.map_value(Into::into),
            enabled: input.enabled,
        }
    }
}
