//! Sending and answering invitations.

use async_graphql::{Context, Object};
use entity::ids::InvitationId;
use entity::invitation;

use super::{Invitation, InvitationPayload};
use crate::account_link::ConnectionPayload;
use crate::context::app_and_caller;
use crate::payload::outcome;
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_network::answers::{self, Answer};
use leadmesh_network::invitations::{self, NewInvitation};

/// Sending and answering invitations.
#[derive(Default)]
pub struct InvitationMutation;

#[Object]
impl InvitationMutation {
    /// Invites an account or an email address to connect, and mails a link. If an invitation to the same recipient is
    /// unanswered, returns that one and sends nothing. Errors: `SELF_INVITE`, `ALREADY_CONNECTED`, `NOT_FOUND`. At most
    /// 300 an hour, 100 of them by email, and 5 to one account or address: `RATE_LIMITED`. An address that got too many
    /// mails from others gets none; the invitation is valid all the same, and `mail` is null. Requires OWNER or ADMIN.
    async fn send_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The invitee and the proposed relationship.")] input: NewInvitation,
    ) -> Result<InvitationPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        payload(caller, invitations::send(app, caller, &input).await)
    }

    /// Sends a pending or expired invitation again, with a new link and a new expiry; the old link stops working.
    /// `INVITATION_CLOSED` if it was answered or cancelled. Requires OWNER or ADMIN.
    async fn resend_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of an invitation that the account sent.")] id: InvitationId,
    ) -> Result<InvitationPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        payload(caller, invitations::resend(app, caller, id).await)
    }

    /// Cancels a pending invitation; its link stops working. Errors: `INVITATION_CLOSED`, EXPIRED. Requires OWNER or
    /// ADMIN.
    async fn cancel_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of an invitation that the account sent.")] id: InvitationId,
    ) -> Result<InvitationPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        payload(caller, invitations::cancel(app, caller, id).await)
    }

    /// Accepts an invitation: connects the two accounts immediately and closes other invitations between them. Of
    /// concurrent answers one wins; the others get `INVITATION_CLOSED`. Errors: EXPIRED, `EMAIL_MISMATCH`,
    /// `ALREADY_CONNECTED`. Requires OWNER or ADMIN.
    async fn accept_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The invitation.")] input: Answer,
    ) -> Result<ConnectionPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        ConnectionPayload::of(answers::accept(app, caller, input).await)
    }

    /// Declines an invitation. Nothing is connected; what the inviter prepared stays disabled. Errors:
    /// `INVITATION_CLOSED`, EXPIRED, `EMAIL_MISMATCH`. Requires OWNER or ADMIN.
    async fn decline_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The invitation and the reason.")] input: Answer,
    ) -> Result<InvitationPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        payload(caller, answers::decline(app, caller, input).await)
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
