//! Changes of an account by its owners and admins.

use async_graphql::{InputObject, MaybeUndefined};
use entity::account;
use entity::proof::AddressProof;
use entity::scalars::{EmailAddress, TimeZone, UrlText};
use entity::user;
use sea_orm::{ActiveModelTrait, DatabaseTransaction, Set};
use serde_json::json;

use super::accounts::entry;
use super::caller::{Caller, Principal};
use super::change::Change;
use super::mail_quota::{self, QuotaKey};
use super::policy::Action;
use super::{email_address, texts, verification};
use crate::app::App;
use crate::error::{Result, UserError, UserErrorCode};

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

pub async fn update(app: &App, caller: &Caller, input: UpdateAccount) -> Result<account::Model> {
    let id = caller.require(Action::ManageAccount)?;
    let change = Change::begin(app, caller, id).await?;
    let before = change.account.clone();
    let mut row: account::ActiveModel = before.clone().into();
    apply(&mut row, input)?;
    row.updated_at = Set(app.clock.now());
    let mut account = row.update(&change.tx).await?;
    if account.contact_email != before.contact_email {
        account = claim_contact(&change.tx, app, caller, account).await?;
    }
    let changes = json!({"before": audit_view(&before), "after": audit_view(&account)});
    change
        .commit_with(entry("account.updated", &account).with(changes))
        .await?;
    Ok(account)
}

/// A new contact address counts if the caller has proven it as their own; otherwise it is mailed a link first.
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
        mail_quota::require(tx, app, QuotaKey::ProofsBy(&id.to_string())).await?;
        verification::ask_for_contact_proof(tx, app, &account).await?;
    }
    Ok(account)
}

fn apply(row: &mut account::ActiveModel, input: UpdateAccount) -> std::result::Result<(), UserError> {
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
            let message = "an account needs a contact address: enter another one";
            return Err(UserError::new(UserErrorCode::Required, "input.contactEmail", message));
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

fn audit_view(account: &account::Model) -> serde_json::Value {
    json!({
        "name": account.name,
        "website": account.website,
        "timezone": account.timezone,
        "contactEmail": account.contact_email,
        "listed": account.listed,
        "notifyByMail": account.notify_by_mail,
    })
}
