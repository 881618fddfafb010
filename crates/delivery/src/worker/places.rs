//! Where looks for due work go on, where more waits than one look sees: behind what the last one has seen, and round, so that whoever
//! comes late in the order of identifiers gets its turn however much waits before it.

use std::collections::HashMap;

use entity::due::{Due, LANES, Lane, Look};
use entity::ids::AccountId;
use uuid::Uuid;

use leadmesh_core::app::App;
use leadmesh_core::error::Result;

/// Accounts looked at together.
const ACCOUNTS: u64 = 256;

/// What a worker remembers between its looks.
#[derive(Default)]
pub(super) struct Places {
    first_attempts: Place,
    retries: Place,
}

/// The places of one kind of attempts.
#[derive(Default)]
struct Place {
    /// The last account that was looked at; nil where the next look begins with the first.
    account: Uuid,
    /// Of accounts that have more lanes than are seen at once, the last one that was.
    lanes: HashMap<AccountId, Uuid>,
}

impl Places {
    fn of(&mut self, look: Look) -> &mut Place {
        if look.retries {
            &mut self.retries
        } else {
            &mut self.first_attempts
        }
    }

    /// The next accounts of which something waits, and whether these are all.
    pub(super) async fn next_accounts(&mut self, app: &App, look: Look) -> Result<(Vec<AccountId>, bool)> {
        let (db, place) = (app.db.read(), self.of(look));
        let mut next = look.accounts_after(db, AccountId(place.account), ACCOUNTS).await?;
        let began = place.account;
        let missing = ACCOUNTS.saturating_sub(next.len() as u64);
        if missing > 0 && !began.is_nil() {
            let first = look.accounts_after(db, AccountId(Uuid::nil()), missing).await?;
            next.extend(first.into_iter().filter(|account| account.0 <= began));
        }
        let all_seen = (next.len() as u64) < ACCOUNTS;
        place.account = match next.last() {
            Some(last) if !all_seen => last.0,
            _ => Uuid::nil(),
        };
        Ok((next, all_seen))
    }

    /// The first due delivery of the next lanes of these accounts.
    pub(super) async fn next_heads(&mut self, app: &App, look: Look, accounts: &[AccountId]) -> Result<Vec<Due>> {
        let place = self.of(look);
        let from = |account: &AccountId| Lane {
            account: *account,
            id: place.lanes.get(account).copied().unwrap_or_default(),
        };
        let from: Vec<Lane> = accounts.iter().map(from).collect();
        let heads = look.heads_from(app.db.read(), &from).await?;
        let mut seen: HashMap<AccountId, (u64, Uuid)> = HashMap::new();
        for head in &heads {
            let (count, last) = seen.entry(head.account_id).or_default();
            (*count, *last) = (*count + 1, head.lane.id);
        }
        for account in accounts {
            match seen.get(account) {
                Some((count, last)) if *count >= LANES => drop(place.lanes.insert(*account, *last)),
                _ => drop(place.lanes.remove(account)),
            }
        }
        Ok(heads)
    }
}
