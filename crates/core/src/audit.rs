//! Writing to the append-only audit log, in the transaction of the change.

use chrono::{DateTime, Utc};
use entity::account;
use entity::audit_event::{ActiveModel, ActorKind, Entity};
use entity::ids::AccountId;
use sea_orm::{ConnectionTrait, EntityTrait, Set};
use serde_json::Value;

use crate::clock::Clock;
use crate::error::Result;

const AT_ONCE: usize = 1_000;

/// Who acts, in an audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub kind: ActorKind,
    /// Public identifier; none for the system.
    pub id: Option<String>,
    pub name: String,
    pub ip: Option<String>,
}

impl Actor {
    /// Leadmesh itself, or its operator on the command line.
    pub fn system() -> Self {
        Self {
            kind: ActorKind::System,
            id: None,
            name: "Leadmesh".into(),
            ip: None,
        }
    }

    /// An account in another account's log, which names no person or address of it.
    pub fn partner_account(account: &account::Model) -> Self {
        Self {
            kind: ActorKind::PartnerAccount,
            id: Some(account.id.to_string()),
            name: account.name.clone(),
            ip: None,
        }
    }
}

/// One act, in an audit log.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// As `noun.verb`, the verb in the past tense: `flow.created`.
    pub action: &'static str,
    pub subject_type: &'static str,
    /// Public identifier.
    pub subject_id: String,
    pub label: Option<&'a str>,
    /// Never a secret or a value of a lead.
    pub changes: Option<Value>,
}

impl<'a> Entry<'a> {
    pub fn new(action: &'static str, subject_type: &'static str, subject: impl ToString, label: &'a str) -> Self {
        Self {
            label: Some(label),
            ..Self::unlabelled(action, subject_type, subject)
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "IDs are Copy; callers need not borrow them"
    )]
    pub fn unlabelled(action: &'static str, subject_type: &'static str, subject: impl ToString) -> Self {
        Self {
            action,
            subject_type,
            subject_id: subject.to_string(),
            label: None,
            changes: None,
        }
    }

    #[must_use]
    pub fn with(self, changes: Value) -> Self {
        Self {
            changes: Some(changes),
            ..self
        }
    }
}

/// Adds an entry to an account's audit log.
pub async fn record(
    db: &impl ConnectionTrait,
    clock: &Clock,
    account: AccountId,
    actor: &Actor,
    entry: Entry<'_>,
) -> Result<()> {
    Entity::insert(row(clock, account, actor, entry))
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Adds the entries of one act.
pub async fn record_all<'a>(
    db: &impl ConnectionTrait,
    clock: &Clock,
    account: AccountId,
    actor: &Actor,
    entries: impl Iterator<Item = Entry<'a>>,
) -> Result<()> {
    let rows: Vec<ActiveModel> = entries.map(|entry| row(clock, account, actor, entry)).collect();
    for some in rows.chunks(AT_ONCE) {
        Entity::insert_many(some.to_vec()).exec_without_returning(db).await?;
    }
    Ok(())
}

fn row(clock: &Clock, account: AccountId, actor: &Actor, entry: Entry<'_>) -> ActiveModel {
    let at: DateTime<Utc> = clock.now();
    ActiveModel {
        id: Set(clock.id()),
        account_id: Set(account),
        at: Set(at),
        actor_kind: Set(actor.kind),
        actor_id: Set(actor.id.clone()),
        actor_name: Set(actor.name.clone()),
        action: Set(entry.action.into()),
        subject_type: Set(entry.subject_type.into()),
        subject_id: Set(entry.subject_id),
        subject_label: Set(entry.label.map(str::to_owned)),
        changes: Set(entry.changes),
        ip: Set(actor.ip.clone()),
    }
}
