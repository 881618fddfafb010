//! Invitations to connect.

mod mutations;

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::ids::{AccountId, InvitationId};
use entity::invitation::{self, Column, InvitationStatus};
use entity::mail::{self, MailStatus};
use entity::relationship::RelationshipType;

use super::account::AccountProfile;
use super::account_link::AccountLink;
use super::context::{ContextExt, app_and_caller};
use super::loaders::{self, InvitationMailRow, StepInvitedBy};
use super::payload::UserError;
use super::relay::{Page, PageArgs, connection, page};
use super::scalars::EmailAddress;
use super::step::BuyerStep;
use leadmesh_core::error::Result;
use leadmesh_network::invitations::{self, Filter, InvitationDirection, Preview};
pub use mutations::InvitationMutation;

/// An invitation as one of its sides sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// As it is kept.
    pub row: invitation::Model,
    /// Whose view it is.
    pub viewer: AccountId,
}

/// An invitation from one account to another, or to an email address, to connect.
pub struct Invitation(pub Seen);

impl From<Seen> for Invitation {
    fn from(seen: Seen) -> Self {
        Self(seen)
    }
}

impl Invitation {
    /// As that account sees it.
    pub fn new(row: invitation::Model, viewer: AccountId) -> Self {
        Self(Seen { row, viewer })
    }

    fn is_mine(&self) -> bool {
        self.0.row.from_account_id == self.0.viewer
    }
}

/// An invitation to connect, to an account or an email address. Accepting it makes a connection. It expires unanswered;
/// the inviter can resend it.
#[Object]
impl Invitation {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.row.id.to_string().into()
    }

    /// Current status.
    async fn status(&self, ctx: &Context<'_>) -> Result<InvitationStatus> {
        Ok(self.0.row.status_at(ctx.app()?.clock.now()))
    }

    /// Direction, from the caller's point of view.
    async fn direction(&self) -> InvitationDirection {
        if self.is_mine() {
            InvitationDirection::Sent
        } else {
            InvitationDirection::Received
        }
    }

    /// The proposed relationship, from the caller's point of view: `RECEIVE_LEADS` means "I receive leads from them".
    async fn relationship_type(&self) -> RelationshipType {
        self.0.row.type_for(self.0.viewer)
    }

    /// Message to the invitee, at most 1,000 characters.
    async fn message(&self) -> Option<&str> {
        self.0.row.message.as_deref()
    }

    /// The account that invites.
    async fn from(&self, ctx: &Context<'_>) -> Result<AccountProfile> {
        AccountProfile::load(ctx, self.0.row.from_account_id).await
    }

    /// The invited account. If an email address was invited, the inviter sees the account only after the answer, so
    /// that nobody learns whether an address has an account.
    async fn to(&self, ctx: &Context<'_>) -> Result<Option<AccountProfile>> {
        let row = &self.0.row;
        let shown = match row.to_account_id {
            _ if !self.is_mine() => Some(self.0.viewer),
            to if row.to_email.is_none() || row.connection_id.is_some() => to,
            to if row.status == InvitationStatus::Declined => to,
            _ => None,
        };
        match shown {
            Some(account) => AccountProfile::load(ctx, account).await.map(Some),
            None => Ok(None),
        }
    }

    /// The invited address; null if an account was invited by identifier.
    async fn to_email(&self) -> Option<EmailAddress> {
        self.0.row.to_email.clone().map(EmailAddress)
    }

    /// Status of the email with the newest link. Null for the invitee, and if no email was sent: because the invited
    /// account wants none and finds the invitation in its list, or because the address recently got too many from
    /// others.
    async fn mail(&self, ctx: &Context<'_>) -> Result<Option<InvitationMail>> {
        let Some(id) = self.0.row.mail_id.filter(|_| self.is_mine()) else {
            return Ok(None);
        };
        Ok(loaders::load(ctx, InvitationMailRow(id))
            .await?
            .map(InvitationMail::from))
    }

    /// When the invitation expires, or expired, unanswered.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.row.expires_at
    }

    /// When it was first sent.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.row.created_at
    }

    /// When it was accepted, declined or cancelled; null until then.
    async fn answered_at(&self) -> Option<DateTime<Utc>> {
        self.0.row.answered_at
    }

    /// The buyer step that the invitation was sent with; null for the invitee, and if there was none.
    async fn buyer_step(&self, ctx: &Context<'_>) -> Result<Option<BuyerStep>> {
        if !self.is_mine() {
            return Ok(None);
        }
        let row = loaders::load(ctx, StepInvitedBy(self.0.viewer, self.0.row.id)).await?;
        Ok(row.and_then(BuyerStep::of))
    }

    /// The resulting connection; null unless accepted.
    async fn connection(&self, ctx: &Context<'_>) -> Result<Option<AccountLink>> {
        match self.0.row.connection_id {
            Some(id) => AccountLink::load(ctx, self.0.viewer, id).await,
            None => Ok(None),
        }
    }
}

/// The email of an invitation.
#[derive(SimpleObject)]
pub struct InvitationMail {
    /// QUEUED until the mail server has taken it; FAILED after four attempts, or if there is no mail server.
    status: MailStatus,
    /// When the mail server took it.
    sent_at: Option<DateTime<Utc>>,
    /// Number of attempts.
    attempts: i32,
    /// Error of the last attempt; null if it succeeded.
    error: Option<String>,
}

impl From<mail::Model> for InvitationMail {
    fn from(mail: mail::Model) -> Self {
        Self {
            status: mail.status,
            sent_at: mail.sent_at,
            attempts: mail.attempts,
            error: mail.error,
        }
    }
}

/// What the holder of an invitation link sees before signing in.
pub struct InvitationPreview(Preview);

/// What the holder of an invitation link sees before signing in.
#[Object]
impl InvitationPreview {
    /// The account that invites.
    async fn from(&self, ctx: &Context<'_>) -> Result<AccountProfile> {
        AccountProfile::load(ctx, self.0.invitation.from_account_id).await
    }

    /// The proposed relationship, from the invitee's point of view: `RECEIVE_LEADS` means that the invitee would
    /// receive leads.
    async fn relationship_type(&self) -> RelationshipType {
        self.0.invitation.type_for_inviter().mirrored()
    }

    /// Message of the inviter.
    async fn message(&self) -> Option<&str> {
        self.0.invitation.message.as_deref()
    }

    /// The invited address, with which to sign up or in; null if an account was invited by identifier.
    async fn to_email(&self) -> Option<EmailAddress> {
        self.0.invitation.to_email.clone().map(EmailAddress)
    }

    /// Current status. Only a PENDING invitation can be answered.
    async fn status(&self, ctx: &Context<'_>) -> Result<InvitationStatus> {
        Ok(self.0.invitation.status_at(ctx.app()?.clock.now()))
    }

    /// When the invitation expires, or expired, unanswered.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.invitation.expires_at
    }

    /// Whether a user with the invited address exists. If not, sign up first.
    async fn has_account(&self) -> bool {
        self.0.has_account
    }
}

connection!(InvitationConnection, InvitationEdge, Invitation, Seen, "invitations");

/// A page of rows as that account sees them.
fn seen_by(viewer: AccountId, page: Page<invitation::Model>) -> Page<Seen> {
    let seen = |(cursor, row)| (cursor, Seen { row, viewer });
    Page {
        entries: page.entries.into_iter().map(seen).collect(),
        info: page.info,
    }
}

/// Result of a change to an invitation.
#[derive(SimpleObject)]
pub struct InvitationPayload {
    /// The updated invitation; null if nothing changed.
    invitation: Option<Invitation>,
    /// Business rules that the input broke.
    user_errors: Vec<UserError>,
}

/// Looking at invitations.
#[derive(Default)]
pub struct InvitationQuery;

#[Object]
impl InvitationQuery {
    /// The invitation of a mailed link, for its holder, who need not be signed in. Null if the link is unknown or was
    /// replaced by a newer one. At most 60 look-ups a minute from one address: `RATE_LIMITED`.
    async fn invitation_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Token from the link.", secret)] token: String,
    ) -> Result<Option<InvitationPreview>> {
        let (app, ip) = (ctx.app()?, ctx.auth()?.ip());
        Ok(invitations::preview(app, ip, &token).await?.map(InvitationPreview))
    }

    /// An invitation that the caller's account sent or received; null if there is none with this identifier. Requires
    /// MEMBER or above, or an API key with `NETWORK_READ` or MANAGE.
    async fn invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the invitation.")] id: InvitationId,
    ) -> Result<Option<Invitation>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let viewer = caller.require(leadmesh_core::identity::policy::Action::ReadInvitations)?;
        let found = invitations::find(app, caller, id).await?;
        Ok(found.map(|row| Invitation::new(row, viewer)))
    }

    /// Invitations that the caller's account sent and received, newest first. Invitations to the address of one of its
    /// users count as received. Requires MEMBER or above, or an API key with `NETWORK_READ` or MANAGE.
    async fn invitations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Invitations sent, or invitations received.")] direction: Option<InvitationDirection>,
        #[graphql(desc = "With one of these current statuses.")] status: Option<Vec<InvitationStatus>>,
        #[graphql(desc = "Returns the first n entries (1–100). 20 if neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Returns only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns the last n entries (1–100).")] last: Option<i32>,
        #[graphql(desc = "Returns only entries before this cursor.")] before: Option<String>,
    ) -> Result<InvitationConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (viewer, found) = invitations::list(app, caller, &Filter { direction, status })?;
        let args = PageArgs::new(first, after, last, before);
        let page = page(app.db.read(), found, Column::Id, |row| row.id.0, args).await?;
        Ok(seen_by(viewer, page).into())
    }
}
