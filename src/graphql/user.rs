//! People of an account.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::user::{self, Role};

use super::context::app_and_caller;
use super::ids::id_or_unknown;
use super::payload::{AcknowledgePayload, DeletePayload, UserError, outcome};
use super::scalars::EmailAddress;
use super::session::acknowledged;
use crate::error::Result;
use crate::identity::password_reset::{self, ChangePassword};
use crate::identity::people::{self, InviteUser, Invited};
use crate::identity::verification::{self, ChangeEmail};

/// A person of an account.
pub struct User(pub user::Model);

impl From<user::Model> for User {
    fn from(row: user::Model) -> Self {
        Self(row)
    }
}

/// A person of an account.
#[Object]
impl User {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// As shown, at most 120 characters.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The address with which they sign in.
    async fn email(&self) -> EmailAddress {
        EmailAddress(self.0.email.clone())
    }

    /// When they have shown by a mailed link that the address is theirs; null until then, and while another user of the server has
    /// proven it.
    async fn email_verified_at(&self) -> Option<DateTime<Utc>> {
        self.0.email_verified_at
    }

    /// What they may do.
    async fn role(&self) -> Role {
        self.0.role
    }

    /// When they last logged in or refreshed their session, to about a minute; null if they never did.
    async fn last_seen_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_seen_at
    }

    /// When they signed up or were invited.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// Somebody who is to become a person of the caller's account.
#[derive(InputObject)]
pub struct InviteUserInput {
    /// The address to which the link goes and with which they will sign in; no two people of the account share one.
    email: EmailAddress,
    /// As shown, 1 to 120 characters.
    name: String,
    /// What they may do. Only an OWNER makes an OWNER.
    role: Role,
}

/// What somebody may do from now on.
#[derive(InputObject)]
pub struct UpdateUserRoleInput {
    /// Identifier of the person.
    id: ID,
    /// What they may do. Only an OWNER makes or unmakes an OWNER, and one who can sign in always stays.
    role: Role,
}

/// A new password by the old one.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The old password.
    #[graphql(secret)]
    current_password: String,
    /// The new password, under the same rules as at sign-up.
    #[graphql(secret)]
    new_password: String,
}

/// Another address to sign in with.
#[derive(InputObject)]
pub struct ChangeEmailInput {
    /// The new address.
    email: EmailAddress,
    /// The password, which stays.
    #[graphql(secret)]
    current_password: String,
}

/// A person of the caller's account after a change.
#[derive(SimpleObject)]
pub struct UserPayload {
    /// As they are now; null when nothing was changed.
    user: Option<User>,
    /// The link by which somebody who was just invited sets their password, to be passed on: only where the server sends no mail, or no
    /// more to that address for now, and only this once. Else null.
    one_time_link: Option<String>,
    /// Rules that the input broke.
    user_errors: Vec<UserError>,
}

impl UserPayload {
    fn of(result: Result<user::Model>) -> Result<Self> {
        let (user, user_errors) = outcome(result)?;
        Ok(Self {
            user: user.map(User),
            one_time_link: None,
            user_errors,
        })
    }

    fn invited(result: Result<Invited<user::Model>>) -> Result<Self> {
        let (invited, user_errors) = outcome(result)?;
        let (user, link) = invited.map(|invited| (invited.person, invited.link)).unzip();
        Ok(Self {
            user: user.map(User),
            one_time_link: link.flatten(),
            user_errors,
        })
    }
}

/// Changes of the account's people.
#[derive(Default)]
pub struct UserMutation;

#[Object]
impl UserMutation {
    /// Changes the caller's own password and ends all of their other sessions.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The old and the new password.")] input: ChangePasswordInput,
    ) -> Result<UserPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let input = ChangePassword {
            current_password: input.current_password,
            new_password: input.new_password,
        };
        UserPayload::of(password_reset::change(app, caller, input).await)
    }

    /// Gives the caller another address to sign in with, and mails a link there that proves it. Until then it does not count as theirs:
    /// `emailVerifiedAt` is null. At most 5 an hour: `RATE_LIMITED`.
    async fn change_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address, and the password.")] input: ChangeEmailInput,
    ) -> Result<UserPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let input = ChangeEmail {
            email: input.email.0,
            current_password: input.current_password,
        };
        UserPayload::of(verification::change_email(app, caller, input).await)
    }

    /// Mails the link again by which the caller proves their address; nothing is sent when they have. `NOT_CONFIGURED` where the server
    /// sends no mail. At most 5 an hour: `RATE_LIMITED`.
    async fn resend_verification(&self, ctx: &Context<'_>) -> Result<AcknowledgePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        acknowledged(verification::resend(app, caller).await)
    }

    /// The same for the contact address of the caller's account. Takes an OWNER or ADMIN.
    async fn resend_contact_verification(&self, ctx: &Context<'_>) -> Result<AcknowledgePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        acknowledged(verification::resend_contact(app, caller).await)
    }

    /// Makes somebody a person of the caller's account and mails them a link, valid for seven days, to set their password. A server
    /// that sends no mail, or no more to that address for now, answers the link instead, once: `oneTimeLink`. At most 5 an hour to one
    /// address, and 100 to all: `RATE_LIMITED`. Takes an OWNER or ADMIN.
    async fn invite_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who they are and what they may do.")] input: InviteUserInput,
    ) -> Result<UserPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let input = InviteUser {
            email: input.email.0,
            name: input.name,
            role: input.role,
        };
        UserPayload::invited(people::invite(app, caller, input).await)
    }

    /// Changes what a person of the caller's account may do, from their next request on. Takes an OWNER or ADMIN.
    async fn update_user_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and what they may do.")] input: UpdateUserRoleInput,
    ) -> Result<UserPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        UserPayload::of(people::update_role(app, caller, id_or_unknown(&input.id), input.role).await)
    }

    /// Removes a person from the caller's account; their sessions and links end at once. Takes an OWNER or ADMIN.
    async fn remove_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the person.")] id: ID,
    ) -> Result<DeletePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (removed, user_errors) = outcome(people::remove(app, caller, id_or_unknown(&id)).await)?;
        Ok(DeletePayload {
            deleted_id: removed.map(|id| id.to_string().into()),
            user_errors,
        })
    }
}
