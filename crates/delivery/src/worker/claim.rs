//! Claims due deliveries: as many as there are free slots, first attempts before retries, accounts in turn where slots are short, and
//! none for a destination that is at its limit or whose circuit is open.

use std::collections::{HashMap, HashSet};

use entity::delivery;
use entity::due::{Due, DueQuery, Lane};
use entity::ids::{AccountId, DeliveryId};
use uuid::Uuid;

use super::lane_cursor::LaneCursors;
use super::outcome::PendingOutcome;
use super::patience::{abandon_unknown, retry_outages};
use super::tools::Tools;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::queue::Claimed;
use leadmesh_core::queue::slots::Slot;

/// Rows read for each free slot: some belong to destinations whose slots run out meanwhile.
const READ_AHEAD: u64 = 4;
/// Most groups of accounts that one claim reads, where the first groups have nothing due for which there are slots.
const ROUNDS: usize = 16;

/// Claims what is due and may be attempted now.
pub(super) async fn claim_due(tools: &Tools, cursors: &mut LaneCursors) -> Result<Vec<Claimed>> {
    let app = &tools.app;
    let Some(owner) = app.queue.valid_owner() else {
        return Ok(Vec::new());
    };
    let mut slots: HashMap<DeliveryId, Slot> = HashMap::new();
    // Set first: a slot that is freed meanwhile rings for the next claim.
    app.queue.set_backlog(true);
    let mut all_taken = true;
    for retries in [false, true] {
        let taken = reserve(app, retries, cursors, &mut slots).await?;
        if retries {
            app.queue.slots.set_retries_wait(!taken);
        }
        all_taken &= taken;
    }
    app.queue.set_backlog(!all_taken);
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    let _claiming = app.queue.abandon_on_panic();
    let rows = take(app, owner, slots.keys().copied().collect()).await?;
    let claimed = open(tools, rows, slots).await;
    claimed.inspect_err(|_error| app.queue.abandon_lease())
}

async fn take(app: &App, owner: Uuid, ids: Vec<DeliveryId>) -> Result<Vec<delivery::Model>> {
    let taken = delivery::Entity::claim(app.db.write(), owner, ids, app.clock.now()).await;
    let mut rows = taken
        .map_err(Error::from)
        .inspect_err(|error| abandon_unknown(app, error))?;
    rows.sort_by_key(|row| row.id);
    Ok(rows)
}

/// Claimed deliveries with their leads. Those whose lead cannot be read end here. On an error nobody attempts the rows: the lease must
/// be given up.
pub(super) async fn open(
    tools: &Tools,
    rows: Vec<delivery::Model>,
    mut slots: HashMap<DeliveryId, Slot>,
) -> Result<Vec<Claimed>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let leads = retry_outages(|| tools.contents.load(&rows)).await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(lead) = leads.get(&row.lead_id).cloned() else {
            tools.record(PendingOutcome::undecryptable(row, tools.app.clock.now()));
            continue;
        };
        claimed.extend(slots.remove(&row.id).map(|slot| Claimed {
            delivery: row,
            lead,
            slot,
        }));
    }
    Ok(claimed)
}

/// Takes slots for due deliveries, before any is claimed: what is claimed can be sent without waiting. Returns whether surely nothing
/// that is due was left.
async fn reserve(
    app: &App,
    retries: bool,
    cursors: &mut LaneCursors,
    slots: &mut HashMap<DeliveryId, Slot>,
) -> Result<bool> {
    let free = u64::from(app.queue.slots.free());
    if free == 0 {
        return Ok(false);
    }
    let query = DueQuery {
        now: app.clock.now(),
        retries,
    };
    let (due, mut all_taken) = find(app, query, cursors, free * READ_AHEAD).await?;
    for one in due {
        if slots.contains_key(&one.id) {
            continue;
        }
        match app.queue.slots.try_take(one.account_id, one.destination(), retries) {
            Some(slot) => drop(slots.insert(one.id, slot)),
            None => all_taken = false,
        }
    }
    Ok(all_taken)
}

/// About `most` due deliveries, in the order in which they get slots, and whether that is all that is due. If more than `most` are
/// due, the oldest may all be for one destination that is full, or of one account: then each lane is read by itself, and only as much
/// of it as its destination has room for.
async fn find(app: &App, query: DueQuery, cursors: &mut LaneCursors, most: u64) -> Result<(Vec<Due>, bool)> {
    let db = app.db.read();
    let oldest = query.oldest(db, most).await?;
    if oldest.read < most {
        return Ok((oldest.open, true));
    }
    let full = app.queue.slots.full_accounts(query.retries);
    let (mut heads, mut seen) = (Vec::new(), HashSet::new());
    for _ in 0..ROUNDS {
        let (mut accounts, all_seen) = cursors.next_accounts(app, query).await?;
        accounts.retain(|account| seen.insert(*account));
        let gone_round = all_seen || accounts.is_empty();
        accounts.retain(|account| !full.contains(account));
        heads.extend(cursors.next_heads(app, query, &accounts).await?);
        if gone_round || heads.len() as u64 >= most {
            break;
        }
    }
    let lanes = lanes(app, query, heads, most);
    Ok((in_turns(query.oldest_of(db, &lanes).await?), false))
}

/// The lanes to be read, and how much of each: about the same of every account, and nothing for destinations without room. Within an
/// account, the lanes whose first delivery has waited longest come first.
fn lanes(app: &App, query: DueQuery, mut heads: Vec<Due>, most: u64) -> Vec<(Lane, u64)> {
    heads.sort_by_key(|head| head.due_at);
    heads.retain(|head| app.queue.slots.room(head.destination(), query.retries) > 0);
    let accounts: HashSet<AccountId> = heads.iter().map(|head| head.account_id).collect();
    let each = most.div_ceil(accounts.len().max(1) as u64);
    let mut read: HashMap<AccountId, u64> = HashMap::new();
    let mut lanes = Vec::with_capacity(heads.len());
    for head in heads {
        let read = read.entry(head.account_id).or_default();
        let room = u64::from(app.queue.slots.room(head.destination(), query.retries));
        let wanted = room.min(each.saturating_sub(*read));
        if wanted > 0 {
            *read += wanted;
            lanes.push((head.lane, wanted));
        }
    }
    lanes
}

/// The first delivery of each account, then the second of each, and so on. Those to one destination keep their order.
fn in_turns(mut found: Vec<Due>) -> Vec<Due> {
    found.sort_by_key(|due| due.due_at);
    let mut taken: HashMap<AccountId, usize> = HashMap::new();
    let mut ranked: Vec<(usize, Due)> = Vec::with_capacity(found.len());
    for due in found {
        let rank = taken.entry(due.account_id).or_default();
        ranked.push((*rank, due));
        *rank += 1;
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, due)| due).collect()
}
