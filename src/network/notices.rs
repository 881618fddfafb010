//! Mails to the owners of an account about its relationships, for accounts that want them.

use entity::account;
use entity::proof::AddressProof;
use entity::user::{self, Role};
use sea_orm::{ColumnTrait, DatabaseTransaction, QueryFilter};

use crate::app::App;
use crate::error::Result;
use crate::identity::{letters, mailbox};

/// What happened, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// One line.
    pub subject: String,
    /// A paragraph that also says what can be done.
    pub text: String,
}

/// Mails a notice to every owner who has signed in once, but for the one who has had another mail about it. Where addresses are to
/// be proven, only to those that are.
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
    let owners = user::Entity::in_account(account.id)
        .filter(user::Column::Role.eq(Role::Owner))
        .filter(user::Column::PasswordHash.is_not_null());
    for owner in owners.all(tx).await? {
        let is_theirs = owner.holds(AddressProof::Required) || !app.config.requires_proof();
        if except == Some(owner.email.as_str()) || !is_theirs {
            continue;
        }
        let text = format!("{} You get this mail as an owner of {}.", notice.text, account.name);
        let letter = letters::letter(&owner.email, notice.subject.clone(), &text, &app.config.public_url);
        mailbox::queue_mail(tx, app, letter).await?;
    }
    Ok(())
}
