//! What a partner is made of.

use async_graphql::{InputObject, MaybeUndefined};
use entity::ids::{AssignmentId, PartnerId};

use crate::delivery_settings::inputs::DeliverySettingsInput;
use crate::scalars::{EmailAddress, TimeZone};
use leadmesh_distribution::partners::{NewPartner, PartnerChanges};
use leadmesh_distribution::settings::SetDelivery;
use leadmesh_flows::caps::CapInput;

/// A partner to create.
#[derive(Clone, Debug, InputObject)]
pub struct CreatePartnerInput {
    /// Display name, at most 120 characters.
    name: String,
    /// Contact address. Leads go where `delivery` says.
    email: EmailAddress,
    /// Contact phone number, in free form, at most 50 characters.
    phone: Option<String>,
    /// Notes for the account only, at most 10,000 characters.
    notes: Option<String>,
    /// Free labels, at most 50 of 40 characters each.
    tags: Option<Vec<String>>,
    /// Time zone of the partner's caps. Defaults to the account's.
    timezone: Option<TimeZone>,
    /// Delivery settings. Defaults to the portal, with all fields.
    delivery: Option<DeliverySettingsInput>,
    /// Caps on leads routed to the partner, at most one per period. Caps require the PAID plan.
    caps: Option<Vec<CapInput>>,
}

/// Changes to a partner; omitted fields stay unchanged.
#[derive(Clone, Debug, InputObject)]
pub struct UpdatePartnerInput {
    /// Identifier of the partner.
    id: PartnerId,
    /// Display name, at most 120 characters.
    name: Option<String>,
    /// Contact address.
    email: Option<EmailAddress>,
    /// Contact phone number, at most 50 characters. Null removes it.
    phone: MaybeUndefined<String>,
    /// Notes for the account only, at most 10,000 characters. Null removes them.
    notes: MaybeUndefined<String>,
    /// All labels, at most 50 of 40 characters each. Null or an empty list removes them.
    tags: MaybeUndefined<Vec<String>>,
    /// Time zone of new caps. Existing caps keep theirs.
    timezone: Option<TimeZone>,
    /// All caps. Null or an empty list removes them.
    caps: MaybeUndefined<Vec<CapInput>>,
}

/// A change of delivery settings.
#[derive(Clone, Debug, InputObject)]
pub struct SetPartnerDeliveryInput {
    /// Identifier of the partner.
    partner_id: PartnerId,
    /// One of the partner's assignments. If omitted, the settings of all assignments without their own.
    assignment_id: Option<AssignmentId>,
    /// The new settings. They replace the current ones.
    delivery: DeliverySettingsInput,
}

impl From<CreatePartnerInput> for NewPartner {
    fn from(input: CreatePartnerInput) -> Self {
        Self {
            name: input.name,
            email: input.email.0,
            phone: input.phone,
            notes: input.notes,
            tags: input.tags,
            timezone: input.timezone.map(|zone| zone.0),
            delivery: input.delivery.map(Into::into),
            caps: input.caps,
        }
    }
}

impl From<UpdatePartnerInput> for PartnerChanges {
    fn from(input: UpdatePartnerInput) -> Self {
        Self {
            id: input.id,
            name: input.name,
            email: input.email.map(|address| address.0),
            phone: input.phone,
            notes: input.notes,
            tags: input.tags,
            timezone: input.timezone.map(|zone| zone.0),
            caps: input.caps,
        }
    }
}

impl From<SetPartnerDeliveryInput> for SetDelivery {
    fn from(input: SetPartnerDeliveryInput) -> Self {
        Self {
            partner: input.partner_id,
            assignment: input.assignment_id,
            delivery: input.delivery.into(),
        }
    }
}
