//! A future that is dropped while it begins, reads or writes.

use futures::FutureExt;
use sea_orm::ConnectionTrait;

use super::{at_rest, idle_in_transaction, number, until};
use crate::support::app::{Mode, both};

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
