//! `leadmesh migrate`: any number at once, and beside servers that go on writing.

use std::time::Duration;

use leadmesh_core::database::Db;
use sea_orm::{ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, Statement};

use super::process::{Run, leadmesh};
use crate::support::app::{Mode, TestApp};
use crate::support::database::TestDatabase;
use crate::support::wait::until;

const TOGETHER: usize = 4;
const MADE: &str = "changes were made";
const NOTHING: &str = "was up to date";

/// Each ends with code 0; one has made the changes, and the others have waited for it.
fn all_at_once(database_url: Option<&str>) {
    let dir = tempfile::tempdir().unwrap();
    let start = |_| {
        let mut command = leadmesh(dir.path(), &["migrate", "--data-dir", "data"]);
        if let Some(url) = database_url {
            command.env("DATABASE_URL", url);
        }
        Run::start(command)
    };
    let runs: Vec<Run> = (0..TOGETHER).map(start).collect();
    let said: Vec<String> = runs.into_iter().map(|run| run.end().succeeded()).collect();
    let of = |what: &str| said.iter().filter(|said| said.contains(what)).count();
    assert_eq!((of(MADE), of(NOTHING)), (1, TOGETHER - 1), "{said:#?}");
}

#[test]
fn four_at_once_bring_a_file_up_to_date() {
    all_at_once(None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_at_once_bring_a_database_up_to_date() {
    let database = TestDatabase::bare().await;
    let url = database.url.clone();
    tokio::task::spawn_blocking(move || all_at_once(Some(&url)))
        .await
        .unwrap();
}

const INDEX: &str = "delivery_retryable";

/// A server before the indexes of [`INDEX`]'s migration, and a connection for the test.
async fn before_the_indexes() -> (TestApp, DatabaseConnection) {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let db = Database::connect(&app.app.config.database_url).await.unwrap();
    db.execute_unprepared("DELETE FROM seaql_migrations WHERE version = 'm0023_history'")
        .await
        .unwrap();
    (app, db)
}

async fn holds(db: &DatabaseConnection, condition: &str) -> bool {
    let sql = format!("SELECT ({condition}) AS holds");
    let row = db
        .query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql))
        .await
        .unwrap();
    row.unwrap().try_get("", "holds").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_write_while_an_index_is_built() {
    let (app, db) = before_the_indexes().await;
    db.execute_unprepared(&format!("DROP INDEX {INDEX}")).await.unwrap();
    // A transaction of an older server that has written, and takes its time.
    let slow = app.app.db.begin().await.unwrap();
    slow.execute_unprepared("UPDATE delivery SET test = test")
        .await
        .unwrap();
    let url = app.app.config.database_url.clone();
    let migrating = tokio::spawn(async move { Db::connect(&url, 2).await?.migrate().await });
    let waits = "EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock')";
    until("it waits for the transaction", async || {
        assert!(!migrating.is_finished(), "it did not wait for the transaction");
        holds(&db, waits).await
    })
    .await;
    // Others write, and do not wait.
    db.execute_unprepared("SET lock_timeout = '5s'; UPDATE delivery SET test = test")
        .await
        .unwrap();
    slow.commit().await.unwrap();
    let made = tokio::time::timeout(Duration::from_mins(1), migrating)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(made.unwrap(), 1);
    assert!(
        holds(
            &db,
            &format!("(SELECT indisvalid FROM pg_index WHERE indexrelid = '{INDEX}'::regclass)")
        )
        .await
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_was_left_half_built_is_built_again() {
    let (app, db) = before_the_indexes().await;
    let broken = format!("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{INDEX}'::regclass");
    db.execute_unprepared(&broken).await.unwrap();
    assert_eq!(app.app.db.migrate().await.unwrap(), 1);
    assert!(
        holds(
            &db,
            &format!("(SELECT indisvalid FROM pg_index WHERE indexrelid = '{INDEX}'::regclass)")
        )
        .await
    );
}
