//! Claiming what is due: as much as there are slots for, first attempts before retries, in turns from all accounts where not
//! all can be had, and nothing for a destination that is busy to its limit or held.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use entity::delivery;
use entity::due::{Due, Lane, Look};
use entity::ids::{AccountId, DeliveryId};
use uuid::Uuid;

use super::contents::Contents;
use super::places::Places;
use super::unopened;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::queue::Claimed;
use leadmesh_core::queue::slots::Slot;

/// Rows looked at for each free slot: some belong to destinations whose slots run out on the way.
const LOOK_AHEAD: u64 = 4;
/// Looks at some accounts by themselves, where the first have nothing due for which there are slots.
const ROUNDS: usize = 16;
/// Tries to read what was claimed while the database is away, and the time between them.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(250);

/// Claims what is due and may be attempted now.
pub(super) async fn claim_due(app: &App, contents: &Contents, places: &mut Places) -> Result<Vec<Claimed>> {
    let Some(owner) = app.queue.valid_owner() else {
        return Ok(Vec::new());
    };
    let mut slots: HashMap<DeliveryId, Slot> = HashMap::new();
    // Set first: a slot that is freed while this looks rings for the next look.
    app.queue.set_behind(true);
    let mut all_taken = true;
    for retries in [false, true] {
        let taken = reserve(app, retries, places, &mut slots).await?;
        if retries {
            app.queue.slots.set_retries_wait(!taken);
        }
        all_taken &= taken;
    }
    app.queue.set_behind(!all_taken);
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    let _claiming = app.queue.unless_panicking();
    let rows = take(app, owner, slots.keys().copied().collect()).await?;
    let claimed = open(app, contents, rows, slots).await;
    claimed.inspect_err(|_error| app.queue.abandon_lease())
}

async fn take(app: &App, owner: Uuid, ids: Vec<DeliveryId>) -> Result<Vec<delivery::Model>> {
    let taken = delivery::Entity::claim(app.db.write(), owner, ids, app.clock.now()).await;
    let mut rows = taken
        .map_err(Error::from)
        .inspect_err(|error| give_up_unknown(app, error))?;
    rows.sort_by_key(|row| row.id);
    Ok(rows)
}

/// Gives the lease up if the end of a claim is not known: rows may be ours, if only the answer was lost, that nobody here will
/// attempt. With another lease, they are taken over. Otherwise it is kept: giving it up repeats whatever is under way.
pub(super) fn give_up_unknown(app: &App, error: &Error) {
    if !error.changed_nothing() {
        app.queue.abandon_lease();
    }
}

/// Does something for rows that are claimed and known. While the database is away it is tried again, for as long as that can
/// help; it must not end half done.
pub(super) async fn patiently<T, R>(work: impl Fn() -> R) -> Result<T>
where
    R: Future<Output = Result<T>>,
{
    let mut left = TRIES;
    loop {
        match work().await {
            Err(error) if left > 0 && error.is_temporary() => {
                tracing::warn!(?error, "cannot read what was claimed; trying again");
                left -= 1;
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
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
    let leads = patiently(|| contents.load(&rows)).await?;
    let (openable, closed): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| leads.contains_key(&row.lead_id));
    patiently(|| unopened::end(app, &closed)).await?;
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
async fn reserve(app: &App, retries: bool, places: &mut Places, slots: &mut HashMap<DeliveryId, Slot>) -> Result<bool> {
    let free = u64::from(app.queue.slots.free());
    if free == 0 {
        return Ok(false);
    }
    let look = Look {
        now: app.clock.now(),
        retries,
    };
    let (due, mut all_taken) = find(app, look, places, free * LOOK_AHEAD).await?;
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

/// At most about so many deliveries, in the order in which they are to have slots, and whether that is all that is due. The oldest
/// may be all there are. Where they are not, they may all be for one destination that is full, or of one account: then it is looked
/// at each lane by itself, of which only that is read which its destination has room for.
async fn find(app: &App, look: Look, places: &mut Places, most: u64) -> Result<(Vec<Due>, bool)> {
    let db = app.db.read();
    let oldest = look.oldest(db, most).await?;
    if oldest.read < most {
        return Ok((oldest.open, true));
    }
    let full = app.queue.slots.full_accounts(look.retries);
    let (mut heads, mut seen) = (Vec::new(), HashSet::new());
    for _ in 0..ROUNDS {
        let (mut accounts, all_seen) = places.next_accounts(app, look).await?;
        accounts.retain(|account| seen.insert(*account));
        let gone_round = all_seen || accounts.is_empty();
        accounts.retain(|account| !full.contains(account));
        heads.extend(places.next_heads(app, look, &accounts).await?);
        if gone_round || heads.len() as u64 >= most {
            break;
        }
    }
    let lanes = lanes(app, look, heads, most);
    Ok((in_turns(look.oldest_of(db, &lanes).await?), false))
}

/// The lanes to be read, and how much of each: of every account about as much, and nothing of what has no room. In an account, lanes
/// whose first delivery has waited longest come first.
fn lanes(app: &App, look: Look, mut heads: Vec<Due>, most: u64) -> Vec<(Lane, u64)> {
    heads.sort_by_key(|head| head.due_at);
    heads.retain(|head| app.queue.slots.room(head.destination(), look.retries) > 0);
    let accounts: HashSet<AccountId> = heads.iter().map(|head| head.account_id).collect();
    let each = most.div_ceil(accounts.len().max(1) as u64);
    let mut read: HashMap<AccountId, u64> = HashMap::new();
    let mut lanes = Vec::with_capacity(heads.len());
    for head in heads {
        let read = read.entry(head.account_id).or_default();
        let room = u64::from(app.queue.slots.room(head.destination(), look.retries));
        let wanted = room.min(each.saturating_sub(*read));
        if wanted > 0 {
            *read += wanted;
            lanes.push((head.lane, wanted));
        }
    }
    lanes
}

/// The first of each account, then the second of each, and so on. What goes to one destination keeps its order.
fn in_turns(mut found: Vec<Due>) -> Vec<Due> {
    found.sort_by_key(|due| due.due_at);
    let mut places: HashMap<AccountId, usize> = HashMap::new();
    let mut ranked: Vec<(usize, Due)> = Vec::with_capacity(found.len());
    for due in found {
        let place = places.entry(due.account_id).or_default();
        ranked.push((*place, due));
        *place += 1;
    }
    ranked.sort_by_key(|(place, _)| *place);
    ranked.into_iter().map(|(_, due)| due).collect()
}
