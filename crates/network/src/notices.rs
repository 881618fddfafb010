//! Mails to the owners of an account about its relationships, for accounts that want them.

use entity::account;
use entity::ids::AccountId;
use entity::proof::AddressProof;
use entity::user::{self, Role};
use sea_orm::{ColumnTrait, DatabaseTransaction, QueryFilter};

use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::identity::letters::{self, reduced};
use leadmesh_core::identity::{mail_quota, mailbox};

/// Most characters of a subject, and of what is said.
const SUBJECT: usize = 150;
const TEXT: usize = 2_000;

/// What happened, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The partner account that has done it; none for what concerns the account itself.
    pub by: Option<AccountId>,
    /// One line.
    pub subject: String,
    /// A paragraph that also says what can be done.
    pub text: String,
}

/// Mails a notice to every owner who has signed in once, but for the one who has had another mail about it. Where addresses are to
/// be proven, only to those that are. When there were too many lately, nothing is mailed: no partner can fill others' mailboxes by what
/// it does.
///
/// Without a mail server nothing is written: a notice that cannot be sent now is of no use later.
pub async fn tell_owners(
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
    let subject = reduced::bounded(&notice.subject, SUBJECT);
    let said = reduced::bounded(&notice.text, TEXT);
    let owners = user::Entity::in_account(account.id)
        .filter(user::Column::Role.eq(Role::Owner))
        .filter(user::Column::PasswordHash.is_not_null());
    for owner in owners.all(tx).await? {
        let is_theirs = owner.holds(AddressProof::Required) || !app.config.requires_proof();
        if except == Some(owner.email.as_str()) || !is_theirs {
            continue;
        }
        let text = format!(
            "{said} You get this mail as an owner of {}.",
            reduced::name(&account.name)
        );
        let letter = letters::letter(&owner.email, subject.clone(), &text, &app.config.public_url);
        mailbox::queue_mail(tx, app, letter).await?;
    }
    Ok(())
}
