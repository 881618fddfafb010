//! Signing in and new passwords by mail, for a partner's people in the portal. Refreshing and logging out are the same for both.

use async_graphql::{Context, InputObject, Object};
use entity::ids::PartnerId;

use super::context::ContextExt;
use super::payload::AcknowledgePayload;
use super::scalars::EmailAddress;
use super::session::{SessionPayload, acknowledged};
use leadmesh_core::error::Result;
use leadmesh_core::identity::password_reset::{self, NewPassword};
use leadmesh_core::identity::person::SignInScope;
use leadmesh_core::identity::sessions::{self, LogIn};
use leadmesh_core::identity::tokens::Scope;

/// Credentials of a portal user.
#[derive(InputObject)]
pub struct PortalLogInInput {
    /// Email address, in any case.
    email: EmailAddress,
    /// Password.
    #[graphql(secret)]
    password: String,
    /// The partner, if the portals of several accept this address and password. Defaults to the last one used.
    partner_id: Option<PartnerId>,
}

/// Signing in to the portal.
#[derive(Default)]
pub struct PortalSessionMutation;

#[Object]
impl PortalSessionMutation {
    /// Signs a portal user in. The answer does not tell a wrong password from an unknown address. Too many attempts are
    /// refused for a while: `RATE_LIMITED`. FORBIDDEN while the partner's portal is disabled.
    async fn portal_log_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Email address and password.")] input: PortalLogInInput,
    ) -> Result<SessionPayload> {
        let (app, ip) = (ctx.app()?, ctx.auth()?.ip());
        let within = within(input.partner_id);
        let input = LogIn {
            email: input.email.0,
            password: input.password,
        };
        SessionPayload::of(sessions::log_in_within(app, within, ip, input).await)
    }

    /// Sets a portal user's password through a mailed link, ends all of their sessions and signs them in. A link works
    /// once.
    async fn activate_portal_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token from the link and the new password.")] input: NewPassword,
    ) -> Result<SessionPayload> {
        let (app, ip) = (ctx.app()?, ctx.auth()?.ip());
        SessionPayload::of(password_reset::reset(app, Scope::Portal, ip, input).await)
    }

    /// Mails a link, valid for an hour, to set a new portal password. The answer does not reveal whether the address
    /// exists. A person with portal users of several partners gets one mail with at most 5 links.
    async fn request_portal_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Address of a portal user.")] email: EmailAddress,
        #[graphql(desc = "The partner whose portal is meant. Defaults to all of theirs.")] partner_id: Option<
            PartnerId,
        >,
    ) -> Result<AcknowledgePayload> {
        let (app, ip) = (ctx.app()?, ctx.auth()?.ip());
        let within = within(partner_id);
        acknowledged(password_reset::request_within(app, within, ip, &email.0).await)
    }
}

/// One partner's portal, or all.
fn within(partner: Option<PartnerId>) -> SignInScope {
    match partner {
        Some(id) => SignInScope::Partner(id),
        None => SignInScope::Scope(Scope::Portal),
    }
}
