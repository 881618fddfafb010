//! Who may come into a partner's portal.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::ids::PortalUserId;
use entity::partner;
use entity::portal_user::{self, PortalPermission};

use super::context::app_and_caller;
use super::delivery_settings::inputs::DeliverySettingsInput;
use super::loaders::{self, PortalUsersOf};
use super::partner::{Partner, PartnerPayload};
use super::payload::{DeletePayload, UserError, outcome};
use super::scalars::EmailAddress;
use leadmesh_core::error::Result;
use leadmesh_core::identity::people::Invited;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::portal_users::{self, InvitePortalUser, UpdateContact, UpdatePortalUser};
use leadmesh_core::identity::viewer;
use leadmesh_distribution::settings;

/// A person of a partner.
pub struct PortalUser(pub portal_user::Model);

impl From<portal_user::Model> for PortalUser {
    fn from(row: portal_user::Model) -> Self {
        Self(row)
    }
}

/// A portal user: a person who signs in to a partner's portal.
#[Object]
impl PortalUser {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Address that the portal user signs in with.
    async fn email(&self) -> EmailAddress {
        EmailAddress(self.0.email.clone())
    }

    /// When the portal user proved the address by a mailed link.
    async fn email_verified_at(&self) -> Option<DateTime<Utc>> {
        self.0.email_verified_at
    }

    /// Display name, at most 120 characters.
    async fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Phone number, in free form.
    async fn phone(&self) -> Option<&str> {
        self.0.phone.as_deref()
    }

    /// Permissions in the portal.
    async fn permissions(&self) -> &[PortalPermission] {
        &self.0.permissions.0
    }

    /// When the portal user was invited.
    async fn invited_at(&self) -> Option<DateTime<Utc>> {
        self.0.invited_at
    }

    /// When the portal user first set a password; null before.
    async fn activated_at(&self) -> Option<DateTime<Utc>> {
        self.0.activated_at
    }

    /// When the last sign-in or session refresh happened, to about a minute; null if never.
    async fn last_seen_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_seen_at
    }
}

/// The portal of a partner, as the account sees it.
pub struct PortalAccess(pub partner::Model);

/// Access of a partner to the portal.
#[Object]
impl PortalAccess {
    /// Whether the portal is enabled. While it is disabled, no portal user of the partner can sign in.
    async fn enabled(&self) -> bool {
        self.0.portal_enabled
    }

    /// Portal users of the partner, in the order of their invitations.
    async fn users(&self, ctx: &Context<'_>) -> Result<Vec<PortalUser>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::ReadSetup)?;
        let users = loaders::list(ctx, PortalUsersOf(account, self.0.id)).await?;
        Ok(users.into_iter().map(PortalUser).collect())
    }

    /// Default permissions of invited portal users.
    async fn permissions(&self) -> &[PortalPermission] {
        &self.0.portal_permissions.0
    }
}

/// Result of a change to a portal user.
#[derive(SimpleObject)]
pub struct PortalUserPayload {
    /// The updated portal user; null if nothing changed.
    pub portal_user: Option<PortalUser>,
    /// The partner's new signing secret, shown only once, if `updatePortalDelivery` created one; otherwise null.
    pub signing_secret: Option<String>,
    /// Link by which the invited person sets a password, for the caller to pass on. Only if the server sends no mail,
    /// or no more to that address for now, and shown only once; otherwise null.
    pub one_time_link: Option<String>,
    /// Business rules that the input broke.
    pub user_errors: Vec<UserError>,
}

impl PortalUserPayload {
    fn of(result: Result<portal_user::Model>) -> Result<Self> {
        let (user, user_errors) = outcome(result)?;
        Ok(Self {
            portal_user: user.map(PortalUser),
            signing_secret: None,
            one_time_link: None,
            user_errors,
        })
    }

    fn invited(result: Result<Invited<portal_user::Model>>) -> Result<Self> {
        let (invited, user_errors) = outcome(result)?;
        let (user, link) = invited.map(|invited| (invited.person, invited.link)).unzip();
        Ok(Self {
            portal_user: user.map(PortalUser),
            signing_secret: None,
            one_time_link: link.flatten(),
            user_errors,
        })
    }
}

/// Changes of who may come into a portal.
#[derive(Default)]
pub struct PortalUserMutation;

#[Object]
impl PortalUserMutation {
    /// Enables or disables the portal of a partner. Requires MEMBER or above, or an API key with MANAGE.
    async fn set_portal_access(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The partner and its portal access.")] input: portal_users::PortalAccess,
    ) -> Result<PartnerPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (partner, user_errors) = outcome(portal_users::set_access(app, caller, input).await)?;
        Ok(PartnerPayload {
            partner: partner.map(Partner),
            signing_secret: None,
            user_errors,
        })
    }

    /// Invites a portal user of a partner and mails a link, valid for seven days, to set a password. If the server
    /// sends no mail, or no more to that address for now, the payload has the link instead, once: `oneTimeLink`. At
    /// most 5 an hour to one address and 100 in all: `RATE_LIMITED`. Requires MEMBER or above, or an API key with
    /// MANAGE.
    async fn invite_portal_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The portal user, the partner and the permissions.")] input: InvitePortalUser,
    ) -> Result<PortalUserPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        PortalUserPayload::invited(portal_users::invite(app, caller, input).await)
    }

    /// Changes the permissions of a portal user. Removed permissions end immediately, with the subscriptions that need
    /// them. Requires MEMBER or above, or an API key with MANAGE.
    async fn update_portal_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The portal user and the permissions.")] input: UpdatePortalUser,
    ) -> Result<PortalUserPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        PortalUserPayload::of(portal_users::update(app, caller, input).await)
    }

    /// Removes a portal user of a partner and ends their sessions and links immediately. Requires MEMBER or above, or
    /// an API key with MANAGE.
    async fn remove_portal_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the portal user.")] id: PortalUserId,
    ) -> Result<DeletePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        DeletePayload::of(portal_users::remove(app, caller, id).await)
    }

    /// Changes the calling portal user's own contact data. Requires a portal session with `EDIT_CONTACT`.
    async fn update_portal_contact(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateContact,
    ) -> Result<PortalUserPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        PortalUserPayload::of(portal_users::update_contact(app, caller, input).await)
    }

    /// Changes how the calling portal user's company receives leads: by email, by webhook or in the portal. The shared
    /// fields stay as the account has set them, whatever `fields` says; a connected account cannot be chosen
    /// (`NOT_CONNECTED`). Requires a portal session with `EDIT_DELIVERY`.
    async fn update_portal_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "All delivery settings.")] input: DeliverySettingsInput,
    ) -> Result<PortalUserPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let changed = settings::set_from_portal(app, caller, input.into()).await;
        let (changed, user_errors) = outcome(changed)?;
        let portal_user = match &changed {
            Some(_) => viewer::portal_user(app, caller).await?.map(PortalUser),
            None => None,
        };
        Ok(PortalUserPayload {
            portal_user,
            signing_secret: changed.and_then(|changed| changed.signing_secret),
            one_time_link: None,
            user_errors,
        })
    }
}
