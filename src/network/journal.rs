//! What both both are told of a change: audit trails and event logs.

use entity::event::EventKind;
use entity::ids::AccountId;
use entity::topic;
use sea_orm::DatabaseTransaction;
use serde_json::Value;
use uuid::Uuid;

use super::both_accounts::BothAccounts;
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::error::Result;
use crate::identity::caller::Caller;
use crate::live::events::{self, LogGrowth, LogHeads, NewEvent};

/// Something done, as each side's audit trail tells it.
#[derive(Clone, Debug)]
pub struct AuditPair {
    /// As `noun.verb`, in the trail of who did it.
    pub mine: &'static str,
    /// The same in the other side's trail.
    pub theirs: &'static str,
    /// The GraphQL type of the subject.
    pub subject_type: &'static str,
    /// Its public identifier.
    pub subject_id: String,
    /// What the trail of who did it calls the other side, where that must not be its account's name.
    pub my_label: Option<String>,
    /// What changed, as the one side sees it.
    pub my_changes: Value,
    /// And as the other sees it.
    pub their_changes: Value,
}

/// Adds a audit_pair of the caller to both trails.
pub async fn record(
    tx: &DatabaseTransaction,
    app: &App,
    caller: &Caller,
    both: &BothAccounts,
    audit_pair: AuditPair,
) -> Result<()> {
    let BothAccounts { mine, theirs } = both;
    let entry = |action, label, changes| Entry {
        action,
        subject_type: audit_pair.subject_type,
        subject_id: audit_pair.subject_id.clone(),
        label: Some(label),
        changes: Some(changes),
    };
    let my_label = audit_pair.my_label.as_deref().unwrap_or(&theirs.name);
    let my_entry = entry(audit_pair.mine, my_label, audit_pair.my_changes.clone());
    audit::record(tx, &app.clock, mine.id, &caller.actor(), my_entry).await?;
    let their_entry = entry(audit_pair.theirs, mine.name.as_str(), audit_pair.their_changes.clone());
    audit::record(tx, &app.clock, theirs.id, &Actor::partner_account(mine), their_entry).await
}

/// An event in an account's log.
pub fn event(account: AccountId, kind: EventKind, subject: Uuid) -> NewEvent {
    NewEvent {
        topic: account.0,
        kind,
        subject,
        scope: None,
        detail: None,
    }
}

/// The same event for both both.
pub fn for_both(both: &BothAccounts, kind: EventKind, subject: Uuid) -> Vec<NewEvent> {
    [both.mine.id, both.theirs.id]
        .map(|account| event(account, kind, subject))
        .into()
}

/// Appends to the logs. What the transaction appends to the same logs afterwards finds them locked by itself.
pub async fn append(tx: &DatabaseTransaction, app: &App, events: Vec<NewEvent>) -> Result<()> {
    events::append(tx, app.clock.now(), events).await?;
    Ok(())
}

/// Wakes who follows the logs of these accounts; after the commit. It only saves them waiting: what is written is found
/// without it, too.
pub async fn notify(app: &App, accounts: impl IntoIterator<Item = AccountId>) {
    let mut heads = LogHeads::new();
    for account in accounts {
        match topic::Entity::by_id(account.0).one(app.db.read()).await {
            Ok(Some(topic)) => {
                let (head, entries) = (topic.head, Vec::new());
                heads.insert(topic.id, LogGrowth { head, entries });
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "cannot tell of new events; they will be read later"),
        }
    }
    app.hub.notify(&heads);
}
