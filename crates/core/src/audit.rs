//! The append-only audit trail: written in the transaction of the change that it tells of.

use chrono::{DateTime, Utc};
use entity::audit_event::{ActiveModel, ActorKind, Entity};
use entity::ids::AccountId;
use sea_orm::{ConnectionTrait, EntityTrait, Set};
use serde_json::Value;

use crate::clock::Clock;
use crate::error::Result;

/// Entries in one statement: `SQLite` takes 32,766 parameters.
const AT_ONCE: usize = 1_000;

/// Who acts, as the trail tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// By kind.
    pub kind: ActorKind,
    /// By public identifier; none for the system.
    pub id: Option<String>,
    /// As shown.
    pub name: String,
    /// Address of the caller.
    pub ip: Option<String>,
}

impl Who {
    /// Leadmesh itself, or its operator on the command line.
    pub fn system() -> Self {
        Self {
            kind: ActorKind::System,
            id: None,
            name: "Leadmesh".into(),
            ip: None,
        }
    }
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// As `noun.verb`, the verb in the past tense: `flow.created`.
    pub action: &'static str,
    /// The GraphQL type of the subject.
    pub subject_type: &'static str,
    /// Its public identifier.
    pub subject_id: String,
    /// Its name.
    pub label: Option<&'a str>,
    /// What changed; never a secret or a value of a lead.
    pub changes: Option<Value>,
}

/// Adds to the trail of an account.
pub async fn record(
    db: &impl ConnectionTrait,
    clock: &Clock,
    account: AccountId,
    who: &Who,
    entry: Entry<'_>,
) -> Result<()> {
    Entity::insert(row(clock, account, who, entry))
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Adds several entries about what one act has changed.
pub async fn record_all<'a>(
    db: &impl ConnectionTrait,
    clock: &Clock,
    account: AccountId,
    who: &Who,
    entries: impl Iterator<Item = Entry<'a>>,
) -> Result<()> {
    let rows: Vec<ActiveModel> = entries.map(|entry| row(clock, account, who, entry)).collect();
    for some in rows.chunks(AT_ONCE) {
        Entity::insert_many(some.to_vec()).exec_without_returning(db).await?;
    }
    Ok(())
}

fn row(clock: &Clock, account: AccountId, who: &Who, entry: Entry<'_>) -> ActiveModel {
    let at: DateTime<Utc> = clock.now();
    ActiveModel {
        id: Set(clock.id()),
        account_id: Set(account),
        at: Set(at),
        actor_kind: Set(who.kind),
        actor_id: Set(who.id.clone()),
        actor_name: Set(who.name.clone()),
        action: Set(entry.action.into()),
        subject_type: Set(entry.subject_type.into()),
        subject_id: Set(entry.subject_id),
        subject_label: Set(entry.label.map(str::to_owned)),
        changes: Set(entry.changes),
        ip: Set(who.ip.clone()),
    }
}
