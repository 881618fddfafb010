//! People of an account.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::ids::UserId;
use entity::user::{self, Role};

use super::context::app_and_caller;
use super::payload::{AcknowledgePayload, DeletePayload, UserError, outcome};
use super::scalars::EmailAddress;
use super::session::acknowledged;
use leadmesh_core::error::Result;
use leadmesh_core::identity::password_reset::{self, ChangePassword};
use leadmesh_core::identity::people::{self, InviteUser, Invited};
use leadmesh_core::identity::verification::{self, ChangeEmail};

/// A person of an account.
pub struct User(pub user::Model);

impl From<user::Model> for User {
    fn from(row: user::Model) -> Self {
        Self(row)
    }
}

/// A user: a person who signs in to an account.
#[Object]
impl User {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Display name, at most 120 characters.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Address that the user signs in with.
    async fn email(&self) -> EmailAddress {
        EmailAddress(self.0.email.clone())
    }

    /// When the user proved the address by a mailed link; null before, and while another user of the server has proven
    /// it.
    async fn email_verified_at(&self) -> Option<DateTime<Utc>> {
        self.0.email_verified_at
    }

    /// Role of the user.
    async fn role(&self) -> Role {
        self.0.role
    }

    /// When the last sign-in or session refresh happened, to about a minute; null if never.
    async fn last_seen_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_seen_at
    }

    /// When the user signed up or was invited.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// A new role for a user.
#[derive(InputObject)]
pub struct UpdateUserRoleInput {
    /// Identifier of the user.
    id: UserId,
    /// Role of the user. Only an OWNER can make or remove an OWNER; one who can sign in must remain.
    role: Role,
}

/// Result of a change to a user.
#[derive(SimpleObject)]
pub struct UserPayload {
    /// The updated user; null if nothing changed.
    user: Option<User>,
    /// Link by which the invited person sets a password, for the caller to pass on. Only if the server sends no mail,
    /// or no more to that address for now, and shown only once; otherwise null.
    one_time_link: Option<String>,
    /// Business rules that the input broke.
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
    /// Changes the caller's password and ends all of their other sessions.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The current and the new password.")] input: ChangePassword,
    ) -> Result<UserPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        UserPayload::of(password_reset::change(app, caller, input).await)
    }

    /// Changes the caller's sign-in address and mails a link that proves it. Until it is proven, `emailVerifiedAt` is
    /// null and the address does not count as the caller's. At most 5 an hour: `RATE_LIMITED`.
    async fn change_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new address and the password.")] input: ChangeEmail,
    ) -> Result<UserPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        UserPayload::of(verification::change_email(app, caller, input).await)
    }

    /// Mails again the link that proves the caller's address. Nothing is sent if it is proven. `NOT_CONFIGURED` if the
    /// server sends no mail. At most 5 an hour: `RATE_LIMITED`.
    async fn resend_verification(&self, ctx: &Context<'_>) -> Result<AcknowledgePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        acknowledged(verification::resend(app, caller).await)
    }

    /// Mails again the link that proves the contact address of the caller's account. Nothing is sent if it is proven.
    /// `NOT_CONFIGURED` if the server sends no mail. At most 5 an hour: `RATE_LIMITED`. Requires OWNER or ADMIN.
    async fn resend_contact_verification(&self, ctx: &Context<'_>) -> Result<AcknowledgePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        acknowledged(verification::resend_contact(app, caller).await)
    }

    /// Invites a user to the caller's account and mails a link, valid for seven days, to set a password. If the server
    /// sends no mail, or no more to that address for now, the payload has the link instead, once: `oneTimeLink`. At
    /// most 5 an hour to one address and 100 in all: `RATE_LIMITED`. Requires OWNER or ADMIN.
    async fn invite_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user and the role.")] input: InviteUser,
    ) -> Result<UserPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        UserPayload::invited(people::invite(app, caller, input).await)
    }

    /// Changes the role of a user of the caller's account, from their next request on. Requires OWNER or ADMIN.
    async fn update_user_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user and the role.")] input: UpdateUserRoleInput,
    ) -> Result<UserPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        UserPayload::of(people::update_role(app, caller, input.id, input.role).await)
    }

    /// Removes a user from the caller's account and ends their sessions and links immediately. Requires OWNER or ADMIN.
    async fn remove_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the user.")] id: UserId,
    ) -> Result<DeletePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        DeletePayload::of(people::remove(app, caller, id).await)
    }
}
