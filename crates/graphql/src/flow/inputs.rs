//! What flows, sources and steps are made and changed from.

use async_graphql::{InputObject, MaybeUndefined, OneofObject};
use entity::delivery_config::FieldMapping;
use entity::ids::{ConnectionId, FlowId, InvitationId, ProfileId, SourceId, StepId};
use entity::step::TemplateAssignment;

use crate::field_mapping::FieldSelectionInput;
use crate::invitation::inputs::SendInvitationInput;
use leadmesh_flows::PriceInput;
use leadmesh_flows::caps::CapInput;
use leadmesh_flows::manage::UpdateFlow;
use leadmesh_flows::sources::{AddSource, UpdateSource};
use leadmesh_flows::steps::{self, AddStep, BuyerInput, BuyerTo, UpdateStep};
use leadmesh_forms::rules::Rule;
use leadmesh_network::account_sources::Partner;
use leadmesh_network::invitations::NewInvitation;

/// Changes to a flow; omitted fields stay unchanged.
#[derive(Debug, InputObject)]
pub struct UpdateFlowInput {
    /// Identifier of the flow.
    pub(super) id: FlowId,
    #[graphql(flatten)]
    pub(super) changes: UpdateFlow,
}

/// A source to add to a flow: a connected account with `connectionId` or `invitationId`, otherwise one of the account's
/// own.
#[derive(Debug, InputObject)]
pub struct AddSourceInput {
    /// Connection with the account that submits. It must be active (`NOT_CONNECTED`), let the partner send
    /// (`DIRECTION_NOT_AGREED`), and not be a source of this flow yet (TAKEN). Null for one of the account's own
    /// sources.
    connection_id: Option<ConnectionId>,
    /// An invitation sent by this account that is not accepted yet. Until it is, the source is a draft that submits
    /// nothing; then it takes effect as given here. Cannot be combined with `connectionId`.
    invitation_id: Option<InvitationId>,
    #[graphql(flatten)]
    pub(super) source: AddSource,
}

/// Changes to a source; omitted fields stay unchanged.
#[derive(Debug, InputObject)]
pub struct UpdateSourceInput {
    /// Identifier of the source.
    pub(super) id: SourceId,
    #[graphql(flatten)]
    pub(super) changes: UpdateSource,
}

/// What a step does. Give exactly one.
#[derive(Debug, OneofObject)]
pub enum StepInput {
    /// Stops leads. Requires the PAID plan.
    Filter(FilterStepInput),
    /// Sets fields.
    Transform(TransformStepInput),
    /// Delivers to a connected account. Requires the PAID plan.
    Buyer(BuyerStepInput),
    /// Routes leads to partners. The FREE plan has one such step, with one partner.
    Distribute(DistributeStepInput),
}

/// Stops leads for which the rule holds.
#[derive(Debug, InputObject)]
pub struct FilterStepInput {
    /// Leads to stop.
    rule: Rule,
    /// Reason given to the sender, at most 500 characters.
    reason: String,
}

/// Sets fields from templates.
#[derive(Debug, InputObject)]
pub struct TransformStepInput {
    /// Fields to set, 1 to 50, in order. Later templates see the results of earlier ones.
    assignments: Vec<TemplateAssignment>,
}

/// Delivers to a connected account, or to one invited with the same call. Replaces all settings: omitted fields are
/// removed. Requires the PAID plan.
#[derive(Debug, InputObject)]
pub struct BuyerStepInput {
    /// Connection with the buyer. It must be active (`NOT_CONNECTED`) and let this account send leads
    /// (`DIRECTION_NOT_AGREED`). If omitted in an update, the step keeps its buyer.
    connection_id: Option<ConnectionId>,
    /// Invites a buyer instead, with `relationshipType` `SEND_LEADS` or BOTH. The invitation is sent when the step is
    /// saved. Requires OWNER or ADMIN. Until it is accepted the step is a disabled draft and enabling it answers
    /// `NOT_CONNECTED`. If the step was to be enabled immediately, acceptance enables it.
    invite: Option<NewInvitation>,
    /// Fields that the buyer gets. A field that the flow does not have is `UNKNOWN_FIELD`. Values of encrypted fields
    /// are shared like others, and encrypted under the buyer's keys if its field is encrypted too.
    shared_fields: FieldSelectionInput,
    /// Names that the buyer gets instead of the flow's, at most 500. No two fields may get one name.
    mapping: Option<Vec<FieldMapping>>,
    /// Price that the buyer pays for a lead. Defaults to the price of the buyer's flow.
    price: Option<PriceInput>,
    /// Caps on leads delivered by this step, at most one per period. Leads that the buyer rejects do not count.
    caps: Option<Vec<CapInput>>,
}

/// Routes leads to partners.
#[derive(Debug, InputObject)]
pub struct DistributeStepInput {
    /// Identifier of the distribution profile that chooses them.
    profile_id: ProfileId,
}

/// A step to add to a flow.
#[derive(Debug, InputObject)]
pub struct AddStepInput {
    /// Identifier of the flow.
    flow_id: FlowId,
    /// Display name, at most 120 characters.
    name: String,
    /// Leads that the step applies to; others skip it. Null means all. Requires the PAID plan.
    criteria: Option<Rule>,
    /// Position among the steps, from 0. Defaults to the end; values beyond either end mean that end.
    position: Option<i32>,
    /// Whether leads pass through the step immediately.
    #[graphql(default_with = "Some(true)")]
    enabled: Option<bool>,
    /// What the step does.
    step: StepInput,
}

/// Changes to a step; omitted fields stay unchanged.
#[derive(Debug, InputObject)]
pub struct UpdateStepInput {
    /// Identifier of the step.
    pub(super) id: StepId,
    /// Display name, at most 120 characters.
    name: Option<String>,
    /// Leads that the step applies to. Null means all. Requires the PAID plan.
    criteria: MaybeUndefined<Rule>,
    /// What the step does. The kind must stay the same.
    step: Option<StepInput>,
}

impl AddSourceInput {
    /// Who is to submit.
    pub(super) fn partner(&self) -> Partner {
        Partner {
            connection: self.connection_id,
            invitation: self.invitation_id,
        }
    }
}

impl StepInput {
    fn take_invitation(&mut self) -> Option<NewInvitation> {
        match self {
            Self::Buyer(buyer) => buyer.invite.take(),
            _ => None,
        }
    }
}

impl AddStepInput {
    /// The invitation that goes out with the step.
    pub(super) fn take_invitation(&mut self) -> Option<NewInvitation> {
        self.step.take_invitation()
    }
}

impl UpdateStepInput {
    /// The invitation that goes out with the change.
    pub(super) fn take_invitation(&mut self) -> Option<NewInvitation> {
        self.step.as_mut().and_then(StepInput::take_invitation)
    }
}

impl From<StepInput> for steps::StepInput {
    fn from(input: StepInput) -> Self {
        match input {
            StepInput::Filter(filter) => Self::Filter {
                rule: filter.rule,
                reason: filter.reason,
            },
            StepInput::Transform(transform) => Self::Transform {
                assignments: transform.assignments,
            },
            StepInput::Buyer(buyer) => Self::Buyer(BuyerInput {
                to: buyer.connection_id.map(BuyerTo::Connected),
                fields: buyer.shared_fields.into(),
                mapping: buyer.mapping.unwrap_or_default(),
                price: buyer.price,
                caps: buyer.caps.unwrap_or_default(),
            }),
            StepInput::Distribute(distribute) => Self::Distribute {
                profile_id: distribute.profile_id,
            },
        }
    }
}

impl From<AddStepInput> for AddStep {
    fn from(input: AddStepInput) -> Self {
        Self {
            flow_id: input.flow_id,
            name: input.name,
            criteria: input.criteria,
            position: input.position,
            enabled: input.enabled.unwrap_or(true),
            step: input.step.into(),
        }
    }
}

impl From<UpdateStepInput> for UpdateStep {
    fn from(input: UpdateStepInput) -> Self {
        Self {
            name: input.name,
            criteria: input.criteria,
            step: input.step.map(Into::into),
        }
    }
}
