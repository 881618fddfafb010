//! Bringing the schema up to date while others read and write.

use std::time::Duration;

use leadmesh_core::database::Db;
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, TransactionTrait};

use crate::support::database::TestDatabase;
use crate::support::wait::until;

/// A report reads deliveries for as long as it likes, in a transaction. The changes that come after an index was built want the table
/// for themselves: they give up after a moment and try again, so that whoever comes later does not wait behind them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "a report of somebody else's")]
async fn a_change_that_waits_for_a_long_transaction_lets_others_pass() {
    let database = TestDatabase::bare().await;
    let other = Database::connect(&database.url).await.unwrap();
    let indexes = Migrator::migrations()
        .iter()
        .position(|step| step.name() == "m0023_history")
        .unwrap();
    Migrator::up(&other, Some(indexes.try_into().unwrap())).await.unwrap();

    // It has read only what no index is built on: the building does not wait for it.
    let report = other.begin().await.unwrap();
    report
        .execute_unprepared("LOCK TABLE connection IN ACCESS SHARE MODE")
        .await
        .unwrap();
    let address = database.url.clone();
    let migrating = tokio::spawn(async move { Db::connect(&address, 2).await.unwrap().migrate().await });
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE connection%'",
        database.name
    );
    let watching = Database::connect(&database.url).await.unwrap();
    until("a change waits for the report", async || {
        super::number(&watching, &waits).await > 0
    })
    .await;
    let read = other.execute_unprepared("SELECT count(*) FROM connection");
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    read.expect("a reader waits as long as the report lasts").unwrap();
    report.commit().await.unwrap();
    migrating.await.unwrap().unwrap();
}

/// The indexes by which work was found before lanes, and those by which it is found since.
const BEFORE: [&str; 2] = ["delivery_due", "delivery_due_account"];
const SINCE: [&str; 2] = ["delivery_due_state", "delivery_due_lane"];

/// Of these indexes those that a database has.
async fn there(db: &DatabaseConnection, names: &[&str]) -> i64 {
    let list = format!("'{}'", names.join("', '"));
    let sql = match db.get_database_backend() {
        DatabaseBackend::Sqlite => {
            format!("SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name IN ({list})")
        }
        _ => format!(
            "SELECT count(*) FROM pg_class JOIN pg_index ON indexrelid = oid WHERE indisvalid AND relname IN ({list})"
        ),
    };
    super::number(db, &sql).await
}

/// A database of the version before lanes, of which the change was once interrupted after its first drop.
async fn takes_lanes(url: &str) {
    let old = Database::connect(url).await.unwrap();
    let lanes = Migrator::migrations()
        .iter()
        .position(|step| step.name() == "m0020_lanes")
        .unwrap();
    Migrator::up(&old, Some(lanes.try_into().unwrap())).await.unwrap();
    assert_eq!((there(&old, &BEFORE).await, there(&old, &SINCE).await), (2, 0));
    old.execute_unprepared("DROP INDEX delivery_due").await.unwrap();
    Migrator::up(&old, Some(1)).await.unwrap();
    assert_eq!((there(&old, &BEFORE).await, there(&old, &SINCE).await), (0, 2));
    old.close().await.unwrap();
    let db = Db::connect(url, 2).await.unwrap();
    assert!(db.migrate().await.unwrap() > 0);
    let db = Database::connect(url).await.unwrap();
    assert_eq!((there(&db, &BEFORE).await, there(&db, &SINCE).await), (0, 2));
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_from_before_lanes_loses_its_old_indexes_embedded() {
    let dir = tempfile::tempdir().unwrap();
    takes_lanes(&format!("sqlite://{}?mode=rwc", dir.path().join("old.db").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_from_before_lanes_loses_its_old_indexes_server() {
    let database = TestDatabase::bare().await;
    takes_lanes(&database.url).await;
}
