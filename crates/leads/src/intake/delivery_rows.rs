//! New deliveries, and the events of deliveries.

use chrono::{DateTime, Utc};
use entity::delivery::{self, DeliveryStatus, Reservations, ReviewStatus};
use entity::delivery_config::Channel;
use entity::event::EventKind;
use sea_orm::{ActiveEnum, ActiveModelTrait, IntoActiveModel};

use crate::snapshot::{Buyer, Candidate, Profile, Snapshot};
use leadmesh_core::app::App;
use leadmesh_core::live::events::NewEvent;
use leadmesh_core::outcomes::Outcome;
use leadmesh_core::queue::LeadContent;

/// Who gets a delivery.
#[derive(Clone, Copy)]
pub enum Recipient<'a> {
    /// The account of a BUYER step.
    Buyer(&'a Buyer),
    /// A partner in a profile.
    Partner(&'a Profile, &'a Candidate),
}

/// A delivery that was not attempted yet. In a portal it has arrived.
pub fn new_delivery(
    app: &App,
    flow: &Snapshot,
    recipient: Recipient<'_>,
    content: &LeadContent,
    at: DateTime<Utc>,
) -> delivery::Model {
    let (profile, candidate, account) = match recipient {
        Recipient::Buyer(buyer) => (None, None, Some(&buyer.recipient)),
        Recipient::Partner(profile, candidate) => (Some(profile), Some(candidate), candidate.recipient.as_ref()),
    };
    let (settings, channel, price) = match recipient {
        Recipient::Buyer(buyer) => (buyer.settings, Channel::Account, &buyer.price),
        Recipient::Partner(_, candidate) => (candidate.settings, candidate.channel, &candidate.price),
    };
    let portal = channel == Channel::Portal;
    let price = price.as_ref().filter(|_| !content.test);
    delivery::Model {
        id: app.clock.id(),
        account_id: flow.account,
        lead_id: content.id,
        flow_id: flow.flow,
        step_id: None,
        profile_id: profile.map(|profile| profile.id),
        assignment_id: candidate.map(|candidate| candidate.assignment),
        partner_id: candidate.map(|candidate| candidate.partner),
        buyer_account_id: account.map(|account| account.buyer),
        connection_id: account.map(|account| account.connection),
        settings_id: settings,
        channel,
        status: if portal {
            DeliveryStatus::Delivered
        } else {
            DeliveryStatus::Queued
        },
        test: content.test,
        attempt_count: 0,
        attempts_before: 0,
        budget_since: at,
        due_at: (!portal).then_some(at),
        lease_owner: None,
        failure_code: None,
        failure_message: None,
        external_id: None,
        price_e4: price.map(|price| price.e4),
        price_currency: price.map(|price| price.currency.clone()),
        review: portal.then_some(ReviewStatus::PendingReview),
        review_by: None,
        review_at: None,
        review_reason: None,
        reservations: Reservations::default(),
        created_at: at,
        settled_at: portal.then_some(at),
        suspended_for: None,
        follows: None,
        erased_at: None,
    }
}

/// The event of a delivery's status, for the account.
pub fn delivery_event(row: &delivery::Model) -> NewEvent {
    NewEvent {
        topic: row.account_id.0,
        kind: EventKind::Delivery,
        subject: row.id.0,
        scope: row.recipient(),
        detail: Some(row.status.to_value()),
        outcome: Outcome::of_delivery(row),
    }
}

/// An event for the partner's portal.
pub fn portal_event(row: &delivery::Model, kind: EventKind) -> Option<NewEvent> {
    Some(NewEvent {
        topic: row.partner_id?.0,
        kind,
        subject: row.id.0,
        scope: None,
        detail: None,
        outcome: None,
    })
}

/// The row with every column set, for an insert.
pub fn fully_set(row: delivery::Model) -> delivery::ActiveModel {
    row.into_active_model().reset_all()
}
