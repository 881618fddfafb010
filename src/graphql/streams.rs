//! Subscriptions that follow event logs. Each event names its cursor; `after` replays from it. The right to follow is looked at
//! again at most a second before an event goes out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::{Context, Enum, ID, SimpleObject, Subscription};
use entity::delivery::DeliveryStatus;
use entity::event::{self, EventKind};
use entity::ids::{AccountId, DeliveryId, LeadId};
use entity::portal_user::PortalPermission;
use entity::{delivery, lead};
use futures::{Stream, StreamExt};
use sea_orm::{ActiveEnum, ColumnTrait, QueryFilter};

use super::context::app_and_caller;
use super::delivery::Delivery;
use super::lead::Lead;
use super::portal_lead::PortalLead;
use crate::app::App;
use crate::delivery::portal_feed;
use crate::error::{Error, Result};
use crate::identity::authenticate;
use crate::identity::caller::Caller;
use crate::identity::policy::Action;
use crate::live::streams::{Filter, cursor, follow};

/// How long a right that was looked at is trusted.
const TRUSTED: Duration = Duration::from_secs(1);

/// A lead that arrived in a flow.
#[derive(SimpleObject)]
pub struct LeadArrival {
    /// Its place: subscribe again with `after` this.
    cursor: String,
    /// The lead.
    lead: Lead,
}

/// A change of a delivery's state.
#[derive(SimpleObject)]
pub struct DeliveryUpdate {
    /// Its place: subscribe again with `after` this.
    cursor: String,
    /// The delivery as it is now, which may be further than this event.
    delivery: Delivery,
    /// Where it stood after this change.
    status: DeliveryStatus,
}

/// What happened to a lead in the portal.
#[derive(SimpleObject)]
pub struct PortalLeadEvent {
    /// Its place: subscribe again with `after` this.
    cursor: String,
    /// What happened.
    kind: PortalLeadEventKind,
    /// The lead as it is now.
    lead: PortalLead,
}

/// What happened to a lead in the portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum PortalLeadEventKind {
    /// It came into the feed.
    Delivered,
    /// Its review changed.
    Reviewed,
}

/// Who follows, and whether they still may.
struct Follower {
    app: App,
    caller: Caller,
    seen: Instant,
}

impl Follower {
    async fn check(&mut self) -> Result<()> {
        if self.seen.elapsed() > TRUSTED {
            self.caller = authenticate::again(&self.app, &self.caller).await?;
            self.seen = Instant::now();
        }
        Ok(())
    }
}

/// An item of a stream; an error ends it.
pub(super) type Shared<T> = std::result::Result<T, Arc<Error>>;

/// The event logs' part of subscriptions.
#[derive(Default)]
pub struct StreamSubscription;

#[Subscription]
impl StreamSubscription {
    /// Leads arriving in the account's flows, whatever became of them.
    async fn leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those of this flow.")] flow_id: Option<ID>,
        #[graphql(desc = "Replay what happened after this cursor first.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Shared<LeadArrival>> + use<>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::ReadLeads)?;
        let scope = flow_id.map(|id| id.parse::<entity::ids::FlowId>().map(|id| id.0).unwrap_or_default());
        let filter = Filter {
            topic: account.0,
            kinds: &[EventKind::Lead],
            scope,
            subject: None,
        };
        let events = follow(app, filter, after.as_deref()).await?;
        Ok(each(app, caller, events, move |app, event| async move {
            let found = lead::Entity::in_account(account)
                .filter(lead::Column::Id.eq(LeadId(event.subject_id)))
                .one(app.db.read())
                .await?;
            Ok(found.map(|row| LeadArrival {
                cursor: cursor(&event),
                lead: Lead(row),
            }))
        }))
    }

    /// Every change of state of the account's deliveries.
    async fn deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those to this partner.")] partner_id: Option<ID>,
        #[graphql(desc = "Only those of this lead.")] lead_id: Option<ID>,
        #[graphql(desc = "Replay what happened after this cursor first.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Shared<DeliveryUpdate>> + use<>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::ReadLeads)?;
        let scope = partner_id.map(|id| id.parse::<entity::ids::PartnerId>().map(|id| id.0).unwrap_or_default());
        let wanted = lead_id.map(|id| id.parse::<LeadId>().unwrap_or(uuid::Uuid::nil().into()));
        let filter = Filter {
            topic: account.0,
            kinds: &[EventKind::Delivery],
            scope,
            subject: None,
        };
        let events = follow(app, filter, after.as_deref()).await?;
        Ok(each(app, caller, events, move |app, event| async move {
            let Some(row) = delivery_of(&app, account, &event)
                .await?
                .filter(|row| wanted.is_none_or(|lead| row.lead_id == lead))
            else {
                return Ok(None);
            };
            let status = event
                .detail
                .as_ref()
                .and_then(|text| DeliveryStatus::try_from_value(text).ok())
                .unwrap_or(row.status);
            Ok(Some(DeliveryUpdate {
                cursor: cursor(&event),
                delivery: Delivery(row),
                status,
            }))
        }))
    }

    /// New leads in the portal user's feed, and changes of their review. Portal sessions only.
    async fn portal_leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Replay what happened after this cursor first.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Shared<PortalLeadEvent>> + use<>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (_, partner) = caller.require_portal(PortalPermission::ViewLeads)?;
        let kinds = &[EventKind::PortalDelivered, EventKind::PortalReviewed];
        let filter = Filter {
            topic: partner.0,
            kinds,
            scope: None,
            subject: None,
        };
        let events = follow(app, filter, after.as_deref()).await?;
        let viewer = caller.clone();
        Ok(each(app, caller, events, move |app, event| {
            let viewer = viewer.clone();
            async move {
                let found = portal_feed::find(&app, &viewer, DeliveryId(event.subject_id)).await?;
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
        }))
    }
}

async fn delivery_of(app: &App, account: AccountId, event: &event::Model) -> Result<Option<delivery::Model>> {
    let rows = delivery::Entity::in_account(account).filter(delivery::Column::Id.eq(DeliveryId(event.subject_id)));
    Ok(rows.one(app.db.read()).await?)
}

/// Turns events into items, for as long as the caller may see them. What is no longer there is passed over; an error ends it.
pub(super) fn each<T, E, F, W>(
    app: &App,
    caller: &Caller,
    events: E,
    item: F,
) -> impl Stream<Item = Shared<T>> + use<T, E, F, W>
where
    E: Stream<Item = Result<Arc<event::Model>>> + Send + 'static,
    T: Send + 'static,
    F: Fn(App, Arc<event::Model>) -> W + Send + Clone + 'static,
    W: Future<Output = Result<Option<T>>> + Send,
{
    let follower = Follower {
        app: app.clone(),
        caller: caller.clone(),
        seen: Instant::now(),
    };
    futures::stream::unfold((Box::pin(events), Some(follower)), move |(mut events, follower)| {
        let item = item.clone();
        async move {
            let mut follower = follower?;
            loop {
                let next = async {
                    let Some(event) = events.next().await else {
                        return Ok(None);
                    };
                    let event = event?;
                    follower.check().await?;
                    Ok(Some(item(follower.app.clone(), event).await?))
                };
                match next.await {
                    Ok(None) => return None,
                    Ok(Some(None)) => {}
                    Ok(Some(Some(item))) => return Some((Ok(item), (events, Some(follower)))),
                    Err(error) => return Some((Err(Arc::new(error)), (events, None))),
                }
            }
        }
    })
}
