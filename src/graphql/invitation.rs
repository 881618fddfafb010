//! Invitations to connect.

pub mod inputs;
mod mutations;

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::ids::AccountId;
use entity::invitation::{self, Column, InvitationStatus};
use entity::mail::{self, MailStatus};
use entity::relationship::RelationshipType;

use super::account::AccountProfile;
use super::account_link::AccountLink;
use super::context::{ContextExt, app_and_caller};
use super::ids::id_or_unknown;
use super::loaders::{self, LetterRow, StepInvitedBy};
use super::payload::UserError;
use super::relay::{Page, PageArgs, connection, page};
use super::scalars::EmailAddress;
use super::step::BuyerStep;
use crate::error::Result;
use crate::network::invitations::{self, Filter, InvitationDirection, Preview};
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

/// An invitation from one account to another, or to an email address, to connect. Accepting it makes a connection. It ends
/// unanswered when its time has passed; the inviter can send it again.
#[Object]
impl Invitation {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.row.id.to_string().into()
    }

    /// Where it stands at this moment.
    async fn status(&self, ctx: &Context<'_>) -> Result<InvitationStatus> {
        Ok(self.0.row.status_at(ctx.app()?.clock.now()))
    }

    /// Which way it went, as the caller's account sees it.
    async fn direction(&self) -> InvitationDirection {
        if self.is_mine() {
            InvitationDirection::Sent
        } else {
            InvitationDirection::Received
        }
    }

    /// What is proposed, in the caller's own words: `RECEIVE_LEADS` means "I receive leads from them".
    async fn relationship_type(&self) -> RelationshipType {
        self.0.row.type_for(self.0.viewer)
    }

    /// From the inviter to the invitee, at most 1,000 characters.
    async fn message(&self) -> Option<&str> {
        self.0.row.message.as_deref()
    }

    /// Who invites.
    async fn from(&self, ctx: &Context<'_>) -> Result<AccountProfile> {
        AccountProfile::load(ctx, self.0.row.from_account_id).await
    }

    /// Who is invited. Of an invitation that went to an email address the inviter sees it only with the answer: nobody learns whether
    /// an address has an account.
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

    /// The invited address; null when an account was invited by its identifier.
    async fn to_email(&self) -> Option<EmailAddress> {
        self.0.row.to_email.clone().map(EmailAddress)
    }

    /// What became of the letter that carries the newest link. Null for the invitee, and when none was written: because the
    /// invited account wants no mails and finds the invitation in its list, or because the address has got too many of others lately.
    async fn mail(&self, ctx: &Context<'_>) -> Result<Option<InvitationMail>> {
        let Some(id) = self.0.row.mail_id.filter(|_| self.is_mine()) else {
            return Ok(None);
        };
        Ok(loaders::load(ctx, LetterRow(id)).await?.map(InvitationMail::from))
    }

    /// When it ends unanswered, or did.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.row.expires_at
    }

    /// When it was sent first.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.row.created_at
    }

    /// When it was accepted, declined or taken back; null until then.
    async fn answered_at(&self) -> Option<DateTime<Utc>> {
        self.0.row.answered_at
    }

    /// The buyer step that it was sent with; null for the invitee, and when it was sent by itself.
    async fn buyer_step(&self, ctx: &Context<'_>) -> Result<Option<BuyerStep>> {
        if !self.is_mine() {
            return Ok(None);
        }
        let row = loaders::load(ctx, StepInvitedBy(self.0.viewer, self.0.row.id)).await?;
        Ok(row.and_then(BuyerStep::of))
    }

    /// The connection that came of it; null unless it was accepted.
    async fn connection(&self, ctx: &Context<'_>) -> Result<Option<AccountLink>> {
        match self.0.row.connection_id {
            Some(id) => AccountLink::load(ctx, self.0.viewer, id).await,
            None => Ok(None),
        }
    }
}

/// What became of an invitation's letter.
#[derive(SimpleObject)]
pub struct InvitationMail {
    /// QUEUED until the mail server has taken it, FAILED when it was given up after four tries or there is no mail server.
    status: MailStatus,
    /// When the mail server took it.
    sent_at: Option<DateTime<Utc>>,
    /// How often it was tried.
    attempts: i32,
    /// Why the last try failed; null after one that did not.
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
    /// Who invites.
    async fn from(&self, ctx: &Context<'_>) -> Result<AccountProfile> {
        AccountProfile::load(ctx, self.0.invitation.from_account_id).await
    }

    /// What is proposed, as the invitee sees it: `RECEIVE_LEADS` means that the invitee will get leads.
    async fn relationship_type(&self) -> RelationshipType {
        self.0.invitation.type_for_inviter().mirrored()
    }

    /// From the inviter.
    async fn message(&self) -> Option<&str> {
        self.0.invitation.message.as_deref()
    }

    /// The invited address, with which to sign up or in; null when an account was invited by its identifier.
    async fn to_email(&self) -> Option<EmailAddress> {
        self.0.invitation.to_email.clone().map(EmailAddress)
    }

    /// Where it stands at this moment. Only a PENDING one can be answered.
    async fn status(&self, ctx: &Context<'_>) -> Result<InvitationStatus> {
        Ok(self.0.invitation.status_at(ctx.app()?.clock.now()))
    }

    /// When it ends unanswered, or did.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.invitation.expires_at
    }

    /// Whether somebody with the invited address can sign in already; if not, sign up first.
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

/// An invitation after a change.
#[derive(SimpleObject)]
pub struct InvitationPayload {
    /// As it is now; null when nothing was changed.
    invitation: Option<Invitation>,
    /// Rules that the input broke.
    user_errors: Vec<UserError>,
}

/// Looking at invitations.
#[derive(Default)]
pub struct InvitationQuery;

#[Object]
impl InvitationQuery {
    /// The invitation of a mailed link, for its holder, who need not be signed in. Null for a link that is unknown or was replaced by a
    /// newer one. At most 60 look-ups a minute from one address: `RATE_LIMITED`.
    async fn invitation_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From the link.", secret)] token: String,
    ) -> Result<Option<InvitationPreview>> {
        let (app, ip) = (ctx.app()?, ctx.asking()?.ip());
        Ok(invitations::preview(app, ip, &token).await?.map(InvitationPreview))
    }

    /// An invitation that the caller's account sent or received; null if it has none by this identifier. Takes an OWNER, ADMIN or
    /// MEMBER, or a key with `NETWORK_READ` or MANAGE.
    async fn invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which invitation.")] id: ID,
    ) -> Result<Option<Invitation>> {
        let (app, caller) = app_and_caller(ctx).await?;
        let viewer = caller.require(crate::identity::policy::Action::ReadInvitations)?;
        let found = invitations::find(app, caller, id_or_unknown(&id)).await?;
        Ok(found.map(|row| Invitation::new(row, viewer)))
    }

    /// The invitations that the caller's account sent and received, newest first. Those to the address of one of its people count as
    /// received. Takes an OWNER, ADMIN or MEMBER, or a key with `NETWORK_READ` or MANAGE.
    #[expect(clippy::too_many_arguments, reason = "filters and the four arguments of a page")]
    async fn invitations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those sent, or only those received.")] direction: Option<InvitationDirection>,
        #[graphql(desc = "Only those that stand at one of these now.")] status: Option<Vec<InvitationStatus>>,
        #[graphql(desc = "The first so many entries, 1 to 100; 20 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only entries after this cursor.")] after: Option<String>,
        #[graphql(desc = "The last so many entries, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only entries before this cursor.")] before: Option<String>,
    ) -> Result<InvitationConnection> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (viewer, found) = invitations::list(app, caller, &Filter { direction, status })?;
        let args = PageArgs::new(first, after, last, before);
        let page = page(app.db.read(), found, Column::Id, |row| row.id.0, args).await?;
        Ok(seen_by(viewer, page).into())
    }
}
