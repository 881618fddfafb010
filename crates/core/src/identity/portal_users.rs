//! A partner's people in its portal. Signing in, refreshing and new passwords are the same as for people of accounts, in a
//! scope of their own.

use async_graphql::InputObject;
use entity::ids::{AccountId, PartnerId, PortalUserId};
use entity::portal_user::{self, Permissions, PortalPermission};
use entity::scalars::EmailAddress;
use entity::{account, partner, session};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Select, Set,
};
use serde_json::{Value, json};

use super::caller::{Caller, Principal};
use super::links::{self, Way};
use super::mail_quota::{self, Counted};
use super::people::Invited;
use super::person::PersonId;
use super::policy::Action;
use super::{accounts, email_address, letters, mailbox, texts};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::error::{Error, OrBroken, Result, UserErrorCode};
use leadmesh_forms::limits::MAX_PORTAL_PEOPLE;

/// What portal users may do where nothing else is said.
const USUAL: [PortalPermission; 4] = [
    PortalPermission::ViewLeads,
    PortalPermission::Export,
    PortalPermission::Review,
    PortalPermission::Return,
];
const PHONE: usize = 40;
const TAKEN: &str = "somebody with this address uses the portal of this partner already; \
                     if the link is lost, they can ask for a new password";

/// The portal users of one of the caller's partners, in the order in which they were invited.
pub async fn list(app: &App, caller: &Caller, partner: PartnerId) -> Result<Vec<portal_user::Model>> {
    let account = caller.require(Action::ReadSetup)?;
    let users = portal_user::Entity::of_partner(account, partner).order_by_asc(portal_user::Column::Id);
    Ok(users.all(app.db.read()).await?)
}

/// One portal user of the caller's partners, if there is such a one.
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
    let tx = app.db.begin().await?;
    // First the account, as whoever changes a partner's delivery does: two who wait for each other would put this off.
    accounts::lock(&tx, account).await?;
    let partner = lock_partner(&tx, account, input.partner).await?;
    let narrows = input.permissions.is_some();
    let permissions = defaults(input.permissions, &partner.portal_permissions);
    let mut row: partner::ActiveModel = partner.into();
    row.portal_enabled = Set(input.enabled);
    row.portal_permissions = Set(permissions);
    row.updated_at = Set(now);
    let partner = row.update(&tx).await?;
    if !input.enabled {
        session::Entity::end_of_partner(account, partner.id, now)
            .exec(&tx)
            .await?;
    }
    if narrows {
        narrow(&tx, app, caller, &partner).await?;
    }
    accounts::touch_config(&tx, account).await?;
    let entry = Entry {
        action: "portal_access.set",
        subject_type: "Partner",
        subject_id: partner.id.to_string(),
        label: Some(&partner.name),
        changes: Some(json!({"enabled": partner.portal_enabled, "permissions": partner.portal_permissions})),
    };
    audit::record(&tx, &app.clock, account, &caller.who(), entry).await?;
    tx.commit().await?;
    app.hub.rights_changed(account);
    Ok(partner)
}

/// Takes from a partner's present people what its portal access does not hold any more.
async fn narrow(tx: &DatabaseTransaction, app: &App, caller: &Caller, partner: &partner::Model) -> Result<()> {
    let users = portal_user::Entity::of_partner(partner.account_id, partner.id);
    // In one order, so that two who change the same people cannot wait for each other.
    let users = users.order_by_asc(portal_user::Column::Id).lock_exclusive();
    for user in users.all(tx).await? {
        let left = common(&user.permissions, &partner.portal_permissions);
        set_permissions(tx, app, caller, (user, left)).await?;
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

/// Changes what one portal user may do. What is taken from them holds at once, on their open streams too.
pub async fn update(app: &App, caller: &Caller, input: UpdatePortalUser) -> Result<portal_user::Model> {
    let account = caller.require(Action::ManagePartners)?;
    let tx = app.db.begin().await?;
    let mine = portal_user::Entity::in_account(account).filter(portal_user::Column::Id.eq(input.id));
    let found = mine.lock_exclusive().one(&tx).await?;
    let user = found.ok_or_else(|| Error::broken(UserErrorCode::NotFound, "input.id", "no such portal user"))?;
    let user = set_permissions(&tx, app, caller, (user, each_once(input.permissions))).await?;
    tx.commit().await?;
    app.hub.rights_changed(account);
    Ok(user)
}

/// Notes it in the trail, if it is a change.
async fn set_permissions(
    tx: &DatabaseTransaction,
    app: &App,
    caller: &Caller,
    (user, permissions): (portal_user::Model, Permissions),
) -> Result<portal_user::Model> {
    if user.permissions == permissions {
        return Ok(user);
    }
    let changes = json!({"permissions": {"from": user.permissions, "to": permissions}});
    let mut row: portal_user::ActiveModel = user.into();
    row.permissions = Set(permissions);
    let user = row.update(tx).await?;
    record(tx, app, caller, &user, ("portal_user.permissions_set", Some(changes))).await?;
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

/// Makes a portal user without a password, and mails them a link to set one. Whether the address is known elsewhere on the server
/// makes no difference. An address that has got too many invitations gets no mail: the inviter passes the link on.
///
/// # Errors
///
/// `RATE_LIMITED` when the account has sent too many invitations, or too many to that address.
pub async fn invite(app: &App, caller: &Caller, input: InvitePortalUser) -> Result<Invited<portal_user::Model>> {
    let account = caller.require(Action::ManagePartners)?;
    let email = email_address::parse(&input.email, "input.email")?;
    let name = input.name.map(|name| texts::name(&name, "input.name")).transpose()?;
    let tx = app.db.begin().await?;
    let partner = lock_partner(&tx, account, input.partner).await?;
    if !partner.portal_enabled {
        let message = "the partner's portal is off: switch it on with setPortalAccess first";
        return Err(Error::broken(UserErrorCode::NotConfigured, "input.partnerId", message));
    }
    let people = portal_user::Entity::of_partner(account, partner.id);
    if people.count(&tx).await? >= MAX_PORTAL_PEOPLE {
        let message = format!("a partner's portal has at most {MAX_PORTAL_PEOPLE} people: remove somebody first");
        return Err(Error::broken(UserErrorCode::LimitReached, "input.partnerId", message));
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
        .or_broken(UserErrorCode::Taken, "input.email", TAKEN)?;
    mail_quota::require(&tx, app, Counted::InvitationsByTo(account, &user.email)).await?;
    let is_mailed = mail_quota::invitation(&tx, app, account, &user.email).await?;
    let way = Way::of_invitations(app, is_mailed);
    let link = links::make(&tx, app, PersonId::Portal(user.id), links::INVITED, way).await?;
    if is_mailed {
        let company = company(&tx, account).await?;
        let mail = letters::invited_portal_user(&user.email, &company.name, &partner.name, &link);
        mailbox::queue_mail(&tx, app, mail).await?;
    }
    record(
        &tx,
        app,
        caller,
        &user,
        ("portal_user.invited", Some(json!({"permissions": user.permissions}))),
    )
    .await?;
    tx.commit().await?;
    Ok(Invited {
        person: user,
        link: (way == Way::Shown).then_some(link),
    })
}

/// Removes a portal user, whose sessions and links end with that. The row stays for the audit trail.
pub async fn remove(app: &App, caller: &Caller, id: PortalUserId) -> Result<PortalUserId> {
    let account = caller.require(Action::ManagePartners)?;
    let now = app.clock.now();
    let tx = app.db.begin().await?;
    let mine = portal_user::Entity::in_account(account).filter(portal_user::Column::Id.eq(id));
    let found = mine.lock_exclusive().one(&tx).await?;
    let user = found.ok_or_else(|| Error::broken(UserErrorCode::NotFound, "id", "no such portal user"))?;
    let mut row: portal_user::ActiveModel = user.into();
    row.removed_at = Set(Some(now));
    let user = row.update(&tx).await?;
    PersonId::Portal(id).end_sessions(&tx, now, None).await?;
    PersonId::Portal(id).void_links(&tx, now).await?;
    record(&tx, app, caller, &user, ("portal_user.removed", None)).await?;
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

/// Changes the calling portal user's own contact data.
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
    record(&tx, app, caller, &user, ("portal_user.updated", None)).await?;
    tx.commit().await?;
    Ok(user)
}

async fn lock_partner(tx: &DatabaseTransaction, account: AccountId, id: PartnerId) -> Result<partner::Model> {
    let mine: Select<partner::Entity> = partner::Entity::in_account(account).filter(partner::Column::Id.eq(id));
    let found = mine.lock_exclusive().one(tx).await?;
    found.ok_or_else(|| Error::broken(UserErrorCode::NotFound, "input.partnerId", "no such partner"))
}

async fn company(db: &impl ConnectionTrait, id: AccountId) -> Result<account::Model> {
    account::Entity::by_id(id)
        .one(db)
        .await?
        .ok_or(Error::NotFound("account"))
}

/// What was asked for, each once; else what was there; else the usual.
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

/// What both hold, in the order of the first.
fn common(held: &Permissions, allowed: &Permissions) -> Permissions {
    let kept = held.0.iter().filter(|permission| allowed.0.contains(permission));
    Permissions(kept.copied().collect())
}

async fn record(
    tx: &DatabaseTransaction,
    app: &App,
    caller: &Caller,
    user: &portal_user::Model,
    (action, changes): (&'static str, Option<Value>),
) -> Result<()> {
    let entry = Entry {
        action,
        subject_type: "PortalUser",
        subject_id: user.id.to_string(),
        label: Some(user.name.as_deref().unwrap_or(&user.email)),
        changes,
    };
    audit::record(tx, &app.clock, user.account_id, &caller.who(), entry).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_what_is_asked_for_or_what_was_there_or_the_usual() {
        use PortalPermission::{Export, ViewLeads};
        let before = Permissions(vec![ViewLeads]);
        assert_eq!(defaults(Some(vec![Export, Export]), &before).0, [Export]);
        assert_eq!(defaults(Some(Vec::new()), &before).0, []);
        assert_eq!(defaults(None, &before), before);
        assert_eq!(defaults(None, &Permissions(Vec::new())).0, USUAL);
    }

    #[test]
    fn what_both_hold_is_no_more_than_either() {
        use PortalPermission::{EditDelivery, Export, Review, ViewLeads};
        let (held, allowed) = (vec![ViewLeads, EditDelivery, Review], vec![Export, Review, ViewLeads]);
        assert_eq!(common(&Permissions(held), &Permissions(allowed)).0, [ViewLeads, Review]);
    }
}
