//! What a partner is made of.

use async_graphql::{ID, InputObject, MaybeUndefined};

use crate::distribution::partners::{NewPartner, PartnerChanges};
use crate::distribution::settings::SetDelivery;
use crate::graphql::cap::CapInput;
use crate::graphql::delivery_settings::inputs::DeliverySettingsInput;
use crate::graphql::field_mapping::each;
use crate::graphql::ids::id_or_unknown;
use crate::graphql::scalars::{EmailAddress, TimeZone};

/// A partner to be made.
#[derive(Clone, Debug, InputObject)]
pub struct CreatePartnerInput {
    /// As shown, at most 120 characters.
    name: String,
    /// Contact; leads go where `delivery` says.
    email: EmailAddress,
    /// Contact, as people write it, at most 50 characters.
    phone: Option<String>,
    /// For the account alone, at most 10,000 characters.
    notes: Option<String>,
    /// Free labels, at most 50 of 40 characters each.
    tags: Option<Vec<String>>,
    /// The zone of its caps; by default the account's.
    timezone: Option<TimeZone>,
    /// How it gets its leads; by default into the portal, with all fields.
    delivery: Option<DeliverySettingsInput>,
    /// Limits of leads routed to it, at most one for each period. Caps take the PAID plan.
    caps: Option<Vec<CapInput>>,
}

/// Changes of a partner; what is left out stays.
#[derive(Clone, Debug, InputObject)]
pub struct UpdatePartnerInput {
    /// Which partner.
    id: ID,
    /// As shown, at most 120 characters.
    name: Option<String>,
    /// Contact.
    email: Option<EmailAddress>,
    /// Contact, at most 50 characters; null removes it.
    phone: MaybeUndefined<String>,
    /// For the account alone, at most 10,000 characters; null removes them.
    notes: MaybeUndefined<String>,
    /// All of its labels, at most 50 of 40 characters each; null or an empty list removes them.
    tags: MaybeUndefined<Vec<String>>,
    /// The zone of its caps. Caps that exist keep the zone that they have.
    timezone: Option<TimeZone>,
    /// All of its limits; null or an empty list removes them.
    caps: MaybeUndefined<Vec<CapInput>>,
}

/// A change of how a partner gets its leads.
#[derive(Clone, Debug, InputObject)]
pub struct SetPartnerDeliveryInput {
    /// Which partner.
    partner_id: ID,
    /// One of its places in profiles; left out means wherever a place has no settings of its own.
    assignment_id: Option<ID>,
    /// The settings from now on, whole.
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
            caps: input.caps.map(each),
        }
    }
}

impl From<UpdatePartnerInput> for PartnerChanges {
    fn from(input: UpdatePartnerInput) -> Self {
        Self {
            id: id_or_unknown(&input.id),
            name: input.name,
            email: input.email.map(|address| address.0),
            phone: input.phone,
            notes: input.notes,
            tags: input.tags,
            timezone: input.timezone.map(|zone| zone.0),
            caps: input.caps.map_value(each),
        }
    }
}

impl From<SetPartnerDeliveryInput> for SetDelivery {
    fn from(input: SetPartnerDeliveryInput) -> Self {
        Self {
            partner: id_or_unknown(&input.partner_id),
            assignment: input.assignment_id.as_ref().map(id_or_unknown),
            delivery: input.delivery.into(),
        }
    }
}
