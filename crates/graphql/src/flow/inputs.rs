//! What flows, sources and steps are made and changed from.

use async_graphql::{ID, InputObject, MaybeUndefined, OneofObject};
use entity::field::FieldType;
use entity::ids::{FlowId, SourceId, StepId};
use entity::step;

use crate::cap::CapInput;
use crate::field_mapping::{FieldMappingInput, FieldSelectionInput};
use crate::ids::id_or_unknown;
use crate::invitation::inputs::SendInvitationInput;
use crate::money::MoneyInput;
use crate::rule::RuleInput;
use leadmesh_flows::caps;
use leadmesh_flows::manage::{CreateFlow, FieldInput, UpdateFlow};
use leadmesh_flows::sources::{AddSource, UpdateSource};
use leadmesh_flows::steps::{self, AddStep, BuyerInput, BuyerTo, UpdateStep};
use leadmesh_network::account_sources::Partner;
use leadmesh_network::invitations::NewInvitation;

/// A field of a flow.
#[derive(Debug, InputObject)]
pub struct FlowFieldInput {
    /// Lower-case letters, digits and underscores. Unique in the flow.
    name: String,
    /// Label for people. Defaults to one made from the name.
    label: Option<String>,
    /// Type of the field.
    #[graphql(name = "type")]
    field_type: FieldType,
    /// Whether a lead without a valid value is rejected.
    #[graphql(default_with = "Some(false)")]
    required: Option<bool>,
    /// Whether values are encrypted at rest and shown only to callers who may reveal them.
    #[graphql(default_with = "Some(false)")]
    encrypted: Option<bool>,
    /// Accepted values of a CHOICE field.
    choices: Option<Vec<String>>,
    /// A valid value, for the submission docs.
    example: Option<String>,
    /// What senders should know about the field.
    description: Option<String>,
}

/// A flow to create.
#[derive(Debug, InputObject)]
pub struct CreateFlowInput {
    /// Display name, at most 120 characters.
    name: String,
    /// Purpose of the flow, at most 2,000 characters.
    description: Option<String>,
    /// Fields of the flow, in order.
    fields: Vec<FlowFieldInput>,
    /// Which leads the flow accepts. Null means all. Requires the PAID plan.
    acceptance_rule: Option<RuleInput>,
    /// Up to 10 fields whose equal values make two leads duplicates. Requires `duplicateWindowDays`.
    duplicate_keys: Option<Vec<String>>,
    /// Days for which a duplicate is recognised, 1 to 3,650. Requires `duplicateKeys`.
    duplicate_window_days: Option<i32>,
    /// Caps on accepted leads, at most one per period. Requires the PAID plan.
    caps: Option<Vec<CapInput>>,
    /// Price paid to the sender for an accepted lead.
    price: Option<MoneyInput>,
    /// Whether the flow accepts leads immediately.
    #[graphql(default_with = "Some(true)")]
    enabled: Option<bool>,
}

/// Changes to a flow; omitted fields stay unchanged.
#[derive(Debug, InputObject)]
pub struct UpdateFlowInput {
    /// Identifier of the flow.
    pub(super) id: FlowId,
    /// Expected version of the flow. If it has changed since, nothing is changed and the answer is `STALE_VERSION`.
    version: Option<i32>,
    /// Display name, at most 120 characters.
    name: Option<String>,
    /// Purpose of the flow, at most 2,000 characters. Null removes it.
    description: MaybeUndefined<String>,
    /// All fields, in order. A field that a rule, step or source of the flow names cannot be removed.
    fields: Option<Vec<FlowFieldInput>>,
    /// Which leads the flow accepts. Null means all. Requires the PAID plan.
    acceptance_rule: MaybeUndefined<RuleInput>,
    /// Up to 10 fields whose equal values make two leads duplicates. Null or an empty list ends the duplicate check.
    duplicate_keys: MaybeUndefined<Vec<String>>,
    /// Days for which a duplicate is recognised, 1 to 3,650. Null ends the duplicate check.
    duplicate_window_days: MaybeUndefined<i32>,
    /// All caps, at most one per period. Null removes them. A cap whose period and time zone stay keeps its count.
    /// Requires the PAID plan.
    caps: MaybeUndefined<Vec<CapInput>>,
    /// Price paid to the sender for an accepted lead. Null removes it.
    price: MaybeUndefined<MoneyInput>,
}

/// A source to add to a flow: a connected account with `connectionId` or `invitationId`, otherwise one of the account's
/// own.
#[derive(Debug, InputObject)]
pub struct AddSourceInput {
    /// Identifier of the flow.
    flow_id: ID,
    /// Connection with the account that submits. It must be active (`NOT_CONNECTED`), let the partner send
    /// (`DIRECTION_NOT_AGREED`), and not be a source of this flow yet (TAKEN). Null for one of the account's own
    /// sources.
    connection_id: Option<ID>,
    /// An invitation sent by this account that is not accepted yet. Until it is, the source is a draft that submits
    /// nothing; then it takes effect as given here. Cannot be combined with `connectionId`.
    invitation_id: Option<ID>,
    /// Display name, at most 120 characters. Defaults to the partner's name, or to a numbered name.
    name: Option<String>,
    /// Which leads the source may submit, in addition to the flow's rule. Null means all. Requires the PAID plan.
    acceptance_rule: Option<RuleInput>,
    /// Mapping from the sender's field names to the flow's, at most 200 entries.
    mapping: Option<Vec<FieldMappingInput>>,
    /// Caps on accepted leads, in addition to the flow's, at most one per period. Requires the PAID plan.
    caps: Option<Vec<CapInput>>,
    /// Price paid to the sender for an accepted lead, instead of the flow's.
    price: Option<MoneyInput>,
    /// Whether the source may submit immediately. For an invited account: whether it may submit once it has accepted.
    #[graphql(default_with = "Some(true)")]
    enabled: Option<bool>,
}

/// Changes to a source; omitted fields stay unchanged.
#[derive(Debug, InputObject)]
pub struct UpdateSourceInput {
    /// Identifier of the source.
    pub(super) id: SourceId,
    /// Display name, at most 120 characters.
    name: Option<String>,
    /// Whether the source may submit. A connected account's source can be enabled only with an active connection
    /// (`NOT_CONNECTED`) that lets the partner send (`DIRECTION_NOT_AGREED`).
    enabled: Option<bool>,
    /// Which leads the source may submit, in addition to the flow's rule. Null means all. Requires the PAID plan.
    acceptance_rule: MaybeUndefined<RuleInput>,
    /// The whole mapping, at most 200 entries. Null removes it.
    mapping: MaybeUndefined<Vec<FieldMappingInput>>,
    /// All caps, at most one per period. Null removes them. Requires the PAID plan.
    caps: MaybeUndefined<Vec<CapInput>>,
    /// Price paid to the sender, instead of the flow's. Null means the flow's price.
    price: MaybeUndefined<MoneyInput>,
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
    rule: RuleInput,
    /// Reason given to the sender, at most 500 characters.
    reason: String,
}

/// Sets fields from templates.
#[derive(Debug, InputObject)]
pub struct TransformStepInput {
    /// Fields to set, 1 to 50, in order. Later templates see the results of earlier ones.
    assignments: Vec<TemplateAssignmentInput>,
}

/// A field and the template that sets it.
#[derive(Debug, InputObject)]
pub struct TemplateAssignmentInput {
    /// Name of the field. A template that reads an encrypted field may only set an encrypted field.
    field: String,
    /// Template of the value, such as `{{ lead.first_name }} {{ lead.last_name }}`, at most 2,000 characters.
    template: String,
}

/// Delivers to a connected account, or to one invited with the same call. Replaces all settings: omitted fields are
/// removed. Requires the PAID plan.
#[derive(Debug, InputObject)]
pub struct BuyerStepInput {
    /// Connection with the buyer. It must be active (`NOT_CONNECTED`) and let this account send leads
    /// (`DIRECTION_NOT_AGREED`). If omitted in an update, the step keeps its buyer.
    connection_id: Option<ID>,
    /// Invites a buyer instead, with `relationshipType` `SEND_LEADS` or BOTH. The invitation is sent when the step is
    /// saved. Requires OWNER or ADMIN. Until it is accepted the step is a disabled draft and enabling it answers
    /// `NOT_CONNECTED`. If the step was to be enabled immediately, acceptance enables it.
    invite: Option<SendInvitationInput>,
    /// Fields that the buyer gets. A field that the flow does not have is `UNKNOWN_FIELD`. Values of encrypted fields
    /// are shared like others, and encrypted under the buyer's keys if its field is encrypted too.
    shared_fields: FieldSelectionInput,
    /// Names that the buyer gets instead of the flow's, at most 500. No two fields may get one name.
    mapping: Option<Vec<FieldMappingInput>>,
    /// Price that the buyer pays for a lead. Defaults to the price of the buyer's flow.
    price: Option<MoneyInput>,
    /// Caps on leads delivered by this step, at most one per period. Leads that the buyer rejects do not count.
    caps: Option<Vec<CapInput>>,
}

/// Routes leads to partners.
#[derive(Debug, InputObject)]
pub struct DistributeStepInput {
    /// Identifier of the distribution profile that chooses them.
    profile_id: ID,
}

/// A step to add to a flow.
#[derive(Debug, InputObject)]
pub struct AddStepInput {
    /// Identifier of the flow.
    flow_id: ID,
    /// Display name, at most 120 characters.
    name: String,
    /// Leads that the step applies to; others skip it. Null means all. Requires the PAID plan.
    criteria: Option<RuleInput>,
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
    criteria: MaybeUndefined<RuleInput>,
    /// What the step does. The kind must stay the same.
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
