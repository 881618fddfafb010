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
use super::streams::{Shared, begin, each};
use super::submission_docs::SubmissionDocs;
use crate::app::App;
use crate::error::Result;
use crate::identity::policy::Action;
use crate::live::streams::{Filter, cursor, follow};
use crate::network::connections::ConnectionView;
use crate::network::docs;

/// Something that happened to one of the account's relationships.
#[derive(SimpleObject)]
pub struct NetworkEvent {
    /// Its place: subscribe again with `after` this.
    cursor: String,
    /// What happened.
    kind: NetworkEventKind,
    /// When.
    at: DateTime<Utc>,
    /// The invitation as it is now; null when it is about something else.
    invitation: Option<Invitation>,
    /// The connection as it is now; null when there is none, or it is about something else.
    connection: Option<AccountLink>,
    /// The account's lead that its sender has erased; null when it is about something else, or the caller may not read leads.
    lead: Option<Lead>,
    /// What the sender has to know now; null when it is about something else, or is not open to the caller any more.
    submission_docs: Option<SubmissionDocs>,
}

/// What happened to one of the account's relationships.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum NetworkEventKind {
    /// An invitation came in.
    InvitationReceived,
    /// A partner accepted the account's invitation.
    InvitationAccepted,
    /// A partner declined the account's invitation.
    InvitationDeclined,
    /// The inviter took an invitation back, or another one overtook it.
    InvitationCancelled,
    /// An invitation's time passed unanswered.
    InvitationExpired,
    /// The account is connected to a partner.
    ConnectionEstablished,
    /// What a connection allows changed, or a change was asked for, refused or withdrawn.
    ConnectionChanged,
    /// One side holds a connection up.
    ConnectionSuspended,
    /// A connection goes on.
    ConnectionResumed,
    /// A connection ended.
    ConnectionTerminated,
    /// A buyer that was waited for can be delivered to.
    BuyerReady,
    /// What a sender has to know of a source changed.
    SubmissionDocsChanged,
    /// A connected account has erased a lead that it had delivered.
    LeadErased,
}

/// Every kind that is shown.
static KINDS: LazyLock<Vec<EventKind>> =
    LazyLock::new(|| EventKind::iter().filter(|kind| shown(*kind).is_some()).collect());

fn shown(kind: EventKind) -> Option<NetworkEventKind> {
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
    /// Invitations received and answered, connections changed, submission docs changed, leads erased by who delivered them. Takes a
    /// person of the account, or a key with `NETWORK_READ` or MANAGE; events of invitations are passed over for a VIEWER, those of
    /// leads for a key without `LEADS_READ`.
    async fn network(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Replay what happened after this cursor first.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Shared<NetworkEvent>> + use<>> {
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
            (app, caller),
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
    let Some(kind) = shown(event.kind) else {
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
