//! Claiming what is due: as much as there are slots for, first attempts before retries, in turns from all accounts where not
//! all can be had, and nothing for a destination that is busy to its limit or held.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::delivery;
use entity::due::{Destination, Due, to_none_of};
use entity::ids::{AccountId, DeliveryId};
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::contents::Contents;
use super::unopened;
use crate::app::App;
use crate::error::{Error, Result};
use crate::queue::Claimed;
use crate::queue::slots::Slot;

/// Rows looked at for each free slot: some belong to destinations whose slots run out on the way.
const LOOK_AHEAD: u64 = 4;
/// Accounts looked at by themselves in one look. Which of more is left to chance, so that none has to wait for ever.
const ACCOUNTS: usize = 32;
/// Tries to read what was claimed while the database is away, and the time between them.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(250);

/// Claims what is due and may be attempted now. A thorough look goes past what was found for destinations that are full by then.
pub(super) async fn claim_due(app: &App, contents: &Contents, thorough: bool) -> Result<Vec<Claimed>> {
    let Some(owner) = app.queue.owner() else {
        return Ok(Vec::new());
    };
    let mut slots: HashMap<DeliveryId, Slot> = HashMap::new();
    // Set first: a slot that is freed while this looks rings for the next look.
    app.queue.set_behind(true);
    let mut all_taken = true;
    for retries in [false, true] {
        let mut taken = reserve(app, retries, &mut slots).await?;
        if thorough && !taken {
            taken = reserve(app, retries, &mut slots).await?;
        }
        if retries {
            app.queue.slots.set_retries_wait(!taken);
        }
        all_taken &= taken;
    }
    app.queue.set_behind(!all_taken);
    if slots.is_empty() {
        return Ok(Vec::new());
    }
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
async fn reserve(app: &App, retries: bool, slots: &mut HashMap<DeliveryId, Slot>) -> Result<bool> {
    let free = u64::from(app.queue.slots.free());
    if free == 0 {
        return Ok(false);
    }
    let look = Look {
        app,
        now: app.clock.now(),
        retries,
        full: app.queue.slots.full_destinations(retries),
    };
    let (due, mut all_taken) = look.find(free * LOOK_AHEAD).await?;
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

/// A look for what is due.
struct Look<'a> {
    app: &'a App,
    now: DateTime<Utc>,
    retries: bool,
    /// Not for these.
    full: Vec<Destination>,
}

impl Look<'_> {
    /// At most about so many deliveries, in the order in which they are to have slots, and whether that is all that is due. Accounts
    /// are asked for one by one only where one is full or there is more than that: else the oldest are all there are.
    async fn find(&self, most: u64) -> Result<(Vec<Due>, bool)> {
        let full = self.app.queue.slots.full_accounts(self.retries);
        let mut oldest = Vec::new();
        if full.is_empty() {
            oldest = self.oldest(None, most).await?;
            if is_fewer(&oldest, most) {
                return Ok((oldest, self.full.is_empty()));
            }
        }
        let due = delivery::Entity::accounts_due(self.app.db.read(), self.now, self.retries).await?;
        let mut accounts: Vec<AccountId> = due.iter().copied().filter(|account| !full.contains(account)).collect();
        if accounts.len() <= 1 && !oldest.is_empty() {
            return Ok((oldest, false));
        }
        if accounts.len() > ACCOUNTS {
            let first = rand::random_range(0..accounts.len());
            accounts.rotate_left(first);
            accounts.truncate(ACCOUNTS);
        }
        let (found, all) = self.in_turns(&accounts, most).await?;
        Ok((found, all && accounts.len() == due.len()))
    }

    /// The first of each account, then the second of each, and so on; and whether that is all.
    async fn in_turns(&self, accounts: &[AccountId], most: u64) -> Result<(Vec<Due>, bool)> {
        let each = most.div_ceil(accounts.len().max(1) as u64);
        let (mut found, mut all) = (Vec::new(), self.full.is_empty());
        for account in accounts {
            let oldest = self.oldest(Some(*account), each).await?;
            all &= is_fewer(&oldest, each);
            found.extend(oldest.into_iter().enumerate());
        }
        found.sort_by_key(|(place, _)| *place);
        Ok((found.into_iter().map(|(_, due)| due).collect(), all))
    }

    /// The oldest of an account, or of all.
    async fn oldest(&self, account: Option<AccountId>, most: u64) -> Result<Vec<Due>> {
        let mut due = delivery::Entity::due(self.now, self.retries).filter(to_none_of(&self.full));
        if let Some(account) = account {
            due = due.filter(delivery::Column::AccountId.eq(account));
        }
        Ok(due.limit(most).into_partial_model().all(self.app.db.read()).await?)
    }
}

fn is_fewer(found: &[Due], most: u64) -> bool {
    u64::try_from(found.len()).is_ok_and(|found| found < most)
}
