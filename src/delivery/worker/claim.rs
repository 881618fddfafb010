//! Claiming what is due: as much as there are slots for, first attempts before retries, and nothing for a destination that is
//! busy to its limit or held.

use std::collections::HashMap;

use entity::delivery;
use entity::ids::{AccountId, DeliveryId, PartnerId};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, Condition, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::contents::Contents;
use super::unopened;
use crate::app::App;
use crate::error::Result;
use crate::queue::Claimed;
use crate::queue::slots::Slot;

/// Rows looked at for each free slot: some belong to destinations whose slots run out on the way.
const LOOK_AHEAD: u64 = 4;

/// Claims what is due and may be attempted now.
pub(super) async fn claim_due(app: &App, contents: &Contents) -> Result<Vec<Claimed>> {
    let Some(owner) = app.queue.owner() else {
        return Ok(Vec::new());
    };
    let mut slots: HashMap<DeliveryId, Slot> = HashMap::new();
    // Set first: a slot that is freed while this looks rings for the next look.
    app.queue.set_behind(true);
    let mut all_taken = true;
    for retries in [false, true] {
        let taken = reserve(app, retries, &mut slots).await?;
        if retries {
            app.queue.slots.set_retries_wait(!taken);
        }
        all_taken &= taken;
    }
    app.queue.set_behind(!all_taken);
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    let claimed = take(app, contents, owner, slots).await;
    if claimed.is_err() {
        // Rows may be ours, even if only the answer was lost, that nobody here will attempt: with another lease, they are
        // taken over.
        app.queue.abandon_lease();
    }
    claimed
}

async fn take(app: &App, contents: &Contents, owner: Uuid, slots: HashMap<DeliveryId, Slot>) -> Result<Vec<Claimed>> {
    let ids = slots.keys().copied().collect();
    let mut rows = delivery::Entity::claim(app.db.write(), owner, ids, app.clock.now()).await?;
    rows.sort_by_key(|row| row.id);
    open(app, contents, rows, slots).await
}

/// Claimed deliveries with the leads to be delivered. On an error nobody attempts them: the lease must be given up.
pub(super) async fn open(
    app: &App,
    contents: &Contents,
    rows: Vec<delivery::Model>,
    mut slots: HashMap<DeliveryId, Slot>,
) -> Result<Vec<Claimed>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let leads = contents.load(&rows).await?;
    let (openable, closed): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| leads.contains_key(&row.lead_id));
    unopened::end(app, &closed).await?;
    Ok(openable
        .into_iter()
        .filter_map(|row| {
            Some(Claimed {
                lead: leads.get(&row.lead_id)?.clone(),
                slot: slots.remove(&row.id)?,
                delivery: row,
            })
        })
        .collect())
}

/// Slots first, rows after: nothing is ever claimed that could not be sent at once. Answers whether surely nothing that is
/// due was left.
async fn reserve(app: &App, retries: bool, slots: &mut HashMap<DeliveryId, Slot>) -> Result<bool> {
    let free = u64::from(app.queue.slots.free());
    if free == 0 {
        return Ok(false);
    }
    let full = app.queue.slots.full_destinations(retries);
    let mut all_taken = full.is_empty();
    let limit = free * LOOK_AHEAD;
    let due: Vec<Due> = delivery::Entity::due(app.clock.now(), retries)
        .filter(to_none_of(&full))
        .select_only()
        .columns([
            delivery::Column::Id,
            delivery::Column::PartnerId,
            delivery::Column::BuyerAccountId,
        ])
        .limit(limit)
        .into_tuple()
        .all(app.db.read())
        .await?;
    all_taken &= u64::try_from(due.len()).is_ok_and(|found| found < limit);
    for (id, partner, buyer) in due {
        let destination = delivery::destination(partner, buyer);
        match app.queue.slots.try_take(destination, retries) {
            Some(slot) => drop(slots.insert(id, slot)),
            None => all_taken = false,
        }
    }
    Ok(all_taken)
}

/// A delivery that is due, and where it goes.
type Due = (DeliveryId, Option<PartnerId>, Option<AccountId>);

/// No comparison holds for what is null: who has no partner is asked for by itself.
fn to_none_of(full: &[Uuid]) -> Condition {
    let other_partner = delivery::Column::PartnerId.is_not_in(full.iter().copied());
    let other_buyer = delivery::Column::BuyerAccountId.is_not_in(full.iter().copied());
    Condition::any()
        .add(other_partner)
        .add(delivery::Column::PartnerId.is_null().and(other_buyer))
}
