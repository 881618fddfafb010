//! Stores leads with everything that follows from them, at the buyers too, within one transaction. Duplicates, caps and recipients are
//! decided here, because only here the answer is exact. All rows that the leads share are locked before, in one order, so that leads
//! from A to B never wait for leads from B to A.

use std::collections::{BTreeSet, HashSet};

use entity::ids::{AccountId, DeliveryId};
use entity::{account, bulk, delivery, lead};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::duplicates::Claims;
use super::locks::{lock, read_credits, write};
use super::rows::{Rows, SubmissionMeta, rows};
use crate::allocate::{AllocationContext, Ledger, LockSet, RoundRobin, allocate};
use crate::draft::InboundLead;
use crate::receipts::Receipt;
use crate::snapshot::Versions;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::live::events::NewEvent;
use leadmesh_core::queue::Claimed;

/// A decided lead.
pub struct LeadToStore<'a> {
    pub lead: &'a mut InboundLead,
    /// How it came.
    pub meta: SubmissionMeta,
}

/// What was stored, and what follows from it after the commit.
#[derive(Default)]
pub struct StoredLeads {
    /// One for each lead, in order.
    pub receipts: Vec<Receipt>,
    /// Events to append, as the last statement of the transaction.
    pub events: Vec<NewEvent>,
    /// Deliveries that this process's worker starts now.
    pub claimed: Vec<Claimed>,
    /// Deliveries that wait for a worker.
    pub waiting: Vec<DeliveryId>,
}

/// The rest of a transaction that stores leads.
#[derive(Clone, Debug, Default)]
pub struct StoreContext {
    /// Endpoints whose circuit is open: their deliveries wait.
    pub open_circuits: HashSet<Uuid>,
    /// The valid lease of this process's worker, under which deliveries are claimed with their insert.
    pub lease: Option<Uuid>,
    /// Other rows that the transaction needs locked.
    pub locks: LockSet,
}

/// Stores leads in the caller's transaction, which must be rolled back after an error.
pub async fn store(
    app: &App,
    tx: &DatabaseTransaction,
    mut leads: Vec<LeadToStore<'_>>,
    context: StoreContext,
) -> Result<StoredLeads> {
    let mut claims = Claims::default();
    for LeadToStore { lead, meta } in leads.iter_mut().filter(|stored| !stored.meta.test) {
        claims.add(lead, meta.at);
    }
    claims.take(tx).await?;
    for LeadToStore { lead, meta } in leads.iter_mut().filter(|stored| !stored.meta.test) {
        claims.refuse(lead, meta.at);
    }
    let (ledger, round_robin) = lock_for(tx, &leads, context.locks).await?;
    let mut allocation = AllocationContext::new(ledger, round_robin, app.clock.now());
    allocation.open_circuits = context.open_circuits.clone();
    let mut all = Rows {
        open_circuits: context.open_circuits,
        lease: context.lease,
        ..Rows::default()
    };
    let mut receipts = Vec::with_capacity(leads.len());
    for LeadToStore { lead, meta } in leads {
        (allocation.now, allocation.test) = (meta.at, meta.test);
        let selections = allocate(lead, &mut allocation);
        receipts.push(rows(app, lead, selections, &meta, &mut all)?);
    }
    claims.keep(tx, &allocation.accepted).await?;
    write(tx, &allocation).await?;
    bulk::insert_both::<lead::Entity, delivery::Entity>(tx, all.leads, all.deliveries).await?;
    Ok(StoredLeads {
        receipts,
        events: all.events,
        claimed: all.claimed,
        waiting: all.waiting,
    })
}

/// Whether every account has the version by which the lead was decided.
pub fn versions_hold(lead: &InboundLead, newest: &Versions) -> bool {
    let mut rests_on: Vec<(AccountId, i64)> = Vec::new();
    lead.versions(&mut rests_on);
    rests_on
        .iter()
        .all(|(account, version)| newest.get(account) == Some(version))
}

/// The accounts whose configuration leads rest on.
pub fn accounts<'a>(leads: impl IntoIterator<Item = &'a InboundLead>) -> BTreeSet<AccountId> {
    let mut rests_on = Vec::new();
    for lead in leads {
        lead.versions(&mut rests_on);
    }
    rests_on.into_iter().map(|(account, _)| account).collect()
}

/// The newest versions of the accounts whose configuration a lead rests on.
pub async fn newest_versions(tx: &DatabaseTransaction, lead: &InboundLead) -> Result<Versions> {
    let accounts = accounts(std::iter::once(lead));
    Ok(account::Entity::versions(tx, accounts).await?.into_iter().collect())
}

/// Locks all that the leads may change, with the other rows of the transaction. For tests the credits are only read.
async fn lock_for(
    tx: &DatabaseTransaction,
    leads: &[LeadToStore<'_>],
    mut locks: LockSet,
) -> Result<(Ledger, RoundRobin)> {
    let mut tests = LockSet::default();
    for stored in leads {
        let wanted = if stored.meta.test { &mut tests } else { &mut locks };
        wanted.add(stored.lead, stored.meta.at);
    }
    let seen = read_credits(tx, tests.profiles.difference(&locks.profiles).copied()).await?;
    lock(tx, locks, seen).await
}
