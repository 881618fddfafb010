//! Signing up, in and out, and new passwords by mail, for people of accounts.

use async_graphql::{Context, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::ids::AccountId;

use super::context::ContextExt;
use super::payload::{AcknowledgePayload, UserError, outcome};
use super::scalars::EmailAddress;
use super::viewer::Viewer;
use leadmesh_core::error::Result;
use leadmesh_core::identity::account_confirmation::Consent;
use leadmesh_core::identity::caller::Principal;
use leadmesh_core::identity::password_reset::{self, NewPassword};
use leadmesh_core::identity::person::SignInScope;
use leadmesh_core::identity::sessions::{self, LogIn, SignedIn};
use leadmesh_core::identity::sign_up::{self, SignUp};
use leadmesh_core::identity::tokens::Scope;
use leadmesh_core::identity::verification::{self, Prover};

/// Tokens of a session.
#[derive(SimpleObject)]
pub struct Session {
    /// Send it with each request as `Authorization: Bearer …`. Short-lived.
    access_token: String,
    /// Exchange it for new tokens with `refreshSession`, once. Valid for 30 days. Keep it secret.
    refresh_token: String,
    /// When the access token expires.
    expires_at: DateTime<Utc>,
    /// When the session ends, however often it is refreshed: 90 days after sign-in, unless the operator has set another
    /// time. Then sign in again.
    ends_at: DateTime<Utc>,
}

impl From<sessions::Session> for Session {
    fn from(session: sessions::Session) -> Self {
        Self {
            access_token: session.access_token,
            refresh_token: session.refresh_token,
            expires_at: session.expires_at,
            ends_at: session.ends_at,
        }
    }
}

/// Result of a sign-in.
#[derive(SimpleObject)]
pub struct SessionPayload {
    /// The tokens; null if nobody was signed in.
    session: Option<Session>,
    /// The person who was signed in.
    viewer: Option<Viewer>,
    /// Business rules that the input broke.
    user_errors: Vec<UserError>,
}

impl SessionPayload {
    pub(super) fn of(result: Result<SignedIn>) -> Result<Self> {
        let (signed_in, user_errors) = outcome(result)?;
        let (session, caller) = signed_in.map(|found| (found.session, found.caller)).unzip();
        Ok(Self {
            session: session.map(Session::from),
            viewer: caller.and_then(Viewer::of),
            user_errors,
        })
    }
}

/// Says that it was done, and no more.
pub(super) fn acknowledged(result: Result<()>) -> Result<AcknowledgePayload> {
    let (done, user_errors) = outcome(result)?;
    Ok(AcknowledgePayload {
        ok: done.is_some(),
        user_errors,
    })
}

/// Credentials of a user.
#[derive(InputObject)]
pub struct LogInInput {
    /// Email address, in any case.
    email: EmailAddress,
    /// Password.
    #[graphql(secret)]
    password: String,
    /// The account, if several accept this address and password. Defaults to the one that proved the address, otherwise
    /// the last one used.
    account_id: Option<AccountId>,
}

/// Sets a password through a mailed link.
#[derive(InputObject)]
pub struct ResetPasswordInput {
    /// Token from the link of an invitation or of a password reset.
    #[graphql(secret)]
    token: String,
    /// The new password. The rules of `SignUpInput.password` apply.
    #[graphql(secret)]
    password: String,
    /// Whether to take over the account with everything in it. Required while nobody who reads the address has set its
    /// password and more than this user has, or will have, access to the account. Without it the answer is CONFLICT and
    /// lists that access.
    #[graphql(default)]
    confirm_account: bool,
}

/// Signing up, in and out.
#[derive(Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Creates an account with its first user and its Inbox, and signs the user in. Mails a link that proves the
    /// address; until then others may claim the same address, and it receives nothing. If the operator requires no
    /// proof, an address that another user has is TAKEN. FORBIDDEN if the operator has closed sign-up. With an
    /// invitation token the address must be the invited one: `EMAIL_MISMATCH`, EXPIRED, `INVITATION_CLOSED`. Attempts
    /// per network address are limited: `RATE_LIMITED`.
    async fn sign_up(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The company and its first user.")] input: SignUp,
    ) -> Result<SessionPayload> {
        let (app, ip) = (ctx.app()?, ctx.auth()?.ip());
        SessionPayload::of(sign_up::sign_up(app, ip, input.origin(), input).await)
    }

    /// Signs a user in. The answer does not tell a wrong password from an unknown address. Too many attempts from one
    /// network are refused for a while: `RATE_LIMITED`. Too many attempts on one address are refused in networks where
    /// its user has not signed in before.
    async fn log_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Email address and password.")] input: LogInInput,
    ) -> Result<SessionPayload> {
        let (app, ip) = (ctx.app()?, ctx.auth()?.ip());
        let within = match input.account_id {
            Some(id) => SignInScope::Account(id),
            None => SignInScope::Scope(Scope::Account),
        };
        let input = LogIn {
            email: input.email.0,
            password: input.password,
        };
        SessionPayload::of(sessions::log_in_within(app, within, ip, input).await)
    }

    /// Exchanges a refresh token for new tokens, once. The same token within 60 seconds, after a lost answer, returns
    /// the same new refresh token. Later, or once the new one was used, it ends the session, because two parties hold
    /// its tokens. A session ends at `endsAt` however often it is refreshed. Also for portal sessions.
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The latest refresh token.", secret)] refresh_token: String,
    ) -> Result<SessionPayload> {
        let (app, ip) = (ctx.app()?, ctx.auth()?.ip());
        SessionPayload::of(sessions::refresh(app, ip, &refresh_token).await)
    }

    /// Ends a session: its refresh token immediately, its access token with the next request. An unknown token counts
    /// as ended. Also for portal sessions.
    async fn log_out(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Refresh token of the session.", secret)] refresh_token: String,
    ) -> Result<AcknowledgePayload> {
        let (app, ip) = (ctx.app()?, ctx.auth()?.ip());
        acknowledged(sessions::log_out(app, ip, &refresh_token).await)
    }

    /// Mails a link, valid for an hour, to set a new password. The answer does not reveal whether the address exists.
    /// While nobody has proven the address, each account that claims it gets a link, and the mail names the account; if
    /// nobody has a password yet, each account that invited the address. After a few requests an hour nothing more is
    /// mailed and the answer stays the same; earlier links remain valid until they expire or one is used.
    async fn request_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Address of a user.")] email: EmailAddress,
    ) -> Result<AcknowledgePayload> {
        let (app, ip) = (ctx.app()?, ctx.auth()?.ip());
        acknowledged(password_reset::request(app, Scope::Account, ip, &email.0).await)
    }

    /// Proves an address by the token of a mailed link: that of a user, or the contact address of an account. From then
    /// on it receives invitations, and the account is found by it. TAKEN if another user of the server has proven it.
    /// CONFLICT, with a list, if more than this user has access to the account: sign in as the user first, or send
    /// `confirmAccount`. A link works once, within three days.
    async fn verify_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Token from the link.", secret)] token: String,
        #[graphql(
            desc = "Whether to take over the account with everything in it, as in `resetPassword`.",
            default = false
        )]
        confirm_account: bool,
    ) -> Result<AcknowledgePayload> {
        let (app, auth) = (ctx.app()?, ctx.auth()?);
        // With a token that has ended the link works as without one.
        let signed_in = match auth.caller(app).await.map(|caller| &caller.principal) {
            Ok(Principal::User { id, .. }) => Some(*id),
            _ => None,
        };
        let prover = Prover {
            ip: auth.ip(),
            signed_in,
            consent: Consent::from(confirm_account),
        };
        acknowledged(verification::verify(app, prover, &token).await)
    }

    /// Sets a user's password through a mailed link, ends all of their sessions and signs them in. A link works once. A
    /// mailed link also proves the address.
    async fn reset_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token from the link and the new password.")] input: ResetPasswordInput,
    ) -> Result<SessionPayload> {
        let (app, ip) = (ctx.app()?, ctx.auth()?.ip());
        let consent = Consent::from(input.confirm_account);
        let input = NewPassword {
            token: input.token,
            password: input.password,
            name: None,
        };
        SessionPayload::of(password_reset::reset_with(app, Scope::Account, ip, input, consent).await)
    }
}
