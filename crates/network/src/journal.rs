//! What both sides are told of a change: audit trails and event logs.

use entity::account;
use entity::audit_event::ActorKind;
use entity::event::EventKind;
use entity::ids::AccountId;
use entity::topic;
use sea_orm::DatabaseTransaction;
use serde_json::Value;
use uuid::Uuid;

use super::sides::Sides;
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry, Who};
use leadmesh_core::error::Result;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::live::events::{self, Grown, Heads, NewEvent};

/// Something done, as each side's audit trail tells it.
#[derive(Clone, Debug)]
pub struct Deed {
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

/// An account, as another account's trail names it: people and addresses of one side are no business of the other.
pub fn as_partner(account: &account::Model) -> Who {
    Who {
        kind: ActorKind::PartnerAccount,
        id: Some(account.id.to_string()),
        name: account.name.clone(),
        ip: None,
    }
}

/// Adds a deed of the caller to both trails.
pub async fn record(tx: &DatabaseTransaction, app: &App, caller: &Caller, sides: &Sides, deed: Deed) -> Result<()> {
    let Sides { mine, theirs } = sides;
    let entry = |action, label, changes| Entry {
        action,
        subject_type: deed.subject_type,
        subject_id: deed.subject_id.clone(),
        label: Some(label),
        changes: Some(changes),
    };
    let my_label = deed.my_label.as_deref().unwrap_or(&theirs.name);
    let my_entry = entry(deed.mine, my_label, deed.my_changes.clone());
    audit::record(tx, &app.clock, mine.id, &caller.who(), my_entry).await?;
    let their_entry = entry(deed.theirs, mine.name.as_str(), deed.their_changes.clone());
    audit::record(tx, &app.clock, theirs.id, &as_partner(mine), their_entry).await
}

/// An event in an account's log.
pub fn event(account: AccountId, kind: EventKind, subject: Uuid) -> NewEvent {
    NewEvent {
        topic: account.0,
        kind,
        subject,
        scope: None,
        detail: None,
        outcome: None,
    }
}

/// The same event for both sides.
pub fn for_both(sides: &Sides, kind: EventKind, subject: Uuid) -> Vec<NewEvent> {
    [sides.mine.id, sides.theirs.id]
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
pub async fn tell(app: &App, accounts: impl IntoIterator<Item = AccountId>) {
    let mut heads = Heads::new();
    for account in accounts {
        match topic::Entity::by_id(account.0).one(app.db.read()).await {
            Ok(Some(topic)) => {
                let (head, entries) = (topic.head, Vec::new());
                heads.insert(
                    topic.id,
                    Grown {
                        head,
                        entries,
                        outcomes: Vec::new(),
                    },
                );
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "cannot tell of new events; they will be read later"),
        }
    }
    app.hub.tell(&heads);
}
