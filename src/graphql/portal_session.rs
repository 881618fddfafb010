//! Signing in and new passwords by mail, for a partner's people in the portal. Refreshing and logging out are the same for both.

use async_graphql::{Context, ID, InputObject, Object};

use super::context::ContextExt;
use super::ids::id_or_unknown;
use super::payload::AcknowledgePayload;
use super::scalars::EmailAddress;
use super::session::{SessionPayload, acknowledged};
use crate::error::Result;
use crate::identity::password_reset::{self, NewPassword};
use crate::identity::person::SignInScope;
use crate::identity::sessions::{self, LogIn};
use crate::identity::tokens::Scope;

/// What a portal user types in to sign in.
#[derive(InputObject)]
pub struct PortalLogInInput {
    /// Their address, in any case.
    email: EmailAddress,
    /// Their password.
    #[graphql(secret)]
    password: String,
    /// The partner, where the portals of several know the address and the password; left out, the one that was used last.
    partner_id: Option<ID>,
}

/// A password by a mailed link.
#[derive(InputObject)]
pub struct ActivatePortalUserInput {
    /// From the link, of an invitation or of a request for a new password.
    #[graphql(secret)]
    token: String,
    /// The new password, under the same rules as at sign-up.
    #[graphql(secret)]
    password: String,
    /// What they want to be called, 1 to 120 characters; left out, as before.
    name: Option<String>,
}

/// Signing in to the portal.
#[derive(Default)]
pub struct PortalSessionMutation;

#[Object]
impl PortalSessionMutation {
    /// Signs a partner's person in to the portal. A wrong password and an unknown address are told alike. Too many tries are
    /// refused for a while: `RATE_LIMITED`. While the partner's portal is off: FORBIDDEN.
    async fn portal_log_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Address and password.")] input: PortalLogInInput,
    ) -> Result<SessionPayload> {
        let (app, ip) = (ctx.app()?, ctx.asking()?.ip());
        let within = within(input.partner_id.as_ref());
        let input = LogIn {
            email: input.email.0,
            password: input.password,
        };
        SessionPayload::of(sessions::log_in_within(app, within, ip, input).await)
    }

    /// Sets a portal user's password by a mailed link, ends all of their sessions, and signs them in. A link works once.
    async fn activate_portal_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The link's token and the new password.")] input: ActivatePortalUserInput,
    ) -> Result<SessionPayload> {
        let (app, ip) = (ctx.app()?, ctx.asking()?.ip());
        let input = NewPassword {
            token: input.token,
            password: input.password,
            name: input.name,
        };
        SessionPayload::of(password_reset::reset(app, Scope::Portal, ip, input).await)
    }

    /// Mails a link, valid for an hour, to set a new password for the portal. The answer is the same whether or not somebody
    /// has that address. Who uses the portals of several partners gets one mail with a link for each, at most 5.
    async fn request_portal_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address of a portal user.")] email: EmailAddress,
        #[graphql(desc = "The partner whose portal it is for; by default all of theirs.")] partner_id: Option<ID>,
    ) -> Result<AcknowledgePayload> {
        let (app, ip) = (ctx.app()?, ctx.asking()?.ip());
        let within = within(partner_id.as_ref());
        acknowledged(password_reset::request_within(app, within, ip, &email.0).await)
    }
}

/// One partner's portal, or all.
fn within(partner: Option<&ID>) -> SignInScope {
    match partner {
        Some(id) => SignInScope::Partner(id_or_unknown(id)),
        None => SignInScope::Scope(Scope::Portal),
    }
}
