//! A gate before each account. Leads between accounts pass those of all accounts concerned, together with other leads; who takes
//! a right away closes them first. So a revocation waits for the transactions that have looked at what it changes, and the
//! leads that come after wait for its commit. Whoever waits at a gate holds up those who come later: leads cannot starve a
//! revocation, as shared row locks could.
//!
//! A gate comes before every other lock of a transaction. `SQLite` has one writer at a time and needs none.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseTransaction, DbErr};

use crate::ids::AccountId;

/// Passes the gates of these accounts, until the end of the transaction.
pub async fn pass(tx: &DatabaseTransaction, accounts: impl IntoIterator<Item = AccountId>) -> Result<(), DbErr> {
    lock(tx, "pg_advisory_xact_lock_shared", accounts).await
}

/// Closes the gates of these accounts, once all that have passed them are through, until the end of the transaction.
pub async fn close(tx: &DatabaseTransaction, accounts: impl IntoIterator<Item = AccountId>) -> Result<(), DbErr> {
    lock(tx, "pg_advisory_xact_lock", accounts).await
}

async fn lock(
    tx: &DatabaseTransaction,
    function: &str,
    accounts: impl IntoIterator<Item = AccountId>,
) -> Result<(), DbErr> {
    // In one order, so that nobody waits in a circle.
    let keys: BTreeSet<i64> = accounts.into_iter().map(key).collect();
    if keys.is_empty() || tx.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(());
    }
    let keys: Vec<String> = keys.iter().map(i64::to_string).collect();
    let keys = keys.join(",");
    tx.execute_unprepared(&format!(
        "SELECT {function}(key) FROM unnest(ARRAY[{keys}]::bigint[]) AS gate(key)"
    ))
    .await?;
    Ok(())
}

/// The random half of the identifier. Two accounts with the same one would only wait for each other sometimes.
fn key(account: AccountId) -> i64 {
    let (_, random) = account.0.as_u64_pair();
    random.cast_signed()
}
