//! Signing up, in and out, and new passwords by mail, for people of accounts.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::context::ContextExt;
use super::ids::id_or_unknown;
use super::payload::{AcknowledgePayload, UserError, outcome};
use super::scalars::{EmailAddress, TimeZone, UrlText};
use super::viewer::Viewer;
use crate::error::Result;
use crate::identity::account_confirmation::Consent;
use crate::identity::caller::Principal;
use crate::identity::password_reset::{self, NewPassword};
use crate::identity::person::SignInScope;
use crate::identity::sessions::{self, LogIn, SignedIn};
use crate::identity::sign_up::{self, SignUp};
use crate::identity::tokens::Scope;
use crate::identity::verification::{self, Prover};

/// The tokens of one log-in.
#[derive(SimpleObject)]
pub struct Session {
    /// Sent with each request as `Authorization: Bearer …`; short-lived.
    access_token: String,
    /// Taken by refreshSession for new tokens, once. Kept for 30 days; keep it secret.
    refresh_token: String,
    /// When the access token ends.
    expires_at: DateTime<Utc>,
    /// When the session ends, however often it is refreshed: 90 days after the log-in, unless the operator says otherwise. Then the
    /// person has to sign in again.
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

/// A log-in.
#[derive(SimpleObject)]
pub struct SessionPayload {
    /// The tokens; null when nobody was signed in.
    session: Option<Session>,
    /// Who has just signed in.
    viewer: Option<Viewer>,
    /// Rules that the input broke.
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

/// What a company says of itself and its first person.
#[derive(InputObject)]
pub struct SignUpInput {
    /// The company's name that partners will see, 1 to 120 characters.
    account_name: String,
    /// The name of the first person, who becomes OWNER, 1 to 120 characters.
    name: String,
    /// Their address, with which they sign in; the account's contact address too, until that is changed.
    email: EmailAddress,
    /// Their password: 10 to 200 characters, however a device writes them (RFC 8265), none of them a control character. A refusal
    /// says what to change.
    #[graphql(secret)]
    password: String,
    /// The company's website, which partners will see.
    website: Option<UrlText>,
    /// The zone in which the company's days begin; UTC when left out.
    timezone: Option<TimeZone>,
    /// From the link of an invitation to connect; `email` is the invited address then. Signing up answers nothing: accept or decline
    /// afterwards.
    #[graphql(secret)]
    invitation_token: Option<String>,
}

impl From<SignUpInput> for SignUp {
    fn from(input: SignUpInput) -> Self {
        Self {
            account_name: input.account_name,
            name: input.name,
            email: input.email.0,
            password: input.password,
            website: input.website.map(|url| url.0),
            timezone: input.timezone.map(|zone| zone.0),
            invitation_token: input.invitation_token,
        }
    }
}

/// What a person types in to sign in.
#[derive(InputObject)]
pub struct LogInInput {
    /// Their address, in any case.
    email: EmailAddress,
    /// Their password.
    #[graphql(secret)]
    password: String,
    /// The account, where several know the address and the password; left out, the one for which the address is proven, else the one
    /// that was used last.
    account_id: Option<ID>,
}

/// A password by a mailed link.
#[derive(InputObject)]
pub struct ResetPasswordInput {
    /// From the link, of an invitation or of a request for a new password.
    #[graphql(secret)]
    token: String,
    /// The new password, under the same rules as at sign-up.
    #[graphql(secret)]
    password: String,
    /// Whether the account is taken with all that is in it. Needed while nobody who reads the address has set its password, and more
    /// than this person has access to the account, or will have: without it the answer is CONFLICT and lists what there is.
    #[graphql(default)]
    confirm_account: bool,
}

/// Signing up, in and out.
#[derive(Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Makes an account with its first person and its inbox, and signs that person in. A link is mailed that proves the address; until it
    /// was used, others may claim the same address, and it receives nothing. Where the operator asks for no proof, an address that
    /// somebody has is TAKEN. The operator may have closed sign-up: FORBIDDEN. With the token of an invitation the address has to be the invited one: `EMAIL_MISMATCH`, EXPIRED,
    /// `INVITATION_CLOSED`. At most so many tries from one address are taken: `RATE_LIMITED`.
    async fn sign_up(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The company and its first person.")] input: SignUpInput,
    ) -> Result<SessionPayload> {
        let (app, ip) = (ctx.app()?, ctx.asking()?.ip());
        let input = SignUp::from(input);
        SessionPayload::of(sign_up::sign_up(app, ip, input.origin(), input).await)
    }

    /// Signs a person of an account in. A wrong password and an unknown address are told alike. Too many tries from one network are
    /// refused for a while: `RATE_LIMITED`; too many from everywhere for one address, in networks in which its person has not signed in
    /// before.
    async fn log_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Address and password.")] input: LogInInput,
    ) -> Result<SessionPayload> {
        let (app, ip) = (ctx.app()?, ctx.asking()?.ip());
        let within = match &input.account_id {
            Some(id) => SignInScope::Account(id_or_unknown(id)),
            None => SignInScope::Scope(Scope::Account),
        };
        let input = LogIn {
            email: input.email.0,
            password: input.password,
        };
        SessionPayload::of(sessions::log_in_within(app, within, ip, input).await)
    }

    /// Takes a refresh token for new tokens, once. The same again within 60 seconds, because the answer was lost, gives the same
    /// refresh token again. Later, or when that one was used already, it ends the session: then two parties hold its tokens. However
    /// often it is refreshed, a session ends at `endsAt`. For portal sessions too.
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The refresh token given last.", secret)] refresh_token: String,
    ) -> Result<SessionPayload> {
        let (app, ip) = (ctx.app()?, ctx.asking()?.ip());
        SessionPayload::of(sessions::refresh(app, ip, &refresh_token).await)
    }

    /// Ends a session: its refresh token at once, its access token with the next request. A token that is not known is as good
    /// as ended. For portal sessions too.
    async fn log_out(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The refresh token of the session.", secret)] refresh_token: String,
    ) -> Result<AcknowledgePayload> {
        let (app, ip) = (ctx.app()?, ctx.asking()?.ip());
        acknowledged(sessions::log_out(app, ip, &refresh_token).await)
    }

    /// Mails a link, valid for an hour, to set a new password. The answer is the same whether or not somebody has that address. While
    /// nobody has proven it, each account that claims it gets a link, and the mail says which; where nobody has a password yet, each
    /// account to which the address was invited. After a few requests an hour nothing more is mailed, and the answer is the same: links
    /// mailed before go on to work until their time, or until one is used.
    async fn request_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address of a person of an account.")] email: EmailAddress,
    ) -> Result<AcknowledgePayload> {
        let (app, ip) = (ctx.app()?, ctx.asking()?.ip());
        acknowledged(password_reset::request(app, Scope::Account, ip, &email.0).await)
    }

    /// Proves an address by the token of a mailed link: that of a person, or the contact address of an account. From then on it
    /// counts: invitations to it are received, and the account is found by it. TAKEN when another user of the server has proven it
    /// before. CONFLICT, with a list, when more than this person has access to the account: sign in as the person first, or send
    /// `confirmAccount`. A link works once, within three days.
    async fn verify_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From the link.", secret)] token: String,
        #[graphql(
            desc = "Whether the account is taken with all that is in it, as for resetPassword.",
            default = false
        )]
        confirm_account: bool,
    ) -> Result<AcknowledgePayload> {
        let (app, asking) = (ctx.app()?, ctx.asking()?);
        // With a token that has ended the link works as without one.
        let signed_in = match asking.caller(app).await.map(|caller| &caller.principal) {
            Ok(Principal::User { id, .. }) => Some(*id),
            _ => None,
        };
        let prover = Prover {
            ip: asking.ip(),
            signed_in,
            consent: Consent::from(confirm_account),
        };
        acknowledged(verification::verify(app, prover, &token).await)
    }

    /// Sets a password by a mailed link, ends all of the person's sessions, and signs them in. A link works once. One that was mailed
    /// proves the address, too.
    async fn reset_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The link's token and the new password.")] input: ResetPasswordInput,
    ) -> Result<SessionPayload> {
        let (app, ip) = (ctx.app()?, ctx.asking()?.ip());
        let consent = Consent::from(input.confirm_account);
        let input = NewPassword {
            token: input.token,
            password: input.password,
            name: None,
        };
        SessionPayload::of(password_reset::reset_with(app, Scope::Account, ip, input, consent).await)
    }
}
