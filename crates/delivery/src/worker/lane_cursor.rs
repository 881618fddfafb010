//! Cursors over accounts and their lanes, for claims that cannot read everything that is due. Each claim goes on where the last one
//! ended, and starts over at the end, so that accounts late in the order of identifiers get their turn whatever waits before them.

use std::collections::HashMap;

use entity::due::{Due, DueQuery, LANES, Lane};
use entity::ids::AccountId;
use uuid::Uuid;

use leadmesh_core::app::App;
use leadmesh_core::error::Result;

const ACCOUNTS: u64 = 256;

#[derive(Default)]
pub(super) struct LaneCursors {
    first_attempts: LaneCursor,
    retries: LaneCursor,
}

/// The position of one kind of attempts.
#[derive(Default)]
struct LaneCursor {
    /// The last account that was read; nil to begin with the first.
    account: Uuid,
    /// The last lane that was read, of accounts with more lanes than one statement reads.
    lanes: HashMap<AccountId, Uuid>,
}

impl LaneCursors {
    fn of(&mut self, query: DueQuery) -> &mut LaneCursor {
        if query.retries {
            &mut self.retries
        } else {
            &mut self.first_attempts
        }
    }

    /// The next accounts with waiting deliveries, and whether these are all.
    pub(super) async fn next_accounts(&mut self, app: &App, query: DueQuery) -> Result<(Vec<AccountId>, bool)> {
        let (db, cursor) = (app.db.read(), self.of(query));
        let mut next = query.accounts_after(db, AccountId(cursor.account), ACCOUNTS).await?;
        let began = cursor.account;
        let missing = ACCOUNTS.saturating_sub(next.len() as u64);
        if missing > 0 && !began.is_nil() {
            let first = query.accounts_after(db, AccountId(Uuid::nil()), missing).await?;
            next.extend(first.into_iter().filter(|account| account.0 <= began));
        }
        let all_seen = (next.len() as u64) < ACCOUNTS;
        cursor.account = match next.last() {
            Some(last) if !all_seen => last.0,
            _ => Uuid::nil(),
        };
        Ok((next, all_seen))
    }

    /// The first due delivery of the next lanes of these accounts.
    pub(super) async fn next_heads(&mut self, app: &App, query: DueQuery, accounts: &[AccountId]) -> Result<Vec<Due>> {
        let cursor = self.of(query);
        let from = |account: &AccountId| Lane {
            account: *account,
            id: cursor.lanes.get(account).copied().unwrap_or_default(),
        };
        let from: Vec<Lane> = accounts.iter().map(from).collect();
        let heads = query.heads_from(app.db.read(), &from).await?;
        let mut seen: HashMap<AccountId, (u64, Uuid)> = HashMap::new();
        for head in &heads {
            let (count, last) = seen.entry(head.account_id).or_default();
            (*count, *last) = (*count + 1, head.lane.id);
        }
        for account in accounts {
            match seen.get(account) {
                Some((count, last)) if *count >= LANES => drop(cursor.lanes.insert(*account, *last)),
                _ => drop(cursor.lanes.remove(account)),
            }
        }
        Ok(heads)
    }
}
