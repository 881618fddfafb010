//! Subscriptions that follow event logs. Each event names its cursor; `after` replays from it. The right to follow is looked at
//! anew for each event, after it has happened: no event goes to somebody who had lost the right before. It is looked at, too,
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
use leadmesh_core::identity::rights;
use leadmesh_core::live::streams::{Filter, cursor, follow};
pub use rows::EventRows;
use rows::rows;

/// The last event that a client of server-sent events got before it came again; wins over the argument `after`, which is the one
/// of its first request.
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
        Ok(each((app, caller), events, item, |caller, _| may_read(caller)))
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
        Ok(each((app, caller), events, item, |caller, _| may_read(caller)))
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
        Ok(each((app, caller), events, item, |caller, _| {
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

/// Turns events into items, for as long as the caller may follow: `may` is asked with the rights that the caller has then, of each
/// item, and of none when rights in their account have changed. An error ends the stream; an item that they may not see is passed
/// over, as is what is no longer there. That a session or key has ended is told by whoever watches it, not by each of its streams.
pub(super) fn each<T, E, F, W>(
    (app, caller): (&App, &Caller),
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
    // Nobody follows without an account, in which rights change.
    let changes = app.hub.rights(caller.principal.kept_by().unwrap_or(Uuid::nil().into()));
    let told = changes.listen();
    let begin = (Box::pin(events), (changes, told), Some((app.clone(), caller.clone())));
    futures::stream::unfold(begin, move |(mut events, (changes, mut told), follower)| {
        let item = item.clone();
        async move {
            let (app, caller) = follower?;
            loop {
                let event = tokio::select! {
                    event = events.next() => Some(event?),
                    Ok(()) = told.changed() => None,
                };
                // In a box of its own, so that a stream which waits is small.
                let made = Box::pin(async {
                    let Some(event) = event else {
                        if let Ok(now) = rights::again(&app, &caller).await {
                            may(&now, None)?;
                        }
                        return Ok(None);
                    };
                    let made = item(app.clone(), event?);
                    let (now, made) = tokio::try_join!(rights::again(&app, &caller), made)?;
                    let Some(made) = made else { return Ok(None) };
                    Ok(may(&now, Some(&made))?.then_some(made))
                });
                match made.await {
                    Ok(None) => {}
                    Ok(Some(item)) => return Some((Ok(item), (events, (changes, told), Some((app, caller))))),
                    Err(error) => return Some((Err(Arc::new(error)), (events, (changes, told), None))),
                }
            }
        }
    })
}
