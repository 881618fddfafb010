//! The users of an account. The account's lock puts changes in turn, so that one OWNER who can sign in always remains.

use async_graphql::InputObject;
use entity::ids::{AccountId, UserId};
use entity::scalars::EmailAddress;
use entity::user::{self, Role};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, PaginatorTrait, QueryFilter, QueryOrder, Set,
};
use serde_json::json;

use super::caller::{Caller, Principal};
use super::change::Change;
use super::person::{Person, PersonId, new_user};
use super::policy::Action;
use super::{email_address, emails, links, texts};
use crate::app::App;
use crate::audit::Entry;
use crate::error::{Error, OnUniqueViolation, Result, UserErrorCode};
use leadmesh_forms::limits::MAX_PEOPLE;

const TAKEN: &str = "a user of this account has this address already";

pub async fn list(app: &App, caller: &Caller) -> Result<Vec<user::Model>> {
    let account = caller.require(Action::ReadAccount)?;
    let people = user::Entity::in_account(account).order_by_asc(user::Column::Id);
    Ok(people.all(app.db.read()).await?)
}

pub async fn find(app: &App, caller: &Caller, id: UserId) -> Result<Option<user::Model>> {
    let account = caller.require(Action::ReadAccount)?;
    let mine = user::Entity::in_account(account).filter(user::Column::Id.eq(id));
    Ok(mine.one(app.db.read()).await?)
}

/// A user to invite to the caller's account.
#[derive(Clone, Debug, InputObject)]
#[graphql(name = "InviteUserInput")]
pub struct InviteUser {
    /// The address that gets the link and that the user signs in with. Unique among the account's users.
    pub email: EmailAddress,
    /// Display name, 1 to 120 characters.
    pub name: String,
    /// Role of the user. Only an OWNER can make an OWNER.
    pub role: Role,
}

#[derive(Clone)]
pub struct Invited<T> {
    pub person: T,
    /// The link to set a password, for the inviter to pass on where no email goes out. Shown once and not stored.
    pub link: Option<String>,
}

impl<T: std::fmt::Debug> std::fmt::Debug for Invited<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Invited({:?})", self.person)
    }
}

/// Makes a user without a password, and emails them a link to set one, whether or not the address is known elsewhere. An
/// address beyond its quota gets no email: the inviter passes the link on. `RATE_LIMITED` when the account has used up its
/// quota.
pub async fn invite(app: &App, caller: &Caller, input: InviteUser) -> Result<Invited<user::Model>> {
    let account = caller.require(Action::ManagePeople)?;
    let email = email_address::parse(&input.email, "input.email")?;
    let name = texts::name(&input.name, "input.name")?;
    check_owner_rights(caller, input.role, input.role)?;
    let change = begin(app, caller, account).await?;
    let tx = &change.tx;
    if user::Entity::in_account(account).count(tx).await? >= MAX_PEOPLE {
        let message = format!("an account has at most {MAX_PEOPLE} users: remove one first");
        return Err(Error::user(UserErrorCode::LimitReached, "input", message));
    }
    let user = new_user(app, account, name, email, input.role)
        .insert(tx)
        .await
        .on_unique_violation(UserErrorCode::Taken, "input.email", TAKEN)?;
    let link = links::invite(tx, app, &Person::User(user.clone()), |link| {
        emails::invited_user(&user.email, &change.actor.name, &change.account.name, link)
    })
    .await?;
    let entry = entry("user.invited", &user).with(json!({"role": user.role}));
    change.record(entry).await?;
    change.commit_uncompiled().await?;
    Ok(Invited { person: user, link })
}

/// Changes a user's role. It holds from their next request.
pub async fn update_role(app: &App, caller: &Caller, id: UserId, role: Role) -> Result<user::Model> {
    let account = caller.require(Action::ManagePeople)?;
    let change = begin(app, caller, account).await?;
    let tx = &change.tx;
    let user = lookup(tx, account, id, "input.id").await?;
    check_owner_rights(caller, user.role, role)?;
    if role != Role::Owner {
        check_not_last_owner(tx, &user, "input.role").await?;
    }
    let before = user.role;
    let mut row: user::ActiveModel = user.into();
    row.role = Set(role);
    let user = row.update(tx).await?;
    let changes = json!({"before": before, "after": role});
    change
        .commit_with(entry("user.role_changed", &user).with(changes))
        .await?;
    app.hub.rights_changed(account);
    Ok(user)
}

/// Removes a user; sessions and links end. The row stays for the audit log.
pub async fn remove(app: &App, caller: &Caller, id: UserId) -> Result<UserId> {
    let account = caller.require(Action::ManagePeople)?;
    let now = app.clock.now();
    let change = begin(app, caller, account).await?;
    let tx = &change.tx;
    let user = lookup(tx, account, id, "id").await?;
    check_owner_rights(caller, user.role, user.role)?;
    check_not_last_owner(tx, &user, "id").await?;
    let mut row: user::ActiveModel = user.into();
    row.removed_at = Set(Some(now));
    let user = row.update(tx).await?;
    PersonId::User(id).end_sessions(tx, now, None).await?;
    PersonId::User(id).void_links(tx, now).await?;
    change.commit_with(entry("user.removed", &user)).await?;
    app.hub.rights_changed(account);
    Ok(id)
}

/// Waits for other changes of the account's users, which may have taken the caller's right to this one.
async fn begin<'a>(app: &'a App, caller: &Caller, account: AccountId) -> Result<Change<'a>> {
    let change = Change::begin(app, caller, account).await?;
    if let Principal::User { id, role, .. } = &caller.principal {
        let still = user::Entity::by_id(*id).one(&change.tx).await?;
        if still.is_none_or(|user| user.role != *role) {
            return Err(Error::Unauthenticated(
                "your rights were changed concurrently: try again",
            ));
        }
    }
    Ok(change)
}

async fn lookup(db: &impl ConnectionTrait, account: AccountId, id: UserId, path: &str) -> Result<user::Model> {
    let found = user::Entity::in_account(account)
        .filter(user::Column::Id.eq(id))
        .one(db)
        .await?;
    found.ok_or_else(|| Error::user(UserErrorCode::NotFound, path, "no such user"))
}

/// Only owners make and unmake owners.
fn check_owner_rights(caller: &Caller, before: Role, after: Role) -> Result<()> {
    let is_owner = matches!(caller.principal, Principal::User { role: Role::Owner, .. });
    if is_owner || (before != Role::Owner && after != Role::Owner) {
        return Ok(());
    }
    Err(Error::Forbidden("only an OWNER can add, change or remove an OWNER"))
}

/// An owner without a password does not count: nobody could sign in as them.
async fn check_not_last_owner(tx: &DatabaseTransaction, user: &user::Model, path: &str) -> Result<()> {
    let other = user::Entity::in_account(user.account_id)
        .filter(user::Column::Role.eq(Role::Owner))
        .filter(user::Column::PasswordHash.is_not_null())
        .filter(user::Column::Id.ne(user.id))
        .one(tx)
        .await?;
    if user.role != Role::Owner || other.is_some() {
        return Ok(());
    }
    let message = "this is the last OWNER who can sign in: make another user an OWNER first";
    Err(Error::user(UserErrorCode::Conflict, path, message))
}

fn entry<'a>(action: &'static str, user: &'a user::Model) -> Entry<'a> {
    Entry::new(action, "User", user.id, &user.name)
}
