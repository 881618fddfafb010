//! Following what happens to an account's relationships.

use std::sync::{Arc, LazyLock};

use async_graphql::{Context, Enum, SimpleObject, Subscription};
use chrono::{DateTime, Utc};
use entity::event::{self, EventKind};
use entity::ids::{AccountId, ConnectionId, InvitationId, LeadId, SourceId};
use entity::{connection, invitation, lead};
use futures::Stream;
use sea_orm::{ColumnTrait, Iterable, QueryFilter};

use super::account_link::AccountLink;
use super::context::app_and_caller;
use super::invitation::Invitation;
use super::lead::Lead;
use super::streams::{StreamItem, begin, each};
use super::submission_docs::SubmissionDocs;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::live::streams::{Filter, cursor, follow};
use leadmesh_network::connections::ConnectionView;
use leadmesh_network::docs;

/// An event of the account's network.
#[derive(SimpleObject)]
pub struct NetworkEvent {
    /// Cursor of the event. Pass it as `after` to continue from here.
    cursor: String,
    /// Kind of the event.
    kind: NetworkEventKind,
    /// When it happened.
    at: DateTime<Utc>,
    /// The current invitation; null if the event is about something else.
    invitation: Option<Invitation>,
    /// The current connection; null if there is none or the event is about something else.
    connection: Option<AccountLink>,
    /// The account's lead that its sender erased; null if the event is about something else, or the caller may not read
    /// leads.
    lead: Option<Lead>,
    /// The sender's current submission docs; null if the event is about something else, or they are no longer open to
    /// the caller.
    submission_docs: Option<SubmissionDocs>,
}

/// Kind of a network event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum NetworkEventKind {
    /// An invitation was received.
    InvitationReceived,
    /// A partner accepted the account's invitation.
    InvitationAccepted,
    /// A partner declined the account's invitation.
    InvitationDeclined,
    /// The inviter cancelled an invitation, or another one replaced it.
    InvitationCancelled,
    /// An invitation expired unanswered.
    InvitationExpired,
    /// The account was connected to a partner.
    ConnectionEstablished,
    /// What a connection allows changed, or a change was requested, declined or withdrawn.
    ConnectionChanged,
    /// One side suspended a connection.
    ConnectionSuspended,
    /// A connection was resumed.
    ConnectionResumed,
    /// A connection ended.
    ConnectionTerminated,
    /// An awaited buyer can now receive leads.
    BuyerReady,
    /// The submission docs of a source changed.
    SubmissionDocsChanged,
    /// A connected account erased a lead that it had delivered.
    LeadErased,
}

/// Every kind that is shown.
static KINDS: LazyLock<Vec<EventKind>> =
    LazyLock::new(|| EventKind::iter().filter(|kind| public_kind(*kind).is_some()).collect());

fn public_kind(kind: EventKind) -> Option<NetworkEventKind> {
    Some(match kind {
        EventKind::Lead | EventKind::Delivery | EventKind::PortalDelivered | EventKind::PortalReviewed => return None,
        EventKind::InvitationReceived => NetworkEventKind::InvitationReceived,
        EventKind::InvitationAccepted => NetworkEventKind::InvitationAccepted,
        EventKind::InvitationDeclined => NetworkEventKind::InvitationDeclined,
        EventKind::InvitationCancelled => NetworkEventKind::InvitationCancelled,
        EventKind::InvitationExpired => NetworkEventKind::InvitationExpired,
        EventKind::ConnectionEstablished => NetworkEventKind::ConnectionEstablished,
        EventKind::ConnectionChanged => NetworkEventKind::ConnectionChanged,
        EventKind::ConnectionSuspended => NetworkEventKind::ConnectionSuspended,
        EventKind::ConnectionResumed => NetworkEventKind::ConnectionResumed,
        EventKind::ConnectionTerminated => NetworkEventKind::ConnectionTerminated,
        EventKind::BuyerReady => NetworkEventKind::BuyerReady,
        EventKind::SubmissionDocsChanged => NetworkEventKind::SubmissionDocsChanged,
        EventKind::LeadErased => NetworkEventKind::LeadErased,
    })
}

/// The network's part of subscriptions.
#[derive(Default)]
pub struct NetworkSubscription;

#[Subscription]
impl NetworkSubscription {
    /// Invitations received and answered, connections changed, submission docs changed, leads erased by the account
    /// that delivered them. A VIEWER gets no events of invitations; an API key without `LEADS_READ` gets none of leads.
    /// Requires a user of the account, or an API key with `NETWORK_READ` or MANAGE.
    async fn network(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Replays the events after this cursor first.")] after: Option<String>,
    ) -> Result<impl Stream<Item = StreamItem<NetworkEvent>> + use<>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::ReadSetup)?;
        let filter = Filter {
            topic: account.0,
            kinds: &KINDS,
            scope: None,
            subject: None,
        };
        let events = follow(app, filter, begin(ctx, after).as_deref()).await?;
        let item = move |app: App, event: Arc<event::Model>| async move { item(&app, account, &event).await };
        Ok(each(
            app,
            caller,
            events,
            item,
            |caller, told: Option<&NetworkEvent>| {
                caller.require(Action::ReadSetup)?;
                let invitation =
                    told.is_none_or(|told| told.invitation.is_none()) || caller.may(Action::ReadInvitations);
                let lead = told.is_none_or(|told| told.lead.is_none()) || caller.may(Action::ReadLeads);
                Ok(invitation && lead)
            },
        ))
    }
}

/// The event with what it is about, as the account sees that now; none if there is nothing to see any more.
async fn item(app: &App, account: AccountId, event: &event::Model) -> Result<Option<NetworkEvent>> {
    let Some(kind) = public_kind(event.kind) else {
        return Ok(None);
    };
    let (invitation, connection) = match kind {
        NetworkEventKind::InvitationReceived
        | NetworkEventKind::InvitationAccepted
        | NetworkEventKind::InvitationDeclined
        | NetworkEventKind::InvitationCancelled
        | NetworkEventKind::InvitationExpired => {
            let Some(row) = invitation_of(app, account, InvitationId(event.subject_id)).await? else {
                return Ok(None);
            };
            let connection = match row.connection_id {
                Some(id) => connection_of(app, account, id).await?,
                None => None,
            };
            (Some(Invitation::new(row, account)), connection)
        }
        NetworkEventKind::SubmissionDocsChanged | NetworkEventKind::LeadErased => (None, None),
        _ => (None, connection_of(app, account, ConnectionId(event.subject_id)).await?),
    };
    let submission_docs = match kind {
        NetworkEventKind::SubmissionDocsChanged => docs::opened_to(app, account, SourceId(event.subject_id)).await?,
        _ => None,
    };
    let submission_docs = submission_docs.map(SubmissionDocs);
    let lead = match kind {
        NetworkEventKind::LeadErased => lead_of(app, account, LeadId(event.subject_id)).await?,
        _ => None,
    };
    Ok(Some(NetworkEvent {
        cursor: cursor(event),
        kind,
        at: event.at,
        invitation,
        connection,
        lead,
        submission_docs,
    }))
}

async fn lead_of(app: &App, account: AccountId, id: LeadId) -> Result<Option<Lead>> {
    let mine = lead::Entity::in_account(account).filter(lead::Column::Id.eq(id));
    let row: Option<lead::Head> = lead::Entity::heads(mine).into_model().one(app.db.read()).await?;
    Ok(row.map(Lead::from))
}

async fn invitation_of(app: &App, account: AccountId, id: InvitationId) -> Result<Option<invitation::Model>> {
    let mine =
        invitation::Entity::of_account(account, app.config.address_proof()).filter(invitation::Column::Id.eq(id));
    Ok(mine.one(app.db.read()).await?)
}

async fn connection_of(app: &App, account: AccountId, id: ConnectionId) -> Result<Option<AccountLink>> {
    let mine = connection::Entity::of_account(account).filter(connection::Column::Id.eq(id));
    let row = mine.one(app.db.read()).await?;
    Ok(row.map(|row| AccountLink(ConnectionView::new(row, account))))
}
