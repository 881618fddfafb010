//! Emails to the owners of an account about its relationships, if the account wants them.

use entity::account;
use entity::ids::AccountId;
use entity::proof::AddressProof;
use entity::user::{self, Role};
use sea_orm::{ColumnTrait, DatabaseTransaction, QueryFilter};

use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::emails::{self, sanitize};
use leadmesh_core::identity::{mail_queue, mail_quota};

/// In characters.
const SUBJECT: usize = 150;
const TEXT: usize = 2_000;

/// A message to the owners of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The partner account that caused it; none for what concerns the account itself.
    pub by: Option<AccountId>,
    /// One line.
    pub subject: String,
    /// One paragraph, which also says what to do.
    pub text: String,
}

/// Emails a notice to every owner with a password, but for `except`, who has had another email about it. Where proof is
/// required, only to proven addresses. Beyond the quota nothing is sent: no partner can fill mailboxes by what it does. Without
/// a mail server nothing is queued: a late notice is of no use.
pub async fn email_owners(
    tx: &DatabaseTransaction,
    app: &App,
    account: &account::Model,
    notice: &Notice,
    except: Option<&str>,
) -> Result<()> {
    if !account.notify_by_mail || app.config.settings.smtp_url.is_none() {
        return Ok(());
    }
    if !mail_quota::notice(tx, app, notice.by, account.id).await? {
        return Ok(());
    }
    let subject = sanitize::bounded(&notice.subject, SUBJECT);
    let said = sanitize::bounded(&notice.text, TEXT);
    let owners = user::Entity::in_account(account.id)
        .filter(user::Column::Role.eq(Role::Owner))
        .filter(user::Column::PasswordHash.is_not_null());
    for owner in owners.all(tx).await? {
        let is_theirs = owner.holds(AddressProof::Required) || !app.config.requires_proof();
        if except == Some(owner.email.as_str()) || !is_theirs {
            continue;
        }
        let text = format!(
            "{said} You receive this email as an owner of {}.",
            sanitize::name(&account.name)
        );
        let email = emails::email_with_link(&owner.email, subject.clone(), &text, &app.config.public_url);
        mail_queue::queue_mail(tx, app, email).await?;
    }
    Ok(())
}
