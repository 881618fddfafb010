//! Portal users. They sign in, refresh and reset passwords like users of accounts, in a scope of their own.

use async_graphql::InputObject;
use entity::ids::{AccountId, PartnerId, PortalUserId};
use entity::portal_user::{self, Permissions, PortalPermission};
use entity::scalars::EmailAddress;
use entity::{partner, session};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    Set,
};
use serde_json::json;

use super::caller::{Caller, Principal};
use super::change::Change;
use super::people::Invited;
use super::person::{Person, PersonId};
use super::policy::Action;
use super::{accounts, email_address, emails, links, texts};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::error::{Error, OnUniqueViolation, Result, UserErrorCode};
use leadmesh_forms::limits::MAX_PORTAL_PEOPLE;

/// Permissions where none are given.
const USUAL: [PortalPermission; 4] = [
    PortalPermission::ViewLeads,
    PortalPermission::Export,
    PortalPermission::Review,
    PortalPermission::Return,
];
const PHONE: usize = 40;
const TAKEN: &str = "a portal user of this partner has this address already; \
                     if the link is lost, they can ask for a new password";

pub async fn list(app: &App, caller: &Caller, partner: PartnerId) -> Result<Vec<portal_user::Model>> {
    let account = caller.require(Action::ReadSetup)?;
    let users = portal_user::Entity::of_partner(account, partner).order_by_asc(portal_user::Column::Id);
    Ok(users.all(app.db.read()).await?)
}

pub async fn find(app: &App, caller: &Caller, id: PortalUserId) -> Result<Option<portal_user::Model>> {
    let account = caller.require(Action::ReadSetup)?;
    let mine = portal_user::Entity::in_account(account).filter(portal_user::Column::Id.eq(id));
    Ok(mine.one(app.db.read()).await?)
}

/// Access of a partner to the portal.
#[derive(Clone, Debug, InputObject)]
#[graphql(name = "PortalAccessInput")]
pub struct PortalAccess {
    /// Identifier of the partner.
    #[graphql(name = "partnerId")]
    pub partner: PartnerId,
    /// Whether the portal is enabled. Disabling it ends all sessions of its portal users.
    pub enabled: bool,
    /// Default permissions of portal users invited from now on. Omit to keep the current ones; at first, all but
    /// `EDIT_DELIVERY`. Existing portal users immediately lose the permissions not listed here and gain none;
    /// `updatePortalUser` sets those of one portal user.
    pub permissions: Option<Vec<PortalPermission>>,
}

/// Switches a partner's portal on or off. Off ends all its sessions.
pub async fn set_access(app: &App, caller: &Caller, input: PortalAccess) -> Result<partner::Model> {
    let account = caller.require(Action::ManagePartners)?;
    let now = app.clock.now();
    let change = Change::begin(app, caller, account).await?;
    let tx = &change.tx;
    let partner = lock_partner(tx, account, input.partner).await?;
    let narrows = input.permissions.is_some();
    let permissions = defaults(input.permissions, &partner.portal_permissions);
    let mut row: partner::ActiveModel = partner.into();
    row.portal_enabled = Set(input.enabled);
    row.portal_permissions = Set(permissions);
    row.updated_at = Set(now);
    let partner = row.update(tx).await?;
    if !input.enabled {
        session::Entity::end_of_portal_users(portal_user::Entity::ids_of_partner(account, partner.id), now)
            .exec(tx)
            .await?;
    }
    if narrows {
        narrow(tx, app, caller, &partner).await?;
    }
    let changes = json!({"enabled": partner.portal_enabled, "permissions": partner.portal_permissions});
    let entry = Entry::new("portal_access.set", "Partner", partner.id, &partner.name);
    change.commit_with(entry.with(changes)).await?;
    app.hub.rights_changed(account);
    Ok(partner)
}

/// Takes from a partner's portal users what its portal access no longer includes.
async fn narrow(tx: &DatabaseTransaction, app: &App, caller: &Caller, partner: &partner::Model) -> Result<()> {
    let users = portal_user::Entity::of_partner(partner.account_id, partner.id);
    // In one order, so that concurrent changes cannot deadlock.
    let users = users.order_by_asc(portal_user::Column::Id).lock_exclusive();
    for user in users.all(tx).await? {
        let left = common(&user.permissions, &partner.portal_permissions);
        set_permissions(tx, app, caller, user, left).await?;
    }
    Ok(())
}

/// Permissions of a portal user.
#[derive(Clone, Debug, InputObject)]
#[graphql(name = "UpdatePortalUserInput")]
pub struct UpdatePortalUser {
    /// Identifier of the portal user.
    pub id: PortalUserId,
    /// All permissions, including ones that the partner's portal access does not grant by default.
    pub permissions: Vec<PortalPermission>,
}

/// Changes a portal user's permissions. What is taken away ends immediately, on open streams too.
pub async fn update(app: &App, caller: &Caller, input: UpdatePortalUser) -> Result<portal_user::Model> {
    let account = caller.require(Action::ManagePartners)?;
    let tx = app.db.begin().await?;
    let mine = portal_user::Entity::in_account(account).filter(portal_user::Column::Id.eq(input.id));
    let found = mine.lock_exclusive().one(&tx).await?;
    let user = found.ok_or_else(|| Error::user(UserErrorCode::NotFound, "input.id", "no such portal user"))?;
    let user = set_permissions(&tx, app, caller, user, each_once(input.permissions)).await?;
    tx.commit().await?;
    app.hub.rights_changed(account);
    Ok(user)
}

async fn set_permissions(
    tx: &DatabaseTransaction,
    app: &App,
    caller: &Caller,
    user: portal_user::Model,
    permissions: Permissions,
) -> Result<portal_user::Model> {
    if user.permissions == permissions {
        return Ok(user);
    }
    let changes = json!({"permissions": {"from": user.permissions, "to": permissions}});
    let mut row: portal_user::ActiveModel = user.into();
    row.permissions = Set(permissions);
    let user = row.update(tx).await?;
    let entry = entry("portal_user.permissions_set", &user).with(changes);
    audit::record(tx, &app.clock, user.account_id, &caller.actor(), entry).await?;
    Ok(user)
}

/// A portal user to invite.
#[derive(Clone, Debug, InputObject)]
#[graphql(name = "InvitePortalUserInput")]
pub struct InvitePortalUser {
    /// Identifier of the partner. Its portal access must be enabled.
    #[graphql(name = "partnerId")]
    pub partner: PartnerId,
    /// The address that gets the link and that the portal user signs in with. Unique among the partner's portal users.
    pub email: EmailAddress,
    /// Display name until the portal user changes it, 1 to 120 characters.
    pub name: Option<String>,
    /// Permissions of the portal user. Defaults to those of the partner's portal access.
    pub permissions: Option<Vec<PortalPermission>>,
}

/// Makes a portal user without a password, and emails them a link to set one, whether or not the address is known elsewhere. An
/// address beyond its quota gets no email: the inviter passes the link on. `RATE_LIMITED` when the account has used up its
/// quota.
pub async fn invite(app: &App, caller: &Caller, input: InvitePortalUser) -> Result<Invited<portal_user::Model>> {
    let account = caller.require(Action::ManagePartners)?;
    let email = email_address::parse(&input.email, "input.email")?;
    let name = input.name.map(|name| texts::name(&name, "input.name")).transpose()?;
    let tx = app.db.begin().await?;
    let partner = lock_partner(&tx, account, input.partner).await?;
    if !partner.portal_enabled {
        let message = "the partner's portal is disabled: enable it with setPortalAccess first";
        return Err(Error::user(UserErrorCode::NotConfigured, "input.partnerId", message));
    }
    let people = portal_user::Entity::of_partner(account, partner.id);
    if people.count(&tx).await? >= MAX_PORTAL_PEOPLE {
        let message = format!("a partner's portal has at most {MAX_PORTAL_PEOPLE} users: remove one first");
        return Err(Error::user(UserErrorCode::LimitReached, "input.partnerId", message));
    }
    let row = portal_user::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(account),
        partner_id: Set(partner.id),
        email: Set(email),
        email_verified_at: Set(None),
        name: Set(name),
        phone: Set(None),
        permissions: Set(defaults(input.permissions, &partner.portal_permissions)),
        password_hash: Set(None),
        invited_at: Set(Some(app.clock.now())),
        activated_at: Set(None),
        last_seen_at: Set(None),
        removed_at: Set(None),
    };
    let user = row
        .insert(&tx)
        .await
        .on_unique_violation(UserErrorCode::Taken, "input.email", TAKEN)?;
    let company = accounts::load(&tx, account).await?;
    let link = links::invite(&tx, app, &Person::Portal(user.clone()), |link| {
        emails::invited_portal_user(&user.email, &company.name, &partner.name, link)
    })
    .await?;
    let entry = entry("portal_user.invited", &user).with(json!({"permissions": user.permissions}));
    audit::record(&tx, &app.clock, account, &caller.actor(), entry).await?;
    tx.commit().await?;
    Ok(Invited { person: user, link })
}

/// Removes a portal user; sessions and links end. The row stays for the audit log.
pub async fn remove(app: &App, caller: &Caller, id: PortalUserId) -> Result<PortalUserId> {
    let account = caller.require(Action::ManagePartners)?;
    let now = app.clock.now();
    let tx = app.db.begin().await?;
    let mine = portal_user::Entity::in_account(account).filter(portal_user::Column::Id.eq(id));
    let found = mine.lock_exclusive().one(&tx).await?;
    let user = found.ok_or_else(|| Error::user(UserErrorCode::NotFound, "id", "no such portal user"))?;
    let mut row: portal_user::ActiveModel = user.into();
    row.removed_at = Set(Some(now));
    let user = row.update(&tx).await?;
    PersonId::Portal(id).end_sessions(&tx, now, None).await?;
    PersonId::Portal(id).void_links(&tx, now).await?;
    audit::record(
        &tx,
        &app.clock,
        account,
        &caller.actor(),
        entry("portal_user.removed", &user),
    )
    .await?;
    tx.commit().await?;
    app.hub.rights_changed(account);
    Ok(id)
}

/// Changes to the caller's contact data; omitted fields stay unchanged.
#[derive(Clone, Debug, Default, InputObject)]
#[graphql(name = "UpdatePortalContactInput")]
pub struct UpdateContact {
    /// Display name, 1 to 120 characters.
    pub name: Option<String>,
    /// Phone number, in free form, at most 40 characters.
    pub phone: Option<String>,
}

pub async fn update_contact(app: &App, caller: &Caller, input: UpdateContact) -> Result<portal_user::Model> {
    caller.require_portal(PortalPermission::EditContact)?;
    let Principal::PortalUser { id, .. } = caller.principal else {
        return Err(Error::Forbidden("only a portal user has contact data here"));
    };
    let name = input.name.map(|name| texts::name(&name, "input.name")).transpose()?;
    let phone = input
        .phone
        .map(|phone| texts::line(&phone, PHONE, "input.phone"))
        .transpose()?;
    let tx = app.db.begin().await?;
    let found = portal_user::Entity::by_id(id).lock_exclusive().one(&tx).await?;
    let user = found.ok_or(Error::Unauthenticated("you have been removed from the portal"))?;
    let (name, phone) = (name.or(user.name.clone()), phone.or(user.phone.clone()));
    let mut row: portal_user::ActiveModel = user.into();
    row.name = Set(name);
    row.phone = Set(phone);
    let user = row.update(&tx).await?;
    let entry = entry("portal_user.updated", &user);
    audit::record(&tx, &app.clock, user.account_id, &caller.actor(), entry).await?;
    tx.commit().await?;
    Ok(user)
}

async fn lock_partner(tx: &DatabaseTransaction, account: AccountId, id: PartnerId) -> Result<partner::Model> {
    let mine: Select<partner::Entity> = partner::Entity::in_account(account).filter(partner::Column::Id.eq(id));
    let found = mine.lock_exclusive().one(tx).await?;
    found.ok_or_else(|| Error::user(UserErrorCode::NotFound, "input.partnerId", "no such partner"))
}

/// The given permissions, each once; else the present ones; else the usual ones.
fn defaults(asked: Option<Vec<PortalPermission>>, before: &Permissions) -> Permissions {
    let Some(asked) = asked else {
        let usual = || Permissions(USUAL.to_vec());
        return if before.0.is_empty() { usual() } else { before.clone() };
    };
    each_once(asked)
}

fn each_once(asked: Vec<PortalPermission>) -> Permissions {
    let mut distinct = Vec::new();
    for permission in asked {
        if !distinct.contains(&permission) {
            distinct.push(permission);
        }
    }
    Permissions(distinct)
}

/// In the order of the first.
fn common(held: &Permissions, allowed: &Permissions) -> Permissions {
    let kept = held.0.iter().filter(|permission| allowed.0.contains(permission));
    Permissions(kept.copied().collect())
}

fn entry<'a>(action: &'static str, user: &'a portal_user::Model) -> Entry<'a> {
    let label = user.name.as_deref().unwrap_or(&user.email);
    Entry::new(action, "PortalUser", user.id, label)
}
