//! What flows, sources and steps are made and changed from.

use async_graphql::{ID, InputObject, MaybeUndefined, OneofObject};
use entity::field::FieldType;
use entity::step;

use crate::flows::caps;
use crate::flows::manage::{CreateFlow, FieldInput, UpdateFlow};
use crate::flows::sources::{AddSource, UpdateSource};
use crate::flows::steps::{self, AddStep, BuyerInput, BuyerTo, UpdateStep};
use crate::graphql::cap::CapInput;
use crate::graphql::field_mapping::{FieldMappingInput, FieldSelectionInput};
use crate::graphql::ids::id_or_unknown;
use crate::graphql::invitation::inputs::SendInvitationInput;
use crate::graphql::money::MoneyInput;
use crate::graphql::rule::RuleInput;
use crate::network::account_sources::Partner;
use crate::network::invitations::NewInvitation;

/// A field of a flow.
#[derive(Debug, InputObject)]
pub struct FlowFieldInput {
    /// Lower-case letters, digits and underscores; unique in the flow.
    name: String,
    /// What people read; made from the name by default.
    label: Option<String>,
    /// What it holds.
    #[graphql(name = "type")]
    field_type: FieldType,
    /// Whether a lead without a valid value is rejected.
    #[graphql(default_with = "Some(false)")]
    required: Option<bool>,
    /// Whether its values are encrypted at rest and shown only to those who may reveal them.
    #[graphql(default_with = "Some(false)")]
    encrypted: Option<bool>,
    /// The accepted values of a CHOICE field.
    choices: Option<Vec<String>>,
    /// A valid value, for the submission docs.
    example: Option<String>,
    /// What senders should know about it.
    description: Option<String>,
}

/// A flow to make.
#[derive(Debug, InputObject)]
pub struct CreateFlowInput {
    /// As shown; at most 120 characters.
    name: String,
    /// What it is for; at most 2,000 characters.
    description: Option<String>,
    /// What it knows about a lead, in order.
    fields: Vec<FlowFieldInput>,
    /// Which leads it takes; null means all. Takes the PAID plan.
    acceptance_rule: Option<RuleInput>,
    /// Up to 10 fields whose values make two leads the same; with `duplicateWindowDays`.
    duplicate_keys: Option<Vec<String>>,
    /// For how many days, 1 to 3,650; with `duplicateKeys`.
    duplicate_window_days: Option<i32>,
    /// Limits of accepted leads, one for each period at most. Takes the PAID plan.
    caps: Option<Vec<CapInput>>,
    /// What a sender is paid for an accepted lead.
    price: Option<MoneyInput>,
    /// Whether it takes leads at once.
    #[graphql(default_with = "Some(true)")]
    enabled: Option<bool>,
}

/// What to change of a flow; what is left out stays as it is.
#[derive(Debug, InputObject)]
pub struct UpdateFlowInput {
    /// Which flow.
    pub(super) id: ID,
    /// The version that the change was made for: if the flow has changed since, nothing is changed and the answer is
    /// `STALE_VERSION`.
    version: Option<i32>,
    /// As shown; at most 120 characters.
    name: Option<String>,
    /// What it is for; at most 2,000 characters. Null removes it.
    description: MaybeUndefined<String>,
    /// All fields anew, in order. A field that a rule, step or source of the flow names cannot go.
    fields: Option<Vec<FlowFieldInput>>,
    /// Which leads it takes; null means all. Takes the PAID plan.
    acceptance_rule: MaybeUndefined<RuleInput>,
    /// Up to 10 fields whose values make two leads the same; null or none ends the duplicate check.
    duplicate_keys: MaybeUndefined<Vec<String>>,
    /// For how many days, 1 to 3,650; null ends the duplicate check.
    duplicate_window_days: MaybeUndefined<i32>,
    /// All limits anew, one for each period at most; null removes them. A cap whose period and time zone stay keeps what was
    /// used. Takes the PAID plan.
    caps: MaybeUndefined<Vec<CapInput>>,
    /// What a sender is paid for an accepted lead; null removes it.
    price: MaybeUndefined<MoneyInput>,
}

/// A source to add to a flow: a connected account's with `connectionId` or `invitationId`, else one of the account's own.
#[derive(Debug, InputObject)]
pub struct AddSourceInput {
    /// To which flow.
    flow_id: ID,
    /// The connection with the sender, a partner account. It must be live (`NOT_CONNECTED`) and let the partner send
    /// (`DIRECTION_NOT_AGREED`), and the partner no source of this flow yet (TAKEN). Null for a source of the account's own.
    connection_id: Option<ID>,
    /// An invitation of this account's that the sender has not accepted yet: until it does, the source is a draft that submits
    /// nothing, and then it is as it was asked for. Not together with `connectionId`.
    invitation_id: Option<ID>,
    /// As shown, at most 120 characters; the partner's name, or numbered, by default.
    name: Option<String>,
    /// Which leads it may submit, after the flow's own rule; null means all. Takes the PAID plan.
    acceptance_rule: Option<RuleInput>,
    /// Renamings from the sender's field names to the flow's; at most 200.
    mapping: Option<Vec<FieldMappingInput>>,
    /// Limits of accepted leads, after the flow's own, one for each period at most. Takes the PAID plan.
    caps: Option<Vec<CapInput>>,
    /// What the sender is paid for an accepted lead, in place of the flow's price.
    price: Option<MoneyInput>,
    /// Whether it may submit at once; of an invited partner, whether it may once it has accepted.
    #[graphql(default_with = "Some(true)")]
    enabled: Option<bool>,
}

/// What to change of a source; what is left out stays as it is.
#[derive(Debug, InputObject)]
pub struct UpdateSourceInput {
    /// Which source.
    pub(super) id: ID,
    /// As shown; at most 120 characters.
    name: Option<String>,
    /// Whether it may submit. A partner's source cannot be enabled without a live connection (`NOT_CONNECTED`) that lets the
    /// partner send (`DIRECTION_NOT_AGREED`).
    enabled: Option<bool>,
    /// Which leads it may submit, after the flow's own rule; null means all. Takes the PAID plan.
    acceptance_rule: MaybeUndefined<RuleInput>,
    /// All renamings anew, at most 200; null removes them.
    mapping: MaybeUndefined<Vec<FieldMappingInput>>,
    /// All limits anew, one for each period at most; null removes them. Takes the PAID plan.
    caps: MaybeUndefined<Vec<CapInput>>,
    /// What the sender is paid, in place of the flow's price; null means the flow's.
    price: MaybeUndefined<MoneyInput>,
}

/// What a step does.
#[derive(Debug, OneofObject)]
pub enum StepInput {
    /// Stops leads. Takes the PAID plan.
    Filter(FilterStepInput),
    /// Sets fields.
    Transform(TransformStepInput),
    /// Delivers to a connected account. Takes the PAID plan.
    Buyer(BuyerStepInput),
    /// Routes to partners. The FREE plan has one such step, with one partner.
    Distribute(DistributeStepInput),
}

/// Stops a lead when its rule holds.
#[derive(Debug, InputObject)]
pub struct FilterStepInput {
    /// Which leads to stop.
    rule: RuleInput,
    /// What the sender is told; at most 500 characters.
    reason: String,
}

/// Sets fields from templates.
#[derive(Debug, InputObject)]
pub struct TransformStepInput {
    /// 1 to 50, in order; a later template sees what an earlier one has set.
    assignments: Vec<TemplateAssignmentInput>,
}

/// A field, and the template that it is set from.
#[derive(Debug, InputObject)]
pub struct TemplateAssignmentInput {
    /// The field of the flow. What a template takes from an encrypted field may only go into an encrypted one.
    field: String,
    /// What it becomes, such as `{{ lead.first_name }} {{ lead.last_name }}`; at most 2,000 characters.
    template: String,
}

/// Delivers to a connected account: one that the account is connected with, or one that is invited in the same stroke. It is whole:
/// what is left out is taken away. Takes the PAID plan.
#[derive(Debug, InputObject)]
pub struct BuyerStepInput {
    /// The connection with the buyer, which must let this account send leads: `NOT_CONNECTED`, `DIRECTION_NOT_AGREED`. Left out
    /// when a step is changed, it keeps its buyer.
    connection_id: Option<ID>,
    /// Somebody to invite instead, by an invitation that proposes `SEND_LEADS` or BOTH: it goes out if the step is saved, and
    /// takes an OWNER or ADMIN. The step is a disabled draft until it is accepted; enabling it answers `NOT_CONNECTED`. It is
    /// enabled by the acceptance if it was to be enabled at once.
    invite: Option<SendInvitationInput>,
    /// What the buyer gets to see. A field that the flow does not have is `UNKNOWN_FIELD`. Values of encrypted fields are shared
    /// like others, and sealed with the buyer's own keys where its field is encrypted too.
    shared_fields: FieldSelectionInput,
    /// Names that the buyer gets in place of the flow's, at most 500; no two fields come under one name.
    mapping: Option<Vec<FieldMappingInput>>,
    /// What the buyer pays for a lead; by default what its flow pays.
    price: Option<MoneyInput>,
    /// Limits of leads that go this way, one for each period at most; what the buyer refuses does not count.
    caps: Option<Vec<CapInput>>,
}

/// Routes to partners.
#[derive(Debug, InputObject)]
pub struct DistributeStepInput {
    /// The distribution profile that picks them.
    profile_id: ID,
}

/// A step to add to a flow.
#[derive(Debug, InputObject)]
pub struct AddStepInput {
    /// To which flow.
    flow_id: ID,
    /// As shown; at most 120 characters.
    name: String,
    /// Which leads it concerns, the others skip it; null means all. Takes the PAID plan.
    criteria: Option<RuleInput>,
    /// Its place, counted from 0; last by default, and beyond the ends means there.
    position: Option<i32>,
    /// Whether leads pass through it at once.
    #[graphql(default_with = "Some(true)")]
    enabled: Option<bool>,
    /// What it does.
    step: StepInput,
}

/// What to change of a step; what is left out stays as it is.
#[derive(Debug, InputObject)]
pub struct UpdateStepInput {
    /// Which step.
    pub(super) id: ID,
    /// As shown; at most 120 characters.
    name: Option<String>,
    /// Which leads it concerns; null means all. Takes the PAID plan.
    criteria: MaybeUndefined<RuleInput>,
    /// What it does; of the kind that the step has.
    step: Option<StepInput>,
}

/// The same list of the room's own inputs.
fn each<T, U: From<T>>(inputs: Vec<T>) -> Vec<U> {
    inputs.into_iter().map(U::from).collect()
}

fn caps(inputs: Option<Vec<CapInput>>) -> Vec<caps::CapInput> {
    each(inputs.unwrap_or_default())
}

impl From<FlowFieldInput> for FieldInput {
    fn from(input: FlowFieldInput) -> Self {
        Self {
            name: input.name,
            label: input.label,
            field_type: input.field_type,
            required: input.required.unwrap_or(false),
            encrypted: input.encrypted.unwrap_or(false),
            choices: input.choices,
            example: input.example,
            description: input.description,
        }
    }
}

impl From<CreateFlowInput> for CreateFlow {
    fn from(input: CreateFlowInput) -> Self {
        Self {
            name: input.name,
            description: input.description,
            fields: each(input.fields),
            acceptance_rule: input.acceptance_rule.map(Into::into),
            duplicate_keys: input.duplicate_keys.unwrap_or_default(),
            duplicate_window_days: input.duplicate_window_days,
            caps: caps(input.caps),
            price: input.price.map(Into::into),
            enabled: input.enabled.unwrap_or(true),
        }
    }
}

impl From<UpdateFlowInput> for UpdateFlow {
    fn from(input: UpdateFlowInput) -> Self {
        Self {
            version: input.version,
            name: input.name,
            description: input.description,
            fields: input.fields.map(each),
            acceptance_rule: input.acceptance_rule.map_value(Into::into),
            duplicate_keys: input.duplicate_keys,
            duplicate_window_days: input.duplicate_window_days,
            caps: input.caps.map_value(each),
            price: input.price.map_value(Into::into),
        }
    }
}

impl AddSourceInput {
    /// Who is to submit.
    pub(super) fn partner(&self) -> Partner {
        Partner {
            connection: self.connection_id.as_ref().map(id_or_unknown),
            invitation: self.invitation_id.as_ref().map(id_or_unknown),
        }
    }
}

impl From<AddSourceInput> for AddSource {
    fn from(input: AddSourceInput) -> Self {
        Self {
            flow_id: id_or_unknown(&input.flow_id),
            name: input.name,
            acceptance_rule: input.acceptance_rule.map(Into::into),
            mapping: each(input.mapping.unwrap_or_default()),
            caps: caps(input.caps),
            price: input.price.map(Into::into),
            enabled: input.enabled.unwrap_or(true),
        }
    }
}

impl From<UpdateSourceInput> for UpdateSource {
    fn from(input: UpdateSourceInput) -> Self {
        Self {
            name: input.name,
            enabled: input.enabled,
            acceptance_rule: input.acceptance_rule.map_value(Into::into),
            mapping: input.mapping.map_value(each),
            caps: input.caps.map_value(each),
            price: input.price.map_value(Into::into),
        }
    }
}

impl From<TemplateAssignmentInput> for step::TemplateAssignment {
    fn from(input: TemplateAssignmentInput) -> Self {
        Self {
            field: input.field,
            template: input.template,
        }
    }
}

impl StepInput {
    fn take_invitation(&mut self) -> Option<NewInvitation> {
        match self {
            Self::Buyer(buyer) => buyer.invite.take().map(NewInvitation::from),
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
                rule: filter.rule.into(),
                reason: filter.reason,
            },
            StepInput::Transform(transform) => Self::Transform {
                assignments: each(transform.assignments),
            },
            StepInput::Buyer(buyer) => Self::Buyer(BuyerInput {
                to: buyer.connection_id.map(|id| BuyerTo::Connected(id_or_unknown(&id))),
                fields: buyer.shared_fields.into(),
                mapping: each(buyer.mapping.unwrap_or_default()),
                price: buyer.price.map(Into::into),
                caps: caps(buyer.caps),
            }),
            StepInput::Distribute(distribute) => Self::Distribute {
                profile_id: id_or_unknown(&distribute.profile_id),
            },
        }
    }
}

impl From<AddStepInput> for AddStep {
    fn from(input: AddStepInput) -> Self {
        Self {
            flow_id: id_or_unknown(&input.flow_id),
            name: input.name,
            criteria: input.criteria.map(Into::into),
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
            criteria: input.criteria.map_value(Into::into),
            step: input.step.map(Into::into),
        }
    }
}
