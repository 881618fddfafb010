//! Changes that concern the caller's account and a partner: audited in the logs of both.

use std::ops::{Deref, DerefMut};

use entity::account;
use entity::event::EventKind;
use entity::ids::AccountId;
use serde_json::Value;
use uuid::Uuid;

use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Actor, Entry};
use leadmesh_core::database::Transaction;
use leadmesh_core::error::Result;
use leadmesh_core::identity::accounts;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::change::Change;
use leadmesh_core::live::events::NewEvent;

/// A change that holds the locks of both accounts.
pub struct PartnerChange<'a> {
    change: Change<'a>,
    pub partner: account::Model,
}

impl<'a> PartnerChange<'a> {
    /// Locks the lower identifier first, so that two changes cannot wait for each other.
    pub async fn lock(
        app: &'a App,
        caller: &Caller,
        tx: Transaction,
        mine: AccountId,
        partner: AccountId,
    ) -> Result<Self> {
        let low = accounts::lock(&tx, mine.min(partner)).await?;
        let high = accounts::lock(&tx, mine.max(partner)).await?;
        let (account, partner) = if mine < partner { (low, high) } else { (high, low) };
        let change = Change::of_locked(app, caller, tx, account);
        Ok(Self { change, partner })
    }

    pub fn mine(&self) -> &account::Model {
        &self.change.account
    }

    pub async fn record_pair(&self, entries: AuditPair) -> Result<()> {
        entries.record(&self.change, &self.partner).await
    }

    /// Adds an event to the logs of both accounts.
    pub fn announce(&mut self, kind: EventKind, subject: Uuid) {
        let mine = NewEvent::of_account(self.change.account.id, kind, subject);
        self.change.events.push(mine);
        self.announce_to_partner(kind, subject);
    }

    pub fn announce_to_partner(&mut self, kind: EventKind, subject: Uuid) {
        self.change
            .events
            .push(NewEvent::of_account(self.partner.id, kind, subject));
    }

    /// Commits a change of what the compiled flows of either account contain.
    pub async fn commit(self) -> Result<()> {
        let (mine, partner) = (self.change.account.id, self.partner.id);
        accounts::touch_config(&self.change.tx, mine.min(partner)).await?;
        accounts::touch_config(&self.change.tx, mine.max(partner)).await?;
        self.change.commit_uncompiled().await
    }

    /// Commits a change of nothing that compiled flows contain.
    pub async fn commit_uncompiled(self) -> Result<()> {
        self.change.commit_uncompiled().await
    }
}

impl<'a> Deref for PartnerChange<'a> {
    type Target = Change<'a>;

    fn deref(&self) -> &Change<'a> {
        &self.change
    }
}

impl DerefMut for PartnerChange<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.change
    }
}

/// The audit entries of one change in the logs of the two accounts.
#[derive(Clone, Debug)]
pub struct AuditPair {
    /// As `noun.verb`, in the log of the acting account.
    pub mine: &'static str,
    /// The same in the partner's log.
    pub theirs: &'static str,
    pub subject_type: &'static str,
    pub subject_id: String,
    /// Stands in the acting account's log where it must not learn the partner's name.
    pub my_label: Option<String>,
    pub my_changes: Value,
    pub their_changes: Value,
}

impl AuditPair {
    pub async fn record(self, change: &Change<'_>, partner: &account::Model) -> Result<()> {
        let mine = &change.account;
        let label = self.my_label.as_deref().unwrap_or(&partner.name);
        let entry = Entry::new(self.mine, self.subject_type, &self.subject_id, label);
        change.record(entry.with(self.my_changes)).await?;
        let entry = Entry::new(self.theirs, self.subject_type, &self.subject_id, &mine.name);
        let (clock, actor) = (&change.app.clock, Actor::partner_account(mine));
        audit::record(&change.tx, clock, partner.id, &actor, entry.with(self.their_changes)).await
    }
}
