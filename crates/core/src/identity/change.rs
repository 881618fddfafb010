//! The frame of every change of an account's settings (flows, partners, profiles, network, mail server): lock the account, apply,
//! audit, check the quota, append events, commit, notify.
//!
//! The account's row stays locked until the commit, so that changes of one account follow one another, and limits, ranks and
//! versions are counted exactly. The lock is weaker than FOR UPDATE: leads stored meanwhile may still refer to the row.

use entity::account::{self, Plan};
use entity::ids::AccountId;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::accounts;
use super::caller::Caller;
use super::settings_quota::StoredBytes;
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::crypto::Keys;
use crate::database::Transaction;
use crate::error::{Error, Result, UserErrorCode};
use crate::live::events::{self, NewEvent};

/// A change under way. Dropped without a commit, it changes nothing.
///
/// Its futures are boxed: the API's dispatch has room in one stack frame for the futures of all mutations.
pub struct Change<'a> {
    pub app: &'a App,
    pub tx: Transaction,
    /// Locked.
    pub account: account::Model,
    pub actor: Actor,
    /// Appended by the commit, which is the last to lock event logs.
    pub events: Vec<NewEvent>,
    quota: Option<StoredBytes>,
}

impl<'a> Change<'a> {
    /// Locks the account. The caller's right to the change has been checked.
    pub fn begin(app: &'a App, caller: &Caller, account: AccountId) -> BoxFuture<'a, Result<Self>> {
        let actor = caller.actor();
        Box::pin(async move {
            let tx = app.db.begin().await?;
            let account = accounts::lock(&tx, account).await?;
            Ok(Self::new(app, actor, tx, account))
        })
    }

    /// A change in a transaction that has locked the account already.
    pub fn of_locked(app: &'a App, caller: &Caller, tx: Transaction, account: account::Model) -> Self {
        Self::new(app, caller.actor(), tx, account)
    }

    fn new(app: &'a App, actor: Actor, tx: Transaction, account: account::Model) -> Self {
        Self {
            app,
            tx,
            account,
            actor,
            events: Vec::new(),
            quota: None,
        }
    }

    /// Measures what the account has stored, so that the commit refuses growth beyond the account's quota.
    pub async fn metered(mut self) -> Result<Self> {
        self.quota = Some(StoredBytes::before(&self.tx, self.account.id).await?);
        Ok(self)
    }

    pub fn is_quota_half_used(&self) -> bool {
        self.quota.is_some_and(|quota| quota.is_much(self.app))
    }

    /// Lifts the quota from a change that makes the settings smaller, whatever history it adds.
    pub fn lift_quota(&mut self) {
        self.quota = None;
    }

    /// The account's data keys. They exist since sign-up, so that none is made in this transaction and lost by its rollback.
    pub async fn keys(&self) -> Result<std::sync::Arc<Keys>> {
        let vault = &self.app.vault;
        Ok(vault.keys(&self.tx, &self.app.clock, Some(self.account.id)).await?)
    }

    /// Refuses what the FREE plan does not include; `what` names it in the message.
    pub fn require_paid(&self, path: &str, what: &str) -> Result<()> {
        if self.account.plan == Plan::Paid {
            return Ok(());
        }
        let message =
            format!("the FREE plan does not include {what}: leave it out, or ask the operator for the PAID plan");
        Err(Error::user(UserErrorCode::PlanRequired, path, message))
    }

    pub async fn record(&self, entry: Entry<'_>) -> Result<()> {
        audit::record(&self.tx, &self.app.clock, self.account.id, &self.actor, entry).await
    }

    /// Audits the change and commits it.
    pub fn commit_with<'e>(self, entry: Entry<'e>) -> BoxFuture<'e, Result<()>>
    where
        'a: 'e,
    {
        Box::pin(async move {
            self.record(entry).await?;
            self.commit().await
        })
    }

    /// Commits a change of what compiled flows contain: every node compiles the account's flows anew.
    pub fn commit(self) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            accounts::touch_config(&self.tx, self.account.id).await?;
            self.commit_uncompiled().await
        })
    }

    /// Commits a change of nothing that compiled flows contain.
    pub fn commit_uncompiled(self) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if let Some(quota) = self.quota {
                quota.check(self.app, &self.tx, "input").await?;
            }
            let heads = events::append(&self.tx, self.app.clock.now(), self.events).await?;
            self.tx.commit().await?;
            self.app.hub.notify(&heads);
            Ok(())
        })
    }
}

/// Compares two audit views: `{"name": {"from": …, "to": …}}` for each member that differs; none if nothing does.
pub fn differences(before: &Value, after: &Value) -> Option<Value> {
    let changed = after.as_object()?.iter().filter_map(|(name, to)| {
        let from = before.get(name).unwrap_or(&Value::Null);
        (from != to).then(|| (name.clone(), json!({"from": from, "to": to})))
    });
    let changed: Map<String, Value> = changed.collect();
    (!changed.is_empty()).then_some(Value::Object(changed))
}
