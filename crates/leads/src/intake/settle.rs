//! Storing leads with all that follows from them, at the buyers too, within one transaction. Duplicates, caps and who gets what
//! are settled here, because only here they are exact. Whatever a transaction locks for its leads it locks at once and in one
//! order, so that leads that go from A to B never wait for those that go from B to A.

use std::collections::{BTreeSet, HashSet};

use entity::ids::AccountId;
use entity::{account, bulk, delivery, lead};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::duplicates::Claims;
use super::locks::{lock, look_at_turns, write};
use super::rows::{Occasion, Rows, rows};
use crate::allocate::{Ledger, Settling, Touched, Turns, allocate};
use crate::branch::Entering;
use crate::entrances::Versions;
use crate::receipts::Receipt;
use leadmesh_core::app::App;
use leadmesh_core::error::Result;
use leadmesh_core::live::events::NewEvent;
use leadmesh_core::queue::Claimed;

/// A decided lead, and the occasion on which it came.
pub struct ToStore<'a> {
    /// The lead.
    pub lead: &'a mut Entering,
    /// How it came.
    pub occasion: Occasion,
}

/// What was stored, and what follows from it after the commit.
#[derive(Default)]
pub struct Settled {
    /// One for each lead, in order.
    pub receipts: Vec<Receipt>,
    /// To be appended to the logs, as the last act.
    pub events: Vec<NewEvent>,
    /// Deliveries that this process' worker starts at once.
    pub claimed: Vec<Claimed>,
    /// Deliveries that wait for a worker.
    pub waiting: Vec<entity::ids::DeliveryId>,
}

/// What a transaction that stores leads knows and does besides.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Endpoints to which nothing is sent now: deliveries to them wait.
    pub closed: HashSet<Uuid>,
    /// The lease of this process' worker, which has not run out: deliveries are claimed under it at once.
    pub lease: Option<Uuid>,
    /// What else it will touch.
    pub touched: Touched,
}

/// Stores leads in the caller's transaction. On an error the transaction must be given up.
pub async fn settle(
    app: &App,
    tx: &DatabaseTransaction,
    mut leads: Vec<ToStore<'_>>,
    around: Around,
) -> Result<Settled> {
    let mut claims = Claims::default();
    for ToStore { lead, occasion } in leads.iter_mut().filter(|stored| !stored.occasion.test) {
        claims.add(lead, occasion.at);
    }
    claims.take(tx).await?;
    for ToStore { lead, occasion } in leads.iter_mut().filter(|stored| !stored.occasion.test) {
        claims.refuse(lead, occasion.at);
    }
    let mut settling = Settling::new(lock_for(tx, &leads, around.touched).await?, app.clock.now());
    let mut all = Rows {
        closed: around.closed.clone(),
        lease: around.lease,
        ..Rows::default()
    };
    settling.closed = around.closed;
    let mut receipts = Vec::with_capacity(leads.len());
    for ToStore { lead, occasion } in leads {
        (settling.now, settling.test) = (occasion.at, occasion.test);
        let chosen = allocate(lead, &mut settling);
        receipts.push(rows(app, lead, chosen, &occasion, &mut all)?);
    }
    claims.keep(tx, &settling.accepted).await?;
    write(tx, &settling).await?;
    bulk::insert_both::<lead::Entity, delivery::Entity>(tx, all.leads, all.deliveries).await?;
    Ok(Settled {
        receipts,
        events: all.events,
        claimed: all.claimed,
        waiting: all.waiting,
    })
}

/// Whether every account that a lead rests on has the version that it was decided by.
pub fn versions_hold(lead: &Entering, newest: &Versions) -> bool {
    let mut rests_on: Vec<(AccountId, i64)> = Vec::new();
    lead.versions(&mut rests_on);
    rests_on
        .iter()
        .all(|(account, version)| newest.get(account) == Some(version))
}

/// Every account that leads rest on.
pub fn accounts<'a>(leads: impl IntoIterator<Item = &'a Entering>) -> BTreeSet<AccountId> {
    let mut rests_on = Vec::new();
    for lead in leads {
        lead.versions(&mut rests_on);
    }
    rests_on.into_iter().map(|(account, _)| account).collect()
}

/// The versions now of every account that a lead rests on.
pub async fn newest_versions(tx: &DatabaseTransaction, lead: &Entering) -> Result<Versions> {
    let accounts = accounts(std::iter::once(lead));
    Ok(account::Entity::versions(tx, accounts).await?.into_iter().collect())
}

/// Locks everything that the leads may touch, and what the transaction will touch besides. Of what tests would touch it is only
/// looked whose turn it is.
async fn lock_for(tx: &DatabaseTransaction, leads: &[ToStore<'_>], mut touched: Touched) -> Result<(Ledger, Turns)> {
    let mut tests = Touched::default();
    for stored in leads {
        let wanted = if stored.occasion.test { &mut tests } else { &mut touched };
        wanted.add(stored.lead, stored.occasion.at);
    }
    let seen = look_at_turns(tx, tests.turns.difference(&touched.turns).copied()).await?;
    lock(tx, touched, seen).await
}
