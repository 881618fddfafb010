//! Sending and answering invitations.

use async_graphql::{Context, ID, Object};
use entity::invitation;

use super::inputs::{AnswerInvitationInput, SendInvitationInput};
use super::{Invitation, InvitationPayload};
use crate::error::Result;
use crate::graphql::account_link::ConnectionPayload;
use crate::graphql::context::app_and_caller;
use crate::graphql::ids::id_or_unknown;
use crate::graphql::payload::outcome;
use crate::identity::caller::Caller;
use crate::identity::policy::Action;
use crate::network::{answers, invitations};

/// Sending and answering invitations.
#[derive(Default)]
pub struct InvitationMutation;

#[Object]
impl InvitationMutation {
    /// Invites an account or an email address to connect, and mails a link. While an invitation to the same waits for its answer, that
    /// one is given back and nothing is sent. `SELF_INVITE`, `ALREADY_CONNECTED`, `NOT_FOUND`. Takes an OWNER or ADMIN. At most 300
    /// an hour, 100 of them by mail, and 5 to one account or address: `RATE_LIMITED`. An address that has got too many mails of others
    /// gets none, and the invitation holds all the same: `mail` is null.
    async fn send_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, and to what.")] input: SendInvitationInput,
    ) -> Result<InvitationPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        payload(caller, invitations::send(app, caller, &input.into()).await)
    }

    /// Sends a pending or expired invitation again, with a new link and a new time to answer; the old link ends.
    /// `INVITATION_CLOSED` when it was answered or taken back. Takes an OWNER or ADMIN.
    async fn resend_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "One that the account sent.")] id: ID,
    ) -> Result<InvitationPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        payload(caller, invitations::resend(app, caller, id_or_unknown(&id)).await)
    }

    /// Takes a pending invitation back: its link ends. `INVITATION_CLOSED`, EXPIRED. Takes an OWNER or ADMIN.
    async fn cancel_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "One that the account sent.")] id: ID,
    ) -> Result<InvitationPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        payload(caller, invitations::cancel(app, caller, id_or_unknown(&id)).await)
    }

    /// Accepts an invitation: the two accounts are connected at once, and other invitations between them are closed. Of several
    /// answers at the same moment one wins, the others get `INVITATION_CLOSED`. EXPIRED, `EMAIL_MISMATCH`, `ALREADY_CONNECTED`. Takes
    /// an OWNER or ADMIN.
    async fn accept_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which invitation.")] input: AnswerInvitationInput,
    ) -> Result<ConnectionPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        ConnectionPayload::of(answers::accept(app, caller, input.into()).await)
    }

    /// Declines an invitation. Nothing is connected; what the inviter prepared stays disabled. `INVITATION_CLOSED`, EXPIRED,
    /// `EMAIL_MISMATCH`. Takes an OWNER or ADMIN.
    async fn decline_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which invitation, and why.")] input: AnswerInvitationInput,
    ) -> Result<InvitationPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        payload(caller, answers::decline(app, caller, input.into()).await)
    }
}

fn payload(caller: &Caller, result: Result<invitation::Model>) -> Result<InvitationPayload> {
    let (row, user_errors) = outcome(result)?;
    let viewer = caller.require(Action::ManageNetwork)?;
    Ok(InvitationPayload {
        invitation: row.map(|row| Invitation::new(row, viewer)),
        user_errors,
    })
}
