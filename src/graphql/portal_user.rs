//! Who may come into a partner's portal.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::partner;
use entity::portal_user::{self, PortalPermission};

use super::context::app_and_caller;
use super::delivery_settings::inputs::DeliverySettingsInput;
use super::ids::id_or_unknown;
use super::loaders::{self, PortalUsersOf};
use super::partner::{Partner, PartnerPayload};
use super::payload::{DeletePayload, UserError, outcome};
use super::scalars::EmailAddress;
use crate::distribution::settings;
use crate::error::Result;
use crate::identity::people::Invited;
use crate::identity::policy::Action;
use crate::identity::portal_users::{self, InvitePortalUser, UpdateContact, UpdatePortalUser};
use crate::identity::viewer;

/// A person of a partner.
pub struct PortalUser(pub portal_user::Model);

impl From<portal_user::Model> for PortalUser {
    fn from(row: portal_user::Model) -> Self {
        Self(row)
    }
}

/// A person of a partner, who sees the partner's leads in the portal.
#[Object]
impl PortalUser {
    /// Identifier.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// The address with which they sign in to the portal.
    async fn email(&self) -> EmailAddress {
        EmailAddress(self.0.email.clone())
    }

    /// When they have shown by a mailed link that the address is theirs.
    async fn email_verified_at(&self) -> Option<DateTime<Utc>> {
        self.0.email_verified_at
    }

    /// As shown, at most 120 characters.
    async fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Their phone number, as they wrote it.
    async fn phone(&self) -> Option<&str> {
        self.0.phone.as_deref()
    }

    /// What they may do in the portal.
    async fn permissions(&self) -> &[PortalPermission] {
        &self.0.permissions.0
    }

    /// When they were invited.
    async fn invited_at(&self) -> Option<DateTime<Utc>> {
        self.0.invited_at
    }

    /// When they first set their password; null until then.
    async fn activated_at(&self) -> Option<DateTime<Utc>> {
        self.0.activated_at
    }

    /// When they last logged in or refreshed their session, to about a minute; null if they never did.
    async fn last_seen_at(&self) -> Option<DateTime<Utc>> {
        self.0.last_seen_at
    }
}

/// The portal of a partner, as the account sees it.
pub struct PortalAccess(pub partner::Model);

/// Whether and as whom a partner's people may come into the portal.
#[Object]
impl PortalAccess {
    /// Whether they may; while it is off nobody of the partner can sign in.
    async fn enabled(&self) -> bool {
        self.0.portal_enabled
    }

    /// The partner's people in the portal, in the order in which they were invited.
    async fn users(&self, ctx: &Context<'_>) -> Result<Vec<PortalUser>> {
        let (_, caller) = app_and_caller(ctx).await?;
        let account = caller.require(Action::ReadSetup)?;
        let users = loaders::list(ctx, PortalUsersOf(account, self.0.id)).await?;
        Ok(users.into_iter().map(PortalUser).collect())
    }

    /// What people may do who are invited without saying so.
    async fn permissions(&self) -> &[PortalPermission] {
        &self.0.portal_permissions.0
    }
}

/// Whether a partner's people may come into the portal.
#[derive(InputObject)]
pub struct PortalAccessInput {
    /// Identifier of the partner.
    partner_id: ID,
    /// Whether they may. Switching it off ends all of their sessions.
    enabled: bool,
    /// What people may do who are invited from now on without saying so; left out, as before, at first all but `EDIT_DELIVERY`.
    /// Whoever is in the portal already loses what is not in this list, at once, and gains nothing by it: `updatePortalUser` says
    /// what one person may do.
    permissions: Option<Vec<PortalPermission>>,
}

/// Somebody who is to use a partner's portal.
#[derive(InputObject)]
pub struct InvitePortalUserInput {
    /// Identifier of the partner, whose portal access has to be on.
    partner_id: ID,
    /// The address to which the link goes and with which they will sign in; no two portal users of the partner share one.
    email: EmailAddress,
    /// As shown until they change it, 1 to 120 characters.
    name: Option<String>,
    /// What they may do; left out, what the partner's portal access says.
    permissions: Option<Vec<PortalPermission>>,
}

/// What somebody may do in a portal.
#[derive(InputObject)]
pub struct UpdatePortalUserInput {
    /// Identifier of the portal user.
    id: ID,
    /// What they may do from now on, whole; also what the partner's portal access does not give to everybody.
    permissions: Vec<PortalPermission>,
}

/// What portal users change of themselves; what is left out stays as it is.
#[derive(InputObject)]
pub struct UpdatePortalContactInput {
    /// As shown, 1 to 120 characters.
    name: Option<String>,
    /// Their phone number, as they write it, at most 40 characters.
    phone: Option<String>,
}

/// A portal user after a change.
#[derive(SimpleObject)]
pub struct PortalUserPayload {
    /// As they are now; null when nothing was changed.
    pub portal_user: Option<PortalUser>,
    /// The partner's new signing secret, shown this once, when `updatePortalDelivery` made one; else null.
    pub signing_secret: Option<String>,
    /// The link by which somebody who was just invited sets their password, to be passed on: only where the server sends no mail, or no
    /// more to that address for now, and only this once. Else null.
    pub one_time_link: Option<String>,
    /// Rules that the input broke.
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
    /// Switches the portal of one of the caller's partners on or off. Takes a MEMBER or above, or a key with MANAGE.
    async fn set_portal_access(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which partner, and whether.")] input: PortalAccessInput,
    ) -> Result<PartnerPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let input = portal_users::PortalAccess {
            partner: id_or_unknown(&input.partner_id),
            enabled: input.enabled,
            permissions: input.permissions,
        };
        let (partner, user_errors) = outcome(portal_users::set_access(app, caller, input).await)?;
        Ok(PartnerPayload {
            partner: partner.map(Partner),
            signing_secret: None,
            user_errors,
        })
    }

    /// Lets somebody into the portal of one of the caller's partners and mails them a link, valid for seven days, to set their
    /// password. A server that sends no mail, or no more to that address for now, answers the link instead, once: `oneTimeLink`. At most
    /// 5 an hour to one address, and 100 to all: `RATE_LIMITED`. Takes a MEMBER or above, or a key with MANAGE.
    async fn invite_portal_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who they are, of which partner, and what they may do.")] input: InvitePortalUserInput,
    ) -> Result<PortalUserPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let input = InvitePortalUser {
            partner: id_or_unknown(&input.partner_id),
            email: input.email.0,
            name: input.name,
            permissions: input.permissions,
        };
        PortalUserPayload::invited(portal_users::invite(app, caller, input).await)
    }

    /// Changes what somebody may do in the portal of one of the caller's partners. What is taken from them ends at once, with the
    /// streams that need it. Takes a MEMBER or above, or a key with MANAGE.
    async fn update_portal_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and what they may do.")] input: UpdatePortalUserInput,
    ) -> Result<PortalUserPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let input = UpdatePortalUser {
            id: id_or_unknown(&input.id),
            permissions: input.permissions,
        };
        PortalUserPayload::of(portal_users::update(app, caller, input).await)
    }

    /// Removes somebody from the portal of one of the caller's partners; their sessions and links end at once. Takes a MEMBER or
    /// above, or a key with MANAGE.
    async fn remove_portal_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Identifier of the portal user.")] id: ID,
    ) -> Result<DeletePayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let (removed, user_errors) = outcome(portal_users::remove(app, caller, id_or_unknown(&id)).await)?;
        Ok(DeletePayload {
            deleted_id: removed.map(|id| id.to_string().into()),
            user_errors,
        })
    }

    /// Changes the calling portal user's own contact data. Takes a portal session with `EDIT_CONTACT`.
    async fn update_portal_contact(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdatePortalContactInput,
    ) -> Result<PortalUserPayload> {
        let (app, caller) = app_and_caller(ctx).await?;
        let input = UpdateContact {
            name: input.name,
            phone: input.phone,
        };
        PortalUserPayload::of(portal_users::update_contact(app, caller, input).await)
    }

    /// Changes how the calling portal user's company gets its leads from now on: by mail, by webhook or into the portal. What it
    /// gets to see stays as the account has set it, whatever `fields` says, and a connected account is not reached this way
    /// (`NOT_CONNECTED`). Takes a portal session with `EDIT_DELIVERY`.
    async fn update_portal_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The settings, whole.")] input: DeliverySettingsInput,
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
