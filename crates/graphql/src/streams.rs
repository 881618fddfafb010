//! Subscriptions to event logs. Each event has a cursor; `after` replays from it. The caller's right is checked for each
//! event, after the event happened, so that no event reaches a caller who had lost the right before. It is also checked
//! whenever rights in the account change.

mod rows;

use std::sync::Arc;

use async_graphql::{Context, Enum, SimpleObject, Subscription};
use entity::delivery::DeliveryStatus;
use entity::event::{self, EventKind};
use entity::ids::{DeliveryId, FlowId, LeadId, PartnerId};
use entity::portal_user::PortalPermission;
use futures::{Stream, StreamExt};
use sea_orm::ActiveEnum;
use uuid::Uuid;

use super::context::app_and_caller;
use super::delivery::Delivery;
use super::lead::Lead;
use super::portal_lead::PortalLead;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::live::streams::{Filter, cursor, follow};
pub use rows::EventRows;
use rows::rows;

/// The last event that a client of server-sent events received before it reconnected. Takes precedence over `after`,
/// which the client repeats from its first request.
pub struct ResumeAfter(pub String);

/// After which event a subscription begins; none means now.
pub(super) fn begin(ctx: &Context<'_>, after: Option<String>) -> Option<String> {
    let resumed = ctx.data_opt::<ResumeAfter>();
    resumed.map(|last| last.0.clone()).or(after)
}

/// A lead that arrived in a flow.
#[derive(SimpleObject)]
pub struct LeadArrival {
    /// Cursor of the event. Pass it as `after` to continue from here.
    cursor: String,
    /// The lead.
    lead: Lead,
}

/// A change of a delivery's status or review.
#[derive(SimpleObject)]
pub struct DeliveryUpdate {
    /// Cursor of the event. Pass it as `after` to continue from here.
    cursor: String,
    /// The delivery's current state, which may be newer than the event.
    delivery: Delivery,
    /// Status of the delivery after this event.
    status: DeliveryStatus,
}

/// An event of a portal lead.
#[derive(SimpleObject)]
pub struct PortalLeadEvent {
    /// Cursor of the event. Pass it as `after` to continue from here.
    cursor: String,
    /// Kind of the event.
    kind: PortalLeadEventKind,
    /// The current lead.
    lead: PortalLead,
}

/// An event of a portal lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PortalLeadEventKind {
    /// The lead arrived in the portal.
    Delivered,
    /// The lead's review changed.
    Reviewed,
}

/// An item of a stream; an error ends it.
pub(super) type StreamItem<T> = std::result::Result<T, Arc<Error>>;

/// The event logs' part of subscriptions.
#[derive(Default)]
pub struct StreamSubscription;

#[Subscription]
impl StreamSubscription {
    /// Leads that arrive in the account's flows, with any outcome.
    async fn leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "In this flow.")] flow_id: Option<FlowId>,
        #[graphql(desc = "Replays the events after this cursor first.")] after: Option<String>,
    ) -> Result<impl Stream<Item = StreamItem<LeadArrival>> + use<>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::ReadLeads)?;
        let filter = Filter {
            topic: account.0,
            kinds: &[EventKind::Lead],
            scope: flow_id.map(|id| id.0),
            subject: None,
        };
        let events = follow(app, filter, begin(ctx, after).as_deref()).await?;
        let rows = rows(ctx)?;
        let item = move |app: App, event: Arc<event::Model>| {
            let rows = rows.clone();
            async move {
                let found = rows.lead(&app, account, LeadId(event.subject_id)).await?;
                Ok(found.map(|row| LeadArrival {
                    cursor: cursor(&event),
                    lead: row.into(),
                }))
            }
        };
        Ok(each(app, caller, events, item, |caller, _| may_read(caller)))
    }

    /// Every change of a delivery's status or review. A new delivery is reported as QUEUED, or as SENDING if it is sent
    /// immediately. Of later attempts only the result is reported, not the beginning.
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "To this partner.")] partner_id: Option<PartnerId>,
        #[graphql(desc = "Of this lead.")] lead_id: Option<LeadId>,
        #[graphql(desc = "Replays the events after this cursor first.")] after: Option<String>,
    ) -> Result<impl Stream<Item = StreamItem<DeliveryUpdate>> + use<>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::ReadLeads)?;
        let filter = Filter {
            topic: account.0,
            kinds: &[EventKind::Delivery],
            scope: partner_id.map(|id| id.0),
            subject: None,
        };
        let events = follow(app, filter, begin(ctx, after).as_deref()).await?;
        let rows = rows(ctx)?;
        let item = move |app: App, event: Arc<event::Model>| {
            let rows = rows.clone();
            async move {
                let found = rows.delivery(&app, account, DeliveryId(event.subject_id)).await?;
                let found = found.filter(|row| lead_id.is_none_or(|lead| row.lead_id == lead));
                Ok(found.map(|row| DeliveryUpdate {
                    cursor: cursor(&event),
                    status: status(&event).unwrap_or(row.status),
                    delivery: Delivery(row),
                }))
            }
        };
        Ok(each(app, caller, events, item, |caller, _| may_read(caller)))
    }

    /// New leads in the caller's portal, and changes of their review. Requires a portal session.
    async fn portal_leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Replays the events after this cursor first.")] after: Option<String>,
    ) -> Result<impl Stream<Item = StreamItem<PortalLeadEvent>> + use<>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let portal = caller.require_portal(PortalPermission::ViewLeads)?;
        let kinds = &[EventKind::PortalDelivered, EventKind::PortalReviewed];
        let filter = Filter {
            topic: portal.1.0,
            kinds,
            scope: None,
            subject: None,
        };
        let events = follow(app, filter, begin(ctx, after).as_deref()).await?;
        let rows = rows(ctx)?;
        let item = move |app: App, event: Arc<event::Model>| {
            let rows = rows.clone();
            async move {
                let found = rows.portal_lead(&app, portal, DeliveryId(event.subject_id)).await?;
                let kind = match event.kind {
                    EventKind::PortalReviewed => PortalLeadEventKind::Reviewed,
                    _ => PortalLeadEventKind::Delivered,
                };
                Ok(found.map(|lead| PortalLeadEvent {
                    cursor: cursor(&event),
                    kind,
                    lead: PortalLead(lead),
                }))
            }
        };
        Ok(each(app, caller, events, item, |caller, _| {
            caller.require_portal(PortalPermission::ViewLeads).map(|_| true)
        }))
    }
}

fn may_read(caller: &Caller) -> Result<bool> {
    caller.require(Action::ReadLeads).map(|_| true)
}

fn status(event: &event::Model) -> Option<DeliveryStatus> {
    DeliveryStatus::try_from_value(event.detail.as_ref()?).ok()
}

/// Turns events into items while the caller may follow. `may` decides by the caller's current rights: for each item, and
/// without one after a change of rights in the account. An error ends the stream; an item that the caller may not see, or
/// that no longer exists, is skipped. The end of a session or API key is noticed by the watcher of the session, not here.
pub(super) fn each<T, E, F, W>(
    app: &App,
    caller: &Caller,
    events: E,
    item: F,
    may: fn(&Caller, Option<&T>) -> Result<bool>,
) -> impl Stream<Item = StreamItem<T>> + use<T, E, F, W>
where
    E: Stream<Item = Result<Arc<event::Model>>> + Send + 'static,
    T: Send + 'static,
    F: Fn(App, Arc<event::Model>) -> W + Send + Clone + 'static,
    W: Future<Output = Result<Option<T>>> + Send,
{
    // Every follower has an account; the nil topic never changes.
    let rights = app
        .hub
        .rights(caller.principal.rights_account().unwrap_or(Uuid::nil().into()));
    let changed = rights.listen();
    let begin = (Box::pin(events), (rights, changed), Some((app.clone(), caller.clone())));
    futures::stream::unfold(begin, move |(mut events, (rights, mut changed), follower)| {
        let item = item.clone();
        async move {
            let (app, caller) = follower?;
            loop {
                let event = tokio::select! {
                    event = events.next() => Some(event?),
                    Ok(()) = changed.changed() => None,
                };
                // Boxed, so that a waiting stream is small.
                let made = Box::pin(async {
                    let Some(event) = event else {
                        if let Ok(now) = app.rights.refresh(&caller).await {
                            may(&now, None)?;
                        }
                        return Ok(None);
                    };
                    let made = item(app.clone(), event?);
                    let (now, made) = tokio::try_join!(app.rights.refresh(&caller), made)?;
                    let Some(made) = made else { return Ok(None) };
                    Ok(may(&now, Some(&made))?.then_some(made))
                });
                match made.await {
                    Ok(None) => {}
                    Ok(Some(item)) => return Some((Ok(item), (events, (rights, changed), Some((app, caller))))),
                    Err(error) => return Some((Err(Arc::new(error)), (events, (rights, changed), None))),
                }
            }
        }
    })
}
