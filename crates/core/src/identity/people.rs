//! The people of an account. Changes take turns by the account's row, so that there is always an OWNER who can sign in.

use async_graphql::InputObject;
use entity::account;
use entity::ids::{AccountId, UserId};
use entity::scalars::EmailAddress;
use entity::user::{self, Role};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, PaginatorTrait, QueryFilter, QueryOrder, Set,
};
use serde_json::{Value, json};

use super::caller::{Caller, Principal};
use super::links::{self, Way};
use super::mail_quota::{self, Counted};
use super::person::PersonId;
use super::policy::Action;
use super::{accounts, email_address, letters, mailbox, texts};
use crate::app::App;
use crate::audit::{self, Entry};
use crate::error::{Error, OrBroken, Result, UserErrorCode};
use leadmesh_forms::limits::MAX_PEOPLE;

const TAKEN: &str = "somebody with this address is a user of this account already";

/// The people of the caller's account, in the order in which they came.
pub async fn list(app: &App, caller: &Caller) -> Result<Vec<user::Model>> {
    let account = caller.require(Action::ReadAccount)?;
    let people = user::Entity::in_account(account).order_by_asc(user::Column::Id);
    Ok(people.all(app.db.read()).await?)
}

/// One person of the caller's account, if there is such a one.
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

/// Somebody who was invited.
#[derive(Clone)]
pub struct Invited<T> {
    /// Who.
    pub person: T,
    /// The link to set a password, for the inviter to pass on where this server sends no mail, or no more to that address. Shown this
    /// once, and kept nowhere.
    pub link: Option<String>,
}

impl<T: std::fmt::Debug> std::fmt::Debug for Invited<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Invited({:?})", self.person)
    }
}

/// Makes a person without a password, and mails them a link to set one. Whether the address is known elsewhere on the server makes
/// no difference. An address that has got too many invitations gets no mail: the inviter passes the link on.
///
/// # Errors
///
/// `RATE_LIMITED` when the account has sent too many invitations, or too many to that address.
pub async fn invite(app: &App, caller: &Caller, input: InviteUser) -> Result<Invited<user::Model>> {
    let account = caller.require(Action::ManagePeople)?;
    let email = email_address::parse(&input.email, "input.email")?;
    let name = texts::name(&input.name, "input.name")?;
    check_owner_rights(caller, input.role, input.role)?;
    let tx = app.db.begin().await?;
    let company = take_turn(&tx, caller, account).await?;
    if user::Entity::in_account(account).count(&tx).await? >= MAX_PEOPLE {
        let message = format!("an account has at most {MAX_PEOPLE} people: remove somebody first");
        return Err(Error::broken(UserErrorCode::LimitReached, "input", message));
    }
    let row = user::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(account),
        name: Set(name),
        email: Set(email),
        email_verified_at: Set(None),
        holds_email: Set(false),
        confirmed_at: Set(None),
        password_hash: Set(None),
        role: Set(input.role),
        last_seen_at: Set(None),
        created_at: Set(app.clock.now()),
        removed_at: Set(None),
    };
    let user = row
        .insert(&tx)
        .await
        .or_broken(UserErrorCode::Taken, "input.email", TAKEN)?;
    mail_quota::require(&tx, app, Counted::InvitationsByTo(account, &user.email)).await?;
    let is_mailed = mail_quota::invitation(&tx, app, account, &user.email).await?;
    let way = Way::of_invitations(app, is_mailed);
    let link = links::make(&tx, app, PersonId::User(user.id), links::INVITED, way).await?;
    if is_mailed {
        let mail = letters::invited_user(&user.email, &caller.who().name, &company.name, &link);
        mailbox::queue_mail(&tx, app, mail).await?;
    }
    record(
        &tx,
        app,
        caller,
        &user,
        ("user.invited", Some(json!({"role": user.role}))),
    )
    .await?;
    tx.commit().await?;
    Ok(Invited {
        person: user,
        link: (way == Way::Shown).then_some(link),
    })
}

/// Changes what somebody may do. It holds from their next request.
pub async fn update_role(app: &App, caller: &Caller, id: UserId, role: Role) -> Result<user::Model> {
    let account = caller.require(Action::ManagePeople)?;
    let tx = app.db.begin().await?;
    take_turn(&tx, caller, account).await?;
    let user = lookup(&tx, account, id, "input.id").await?;
    check_owner_rights(caller, user.role, role)?;
    if role != Role::Owner {
        check_not_last_owner(&tx, &user, "input.role").await?;
    }
    let before = user.role;
    let mut row: user::ActiveModel = user.into();
    row.role = Set(role);
    let user = row.update(&tx).await?;
    accounts::touch_config(&tx, account).await?;
    let changes = json!({"before": before, "after": role});
    record(&tx, app, caller, &user, ("user.role_changed", Some(changes))).await?;
    tx.commit().await?;
    app.hub.rights_changed(account);
    Ok(user)
}

/// Removes somebody, whose sessions and links end with that. The row stays for the audit trail.
pub async fn remove(app: &App, caller: &Caller, id: UserId) -> Result<UserId> {
    let account = caller.require(Action::ManagePeople)?;
    let now = app.clock.now();
    let tx = app.db.begin().await?;
    take_turn(&tx, caller, account).await?;
    let user = lookup(&tx, account, id, "id").await?;
    check_owner_rights(caller, user.role, user.role)?;
    check_not_last_owner(&tx, &user, "id").await?;
    let mut row: user::ActiveModel = user.into();
    row.removed_at = Set(Some(now));
    let user = row.update(&tx).await?;
    PersonId::User(id).end_sessions(&tx, now, None).await?;
    PersonId::User(id).void_links(&tx, now).await?;
    accounts::touch_config(&tx, account).await?;
    record(&tx, app, caller, &user, ("user.removed", None)).await?;
    tx.commit().await?;
    app.hub.rights_changed(account);
    Ok(id)
}

/// Waits for other changes of the account's people, by which the caller may have lost the right to make this one.
async fn take_turn(tx: &DatabaseTransaction, caller: &Caller, account: AccountId) -> Result<account::Model> {
    let company = accounts::lock(tx, account).await?;
    if let Principal::User { id, role, .. } = &caller.principal {
        let still = user::Entity::by_id(*id).one(tx).await?;
        if still.is_none_or(|user| user.role != *role) {
            return Err(Error::Unauthenticated(
                "your rights were changed at this moment: try again",
            ));
        }
    }
    Ok(company)
}

async fn lookup(db: &impl ConnectionTrait, account: AccountId, id: UserId, path: &str) -> Result<user::Model> {
    let found = user::Entity::in_account(account)
        .filter(user::Column::Id.eq(id))
        .one(db)
        .await?;
    found.ok_or_else(|| Error::broken(UserErrorCode::NotFound, path, "no such user"))
}

/// Only owners make and unmake owners.
fn check_owner_rights(caller: &Caller, before: Role, after: Role) -> Result<()> {
    let is_owner = matches!(caller.principal, Principal::User { role: Role::Owner, .. });
    if is_owner || (before != Role::Owner && after != Role::Owner) {
        return Ok(());
    }
    Err(Error::Forbidden("only an OWNER makes, changes or removes an OWNER"))
}

/// One who has not set a password yet does not count: nobody could sign in as them.
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
    let message = "this is the last OWNER who can sign in: make somebody else an OWNER first";
    Err(Error::broken(UserErrorCode::Conflict, path, message))
}

async fn record(
    tx: &DatabaseTransaction,
    app: &App,
    caller: &Caller,
    user: &user::Model,
    (action, changes): (&'static str, Option<Value>),
) -> Result<()> {
    let entry = Entry {
        action,
        subject_type: "User",
        subject_id: user.id.to_string(),
        label: Some(&user.name),
        changes,
    };
    audit::record(tx, &app.clock, user.account_id, &caller.who(), entry).await
}
