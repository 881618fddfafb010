//! Bringing the schema up to date while others read and write.

use std::time::Duration;

use leadmesh::database::Db;
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, Database, TransactionTrait};

use super::until;

/// A report reads deliveries for as long as it likes, in a transaction. The changes that come after an index was built want the table
/// for themselves: they give up after a moment and try again, so that whoever comes later does not wait behind them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "a report of somebody else's")]
async fn a_change_that_waits_for_a_long_transaction_lets_others_pass() {
    let server = std::env::var("LEADMESH_TEST_DATABASE_URL").expect("run scripts/test");
    let maintenance = Database::connect(&server).await.unwrap();
    let name = format!("migrating_{:x}", rand::random::<u128>());
    maintenance
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    let mut url = url::Url::parse(&server).unwrap();
    url.set_path(&name);
    let other = Database::connect(url.as_str()).await.unwrap();
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
    let address = url.to_string();
    let migrating = tokio::spawn(async move { Db::connect(&address, 2).await.unwrap().migrate().await });
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE connection%'"
    );
    until("a change waits for the report", async || {
        super::number(&maintenance, &waits).await > 0
    })
    .await;
    let read = other.execute_unprepared("SELECT count(*) FROM connection");
    let read = tokio::time::timeout(Duration::from_secs(10), read).await;
    read.expect("a reader waits as long as the report lasts").unwrap();
    report.commit().await.unwrap();
    migrating.await.unwrap().unwrap();
    other.close().await.unwrap();
    maintenance
        .execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .await
        .unwrap();
}
