//! A future that is dropped while it begins, reads or writes.

use futures::FutureExt;
use sea_orm::ConnectionTrait;

use super::{at_rest, idle_in_transaction, number};
use crate::support::app::{Mode, TestApp, both};
use crate::support::wait::until;

const TIMES: usize = 300;

both!(a_begin_that_is_dropped_leaves_no_connection_in_a_transaction, |app| {
    let db = &app.app.db;
    db.write()
        .execute_unprepared("CREATE TABLE probe (n bigint)")
        .await
        .unwrap();
    for time in 0..TIMES {
        let mut begin = Box::pin(db.begin());
        // It is dropped at another moment each time: before BEGIN is sent, on its way, and when it is there.
        for _ in 0..time % 7 {
            if (&mut begin).now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    at_rest(db).await;
    // Single statements go through every connection of the pool; within a forgotten transaction nobody else would see them.
    for n in 0..40 {
        let sql = format!("INSERT INTO probe VALUES ({n})");
        db.write().execute_unprepared(&sql).await.unwrap();
    }
    let other = app.command().await;
    assert_eq!(number(other.db.read(), "SELECT count(*) FROM probe").await, 40);
    if app.mode == Mode::Server {
        until("nothing is idle in a transaction", async || {
            idle_in_transaction(&app).await == 0
        })
        .await;
    }
});

/// As at the deadline of a change. The database would let the statement run for a minute, and the transaction hold its locks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_nobody_waits_for_ends_and_its_connection_with_it() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let (db, other) = (&app.app.db, app.command().await);
    let count = async |what: &str| {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(50)' AND datname = current_database(){what}"
        );
        number(other.db.read(), &sql).await
    };
    let tx = db.begin().await.unwrap();
    let statement = tx.execute_unprepared("SELECT pg_sleep(50)");
    tokio::select! {
        ended = statement => panic!("{ended:?}"),
        () = until("it runs", async || count(" AND state = 'active'").await == 1) => {}
    }
    let began = tokio::time::Instant::now();
    drop(tx);
    until("the database has stopped it", async || count("").await == 0).await;
    let took = began.elapsed();
    assert!(took < std::time::Duration::from_secs(20), "{took:?}");
    at_rest(db).await;
    // One that is merely dropped comes back.
    let pid = async |db: &sea_orm::DatabaseTransaction| number(db, "SELECT pg_backend_pid()::bigint").await;
    let tx = db.begin().await.unwrap();
    let first = pid(&tx).await;
    drop(tx);
    until("the connection is used again", async || {
        let tx = db.begin().await.unwrap();
        pid(&tx).await == first
    })
    .await;
}

both!(what_is_dropped_while_it_reads_or_writes_harms_nothing, |app| {
    let db = &app.app.db;
    db.write()
        .execute_unprepared("CREATE TABLE probe (n bigint)")
        .await
        .unwrap();
    for time in 0..TIMES {
        let mut read = Box::pin(number(db.read(), "SELECT count(*) FROM probe"));
        let sql = format!("INSERT INTO probe VALUES ({time})");
        let mut write = Box::pin(db.write().execute_unprepared(&sql));
        for _ in 0..time % 5 {
            let _done = ((&mut read).now_or_never(), (&mut write).now_or_never());
            if _done.0.is_some() || _done.1.is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    at_rest(db).await;
    let stored = number(db.read(), "SELECT count(*) FROM probe").await;
    let distinct = number(app.command().await.db.read(), "SELECT count(DISTINCT n) FROM probe").await;
    assert_eq!(
        stored, distinct,
        "each was written once or not at all, and for all to see"
    );
});

both!(
    a_transaction_that_is_dropped_is_rolled_back_and_a_commit_goes_on,
    |app| {
        let db = &app.app.db;
        db.write()
            .execute_unprepared("CREATE TABLE probe (n bigint)")
            .await
            .unwrap();
        for n in 0..50 {
            let tx = db.begin().await.unwrap();
            tx.execute_unprepared(&format!("INSERT INTO probe VALUES ({n})"))
                .await
                .unwrap();
            if n % 2 == 0 {
                drop(tx);
            } else {
                // Begun, and then nobody waits for it; on a quick machine it has ended by then.
                let _begun = tx.commit().now_or_never();
            }
        }
        at_rest(db).await;
        assert_eq!(number(db.read(), "SELECT count(*) FROM probe").await, 25);
    }
);
