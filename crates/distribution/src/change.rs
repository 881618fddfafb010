//! One change of an account's set-up: who, the transaction, the trail, and the commit.

use std::sync::Arc;

use entity::account::{self, Plan};
use entity::ids::AccountId;
use serde_json::{Map, Value, json};

use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::crypto::Keys;
use leadmesh_core::database::Transaction;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::accounts;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::quota::Stored;

/// A transaction that holds the account's row, so that changes of one account happen one after the other.
pub(super) struct Change<'a> {
    pub(super) app: &'a App,
    pub(super) caller: &'a Caller,
    pub(super) account: account::Model,
    pub(super) keys: Arc<Keys>,
    stored: Stored,
    pub(super) tx: Transaction,
}

/// What the trail says about a change.
pub(super) struct Subject<'a> {
    /// Its GraphQL type.
    pub(super) kind: &'static str,
    /// Its public identifier.
    pub(super) id: String,
    /// Its name.
    pub(super) label: &'a str,
}

impl<'a> Change<'a> {
    /// Begins a change of partners or profiles by somebody who may make it.
    pub(super) async fn begin(app: &'a App, caller: &'a Caller) -> Result<Self> {
        let account = caller.require(Action::ManagePartners)?;
        Self::of(app, caller, account).await
    }

    /// Begins a change in an account; the caller's right to it has been checked.
    pub(super) async fn of(app: &'a App, caller: &'a Caller, account: AccountId) -> Result<Self> {
        // Before the transaction: keys that it made would be cached even if it is rolled back.
        let keys = app.vault.keys(app.db.write(), &app.clock, Some(account)).await?;
        let tx = app.db.begin().await?;
        let account = accounts::lock(&tx, account).await?;
        let stored = Stored::before(&tx, account.id).await?;
        Ok(Self {
            app,
            caller,
            account,
            keys,
            stored,
            tx,
        })
    }

    /// The keys as they are now, for a value that was sealed with one made meanwhile.
    pub(super) async fn newer_keys(&self) -> Result<Arc<Keys>> {
        let vault = &self.app.vault;
        Ok(vault.reload(&self.tx, &self.app.clock, Some(self.account.id)).await?)
    }

    /// Refuses what the FREE plan does not include.
    pub(super) fn require_paid(&self, path: &str, what: &str) -> Result<()> {
        if self.account.plan == Plan::Paid {
            return Ok(());
        }
        let message =
            format!("the FREE plan does not include {what}: leave it out, or ask the operator for the PAID plan");
        Err(Error::broken(UserErrorCode::PlanRequired, path, message))
    }

    /// Adds to the trail.
    pub(super) async fn record(
        &self,
        action: &'static str,
        subject: Subject<'_>,
        changes: Option<Value>,
    ) -> Result<()> {
        let entry = Entry {
            action,
            subject_type: subject.kind,
            subject_id: subject.id,
            label: Some(subject.label),
            changes,
        };
        audit::record(&self.tx, &self.app.clock, self.account.id, &self.caller.who(), entry).await
    }

    /// Commits, and with it tells every node that what it has compiled for this account is out of date.
    pub(super) async fn commit(self) -> Result<()> {
        self.stored.check(self.app, &self.tx, "input").await?;
        accounts::touch_config(&self.tx, self.account.id).await?;
        Ok(self.tx.commit().await?)
    }
}

/// What differs between two views of a subject: `{"name": {"from": …, "to": …}}`; nothing if nothing does.
pub(super) fn differences(before: &Value, after: &Value) -> Option<Value> {
    let changed = after.as_object()?.iter().filter_map(|(name, to)| {
        let from = before.get(name).unwrap_or(&Value::Null);
        (from != to).then(|| (name.clone(), json!({"from": from, "to": to})))
    });
    let changed: Map<String, Value> = changed.collect();
    (!changed.is_empty()).then_some(Value::Object(changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let before = json!({"name": "P", "phone": null, "tags": ["a"]});
        let after = json!({"name": "Q", "phone": null, "tags": ["a"]});
        assert_eq!(
            differences(&before, &after),
            Some(json!({"name": {"from": "P", "to": "Q"}}))
        );
        assert_eq!(differences(&after, &after), None);
    }
}
