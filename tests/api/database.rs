//! Connections to the database: who goes away leaves none in a transaction, who takes many takes them from nobody else, and
//! what has begun to be written is written.

mod begins;
mod detached;
mod given_up;
mod half_closed;
mod lost;
mod migrating;
mod shares;
mod unknown_end;

use std::time::Duration;

use leadmesh_core::database::Db;
use sea_orm::{ConnectionTrait, Statement};

use crate::support::app::TestApp;
use crate::support::wait::until;

/// For what has to come by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// A number that the database answers.
async fn number(db: &impl ConnectionTrait, sql: &str) -> i64 {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// Waits until no pool is in use, nor waited for.
async fn at_rest(db: &Db) {
    until("no connection is in use", async || {
        db.pools().iter().all(|pool| (pool.in_use, pool.waiting) == (0, 0))
    })
    .await;
}

/// Sessions of this database that `PostgreSQL` knows to be idle within a transaction.
async fn idle_in_transaction(app: &TestApp) -> i64 {
    number(
        app.app.db.read(),
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
    )
    .await
}
