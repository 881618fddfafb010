//! Accounts: companies on this server.

mod inbox;

use async_graphql::{InputObject, MaybeUndefined};
use entity::account::{self, Plan};
use entity::account_key::KeyPurpose;
use entity::ids::AccountId;
use entity::proof::AddressProof;
use entity::scalars::{EmailAddress, TimeZone, UrlText};
use entity::user;
use sea_orm::sea_query::LockType;
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseTransaction, QueryOrder, QuerySelect, Set};
use serde_json::json;

use super::caller::{Caller, Principal};
use super::mail_quota::{self, Counted};
use super::policy::Action;
use super::{email_address, texts, verification};
use crate::app::App;
use crate::audit::{self, Entry, Who};
use crate::error::{Broken, Error, Result, UserErrorCode};

/// An account that is about to be made; its values are checked already.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// What partners see.
    pub name: String,
    /// Shown to partners.
    pub website: Option<String>,
    /// IANA name.
    pub timezone: String,
    /// For look-up by partners.
    pub contact_email: String,
    /// What it may do.
    pub plan: Plan,
}

/// Makes an account with its keys and its inbox.
pub(super) async fn make(tx: &DatabaseTransaction, app: &App, new: NewAccount) -> Result<account::Model> {
    let now = app.clock.now();
    let row = account::ActiveModel {
        id: Set(app.clock.id()),
        name: Set(new.name),
        plan: Set(new.plan),
        website: Set(new.website),
        timezone: Set(new.timezone),
        contact_email: Set(Some(new.contact_email)),
        contact_verified_at: Set(None),
        contact_counts: Set(!app.config.requires_proof()),
        listed: Set(false),
        notify_by_mail: Set(true),
        config_version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let account = row.insert(tx).await?;
    // Not by asking the vault for them: it would remember keys that a rollback takes back.
    for purpose in [KeyPurpose::Index, KeyPurpose::Seal] {
        app.vault
            .new_key(tx, &app.clock, Some(account.id), purpose)
            .await?
            .insert(tx)
            .await?;
    }
    inbox::make(tx, app, account.id).await?;
    Ok(account)
}

/// The caller's account.
pub async fn get(app: &App, caller: &Caller) -> Result<account::Model> {
    let id = caller.require(Action::ReadAccount)?;
    let found = account::Entity::by_id(id).one(app.db.read()).await?;
    found.ok_or(Error::NotFound("account"))
}

/// What a partner may see of an account, and no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Which account.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// Its website.
    pub website: Option<String>,
}

impl From<account::Model> for Profile {
    fn from(account: account::Model) -> Self {
        Self {
            id: account.id,
            name: account.name,
            website: account.website,
        }
    }
}

/// The profiles of some accounts. Whether the caller may see them is for the asking use case to know.
pub async fn profiles(db: &impl ConnectionTrait, ids: Vec<AccountId>) -> Result<Vec<Profile>> {
    let found = account::Entity::by_ids(ids).all(db).await?;
    Ok(found.into_iter().map(Profile::from).collect())
}

/// Changes to the caller's account; omitted fields stay unchanged.
#[derive(Clone, Debug, Default, InputObject)]
#[graphql(name = "UpdateAccountInput")]
pub struct UpdateAccount {
    /// Name shown to other accounts, one line of 1 to 120 characters.
    pub name: Option<String>,
    /// Website shown to other accounts. Null removes it.
    pub website: MaybeUndefined<UrlText>,
    /// Time zone in which the days and weeks of reports and caps begin, unless a cap has its own.
    pub timezone: Option<TimeZone>,
    /// Contact address. Other accounts find this one by the exact address. It can be changed but not removed. A new one
    /// takes effect once its mailed link was used, or immediately if it is the caller's own proven address.
    pub contact_email: MaybeUndefined<EmailAddress>,
    /// Whether other accounts can find this one by the start of its name.
    pub listed: Option<bool>,
    /// Whether owners get an email when another account sends or answers an invitation or changes a connection.
    pub notify_by_mail: Option<bool>,
}

/// Changes the caller's account.
pub async fn update(app: &App, caller: &Caller, input: UpdateAccount) -> Result<account::Model> {
    let id = caller.require(Action::ManageAccount)?;
    let tx = app.db.begin().await?;
    let before = lock(&tx, id).await?;
    let mut row: account::ActiveModel = before.clone().into();
    apply(&mut row, input)?;
    row.updated_at = Set(app.clock.now());
    let mut account = row.update(&tx).await?;
    if account.contact_email != before.contact_email {
        account = claim_contact(&tx, app, caller, account).await?;
    }
    // Time zones and names are part of compiled flows.
    touch_config(&tx, id).await?;
    let changes = json!({"before": shown(&before), "after": shown(&account)});
    let entry = entry(&account, "account.updated", Some(changes));
    audit::record(&tx, &app.clock, id, &caller.who(), entry).await?;
    tx.commit().await?;
    Ok(account)
}

/// A new contact address counts when the caller has proven it as their own already; else a link goes there first.
async fn claim_contact(
    tx: &DatabaseTransaction,
    app: &App,
    caller: &Caller,
    account: account::Model,
) -> Result<account::Model> {
    let proven_at = match &caller.principal {
        Principal::User { id, .. } => {
            let own = user::Entity::by_id(*id).one(tx).await?;
            let own = own
                .filter(|own| own.holds(AddressProof::Required) && Some(&own.email) == account.contact_email.as_ref());
            own.and_then(|own| own.email_verified_at)
        }
        _ => None,
    };
    let id = account.id;
    let mut row: account::ActiveModel = account.into();
    row.contact_verified_at = Set(proven_at);
    row.contact_counts = Set(proven_at.is_some() || !app.config.requires_proof());
    let account = row.update(tx).await?;
    if app.config.requires_proof() {
        mail_quota::require(tx, app, Counted::ProofsBy(&id.to_string())).await?;
        verification::ask_for_contact_proof(tx, app, &account).await?;
    }
    Ok(account)
}

fn apply(row: &mut account::ActiveModel, input: UpdateAccount) -> std::result::Result<(), Broken> {
    if let Some(name) = input.name {
        row.name = Set(texts::name(&name, "input.name")?);
    }
    match input.website {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => row.website = Set(None),
        MaybeUndefined::Value(website) => row.website = Set(Some(texts::website(&website, "input.website")?)),
    }
    if let Some(timezone) = input.timezone {
        row.timezone = Set(texts::timezone(&timezone, "input.timezone")?);
    }
    match input.contact_email {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => {
            let message = "an account keeps a contact address: write another one";
            return Err(Broken::new(UserErrorCode::Required, "input.contactEmail", message));
        }
        MaybeUndefined::Value(email) => {
            row.contact_email = Set(Some(email_address::parse(&email, "input.contactEmail")?));
        }
    }
    if let Some(listed) = input.listed {
        row.listed = Set(listed);
    }
    if let Some(notify) = input.notify_by_mail {
        row.notify_by_mail = Set(notify);
    }
    Ok(())
}

fn shown(account: &account::Model) -> serde_json::Value {
    json!({
        "name": account.name,
        "website": account.website,
        "timezone": account.timezone,
        "contactEmail": account.contact_email,
        "listed": account.listed,
        "notifyByMail": account.notify_by_mail,
    })
}

pub(super) fn entry<'a>(
    account: &'a account::Model,
    action: &'static str,
    changes: Option<serde_json::Value>,
) -> Entry<'a> {
    Entry {
        action,
        subject_type: "Account",
        subject_id: account.id.to_string(),
        label: Some(&account.name),
        changes,
    }
}

/// Locks an account's own row, by which changes of its people and keys take turns. Rows that refer to it can still be
/// written meanwhile: no lead waits for that.
pub async fn lock(tx: &DatabaseTransaction, id: AccountId) -> Result<account::Model> {
    let found = account::Entity::by_id(id).lock(LockType::NoKeyUpdate).one(tx).await?;
    found.ok_or(Error::NotFound("account"))
}

/// Tells every node, at its next look, that compiled flows and credentials of the account may have changed.
pub async fn touch_config(tx: &DatabaseTransaction, account: AccountId) -> Result<()> {
    account::Entity::raise_config_version(account).exec(tx).await?;
    Ok(())
}

/// Every account in the order of sign-up, for the operator on the command line.
pub async fn list(app: &App) -> Result<Vec<account::Model>> {
    let all = account::Entity::for_operator().order_by_asc(account::Column::Id);
    Ok(all.all(app.db.read()).await?)
}

/// Gives an account a plan, for the operator on the command line.
pub async fn set_plan(app: &App, id: AccountId, plan: Plan) -> Result<account::Model> {
    let tx = app.db.begin().await?;
    let unknown = |_| Error::broken(UserErrorCode::NotFound, "id", "no such account");
    let before = lock(&tx, id).await.map_err(unknown)?;
    let mut row: account::ActiveModel = before.clone().into();
    row.plan = Set(plan);
    row.updated_at = Set(app.clock.now());
    let account = row.update(&tx).await?;
    touch_config(&tx, id).await?;
    let changes = json!({"before": before.plan, "after": plan});
    let entry = entry(&account, "account.plan_changed", Some(changes));
    audit::record(&tx, &app.clock, id, &Who::system(), entry).await?;
    tx.commit().await?;
    Ok(account)
}
