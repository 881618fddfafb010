//! The queue of the instance's own emails. Bodies hold one-time links, so they are sealed, and removed once the email is sent or
//! given up.

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::MailId;
use entity::mail::{self, MailStatus};
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, QueryOrder, QuerySelect, Set};
use serde::{Deserialize, Serialize};

use super::emails::Email;
use crate::app::App;
use crate::crypto::Sealed;
use crate::error::Result;

/// How long a worker may take over one email.
pub const LEASE: TimeDelta = TimeDelta::minutes(2);
/// Emails claimed together.
const AT_ONCE: u64 = 20;
/// Minutes from each failed attempt to the next.
const PAUSES: [i64; 3] = [1, 5, 30];
/// Characters kept of a mail server's reply.
const ERROR: usize = 500;
/// An email is given up after this many attempts with unknown end: it may be what ends the processes that try it.
const MOST_INTERRUPTIONS: i32 = 3;
const INTERRUPTED: &str = "set aside: the process that sent it ended repeatedly before the outcome was known";
const NO_SERVER: &str = "this server sends no email: its operator has to set LEADMESH_SMTP_URL and LEADMESH_MAIL_FROM";

// No `Debug`, so that no log line can show the secret in it.
#[derive(Clone, Serialize, Deserialize)]
pub struct MailBody {
    pub text: String,
    pub html: String,
}

/// Queues an email in the transaction of its cause. Without a mail server it is FAILED from the start.
pub async fn queue_mail(tx: &DatabaseTransaction, app: &App, email: Email) -> Result<MailId> {
    let (id, now): (MailId, _) = (app.clock.id(), app.clock.now());
    let can_send = app.config.settings.smtp_url.is_some();
    let body = MailBody {
        text: email.text,
        html: email.html,
    };
    let sealed_body = if can_send {
        Some(seal(tx, app, id, &body).await?)
    } else {
        None
    };
    let row = mail::ActiveModel {
        id: Set(id),
        to_address: Set(email.to),
        subject: Set(email.subject),
        sealed_body: Set(sealed_body),
        status: Set(if can_send {
            MailStatus::Queued
        } else {
            MailStatus::Failed
        }),
        attempts: Set(0),
        due_at: Set(can_send.then_some(now)),
        lease_until: Set(None),
        interruptions: Set(0),
        error: Set((!can_send).then(|| NO_SERVER.to_owned())),
        sent_at: Set(None),
        created_at: Set(now),
    };
    row.insert(tx).await?;
    if !can_send {
        tracing::warn!(mail = %id, "{NO_SERVER}; this email was not sent");
    }
    app.mail_bell.notify_one();
    Ok(id)
}

async fn seal(tx: &DatabaseTransaction, app: &App, id: MailId, body: &MailBody) -> Result<String> {
    let keys = app.vault.keys(tx, &app.clock, None).await?;
    Ok(keys.seal(&body_place(id), &serde_json::to_vec(body)?)?)
}

fn body_place(id: MailId) -> String {
    format!("{id}/body")
}

/// Claims due emails for this worker alone until [`LEASE`] has passed. One that does not open is given up, and harms no other.
pub async fn claim_due(app: &App) -> Result<Vec<(mail::Model, MailBody)>> {
    let mut claimed = Vec::new();
    for mail in lease(app).await? {
        match open(app, &mail).await {
            Ok(body) => claimed.push((mail, body)),
            Err(error) => {
                tracing::error!(mail = %mail.id, %error, "cannot open a sealed email");
                failed(mail, "the email cannot be opened")
                    .update(app.db.write())
                    .await?;
            }
        }
    }
    Ok(claimed)
}

async fn lease(app: &App) -> Result<Vec<mail::Model>> {
    let now = app.clock.now();
    let until = now + LEASE;
    let tx = app.db.begin().await?;
    let mut due = mail::Entity::due(now)
        .order_by_asc(mail::Column::DueAt)
        .limit(AT_ONCE)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(&tx)
        .await?;
    if due.is_empty() {
        due.extend(take_interrupted(&tx, now).await?);
    }
    mail::Entity::lease(due.iter().map(|mail| mail.id), until)
        .exec(&tx)
        .await?;
    tx.commit().await?;
    for mail in &mut due {
        mail.lease_until = Some(until);
        mail.attempts += 1;
    }
    Ok(due)
}

/// One email whose worker never reported its end. It is tried alone, because it may end the process, and given up after several
/// attempts.
async fn take_interrupted(tx: &DatabaseTransaction, now: DateTime<Utc>) -> Result<Option<mail::Model>> {
    let found = mail::Entity::interrupted(now)
        .order_by_asc(mail::Column::DueAt)
        .limit(1)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    let Some(mail) = found.one(tx).await? else {
        return Ok(None);
    };
    let interruptions = mail.interruptions.saturating_add(1);
    let give_up = interruptions >= MOST_INTERRUPTIONS;
    let mut row = if give_up {
        tracing::error!(mail = %mail.id, "{INTERRUPTED}");
        failed(mail, INTERRUPTED)
    } else {
        mail.into()
    };
    row.interruptions = Set(interruptions);
    let mail = row.update(tx).await?;
    Ok((!give_up).then_some(mail))
}

async fn open(app: &App, mail: &mail::Model) -> anyhow::Result<MailBody> {
    let sealed = Sealed {
        owner: None,
        place: &body_place(mail.id),
        text: mail.sealed_body.as_deref().unwrap_or_default(),
    };
    let body = app.vault.open(app.db.read(), &app.clock, sealed).await?;
    Ok(serde_json::from_slice(&body)?)
}

/// Records the outcome: sent, retried after one, five and thirty minutes, or given up. A worker whose lease has gone to another
/// records nothing.
pub async fn finish(app: &App, claimed: &mail::Model, outcome: std::result::Result<(), String>) -> Result<()> {
    let now = app.clock.now();
    let tx = app.db.begin().await?;
    let held = |mail: &mail::Model| mail.status == MailStatus::Queued && mail.attempts == claimed.attempts;
    let found = mail::Entity::by_id(claimed.id).lock_exclusive().one(&tx).await?;
    if let Some(mail) = found.filter(held) {
        let row = match (outcome, next_try(mail.attempts, now)) {
            (Ok(()), _) => sent(mail, now),
            (Err(said), Some(due)) => waiting(mail, due, &said),
            (Err(said), None) => failed(mail, &said),
        };
        row.update(&tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

fn next_try(attempts: i32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let pause = PAUSES.get(usize::try_from(attempts).ok()?.checked_sub(1)?)?;
    Some(now + TimeDelta::minutes(*pause))
}

fn sent(mail: mail::Model, now: DateTime<Utc>) -> mail::ActiveModel {
    let mut row = settled(mail, MailStatus::Sent);
    row.sent_at = Set(Some(now));
    row.error = Set(None);
    row
}

fn failed(mail: mail::Model, said: &str) -> mail::ActiveModel {
    let mut row = settled(mail, MailStatus::Failed);
    row.error = Set(Some(shortened(said)));
    row
}

fn settled(mail: mail::Model, status: MailStatus) -> mail::ActiveModel {
    let mut row: mail::ActiveModel = mail.into();
    row.status = Set(status);
    row.due_at = Set(None);
    row.lease_until = Set(None);
    row.sealed_body = Set(None);
    row
}

fn waiting(mail: mail::Model, due: DateTime<Utc>, said: &str) -> mail::ActiveModel {
    let mut row: mail::ActiveModel = mail.into();
    row.due_at = Set(Some(due));
    row.lease_until = Set(None);
    row.error = Set(Some(shortened(said)));
    row
}

/// A mail server's reply is cut, and freed of what a database may refuse.
pub(super) fn shortened(said: &str) -> String {
    said.chars()
        .filter(|character| !character.is_control())
        .take(ERROR)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_tried_four_times() {
        let now = DateTime::UNIX_EPOCH;
        let pauses: Vec<_> = (0..6)
            .map(|attempts| next_try(attempts, now).map(|due| (due - now).num_minutes()))
            .collect();
        assert_eq!(pauses, [None, Some(1), Some(5), Some(30), None, None]);
    }

    #[test]
    fn what_a_mail_server_says_is_cut() {
        assert_eq!(shortened("550\r\nno\0"), "550no");
        assert_eq!(shortened(&"ü".repeat(1_000)).chars().count(), ERROR);
    }
}
