//! Many slow statements of one account.

use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{at_rest, number};
use crate::support::app::{Mode, TestApp, both, client};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{ana, webhook};
use crate::support::wait::until;

const MANY: usize = 24;
/// Takes some hundred milliseconds.
const SLOW_SQLITE: &str =
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 400000) SELECT count(*) FROM c";
const SLOW_POSTGRES: &str = "SELECT count(*) FROM (SELECT pg_sleep(0.3)) AS slept";

both!(an_account_has_its_share_of_the_readers_and_waits_for_its_own, |app| {
    let (ann, bob) = (
        app.app.db.for_account(Uuid::from_u128(1)),
        app.app.db.for_account(Uuid::from_u128(2)),
    );
    let sql = match app.mode {
        Mode::Embedded => SLOW_SQLITE,
        Mode::Server => SLOW_POSTGRES,
    };
    let slow: Vec<_> = (0..MANY)
        .map(|_| {
            let ann = ann.clone();
            tokio::spawn(async move { number(ann.read(), sql).await })
        })
        .collect();
    let readers = |name: &str| app.app.db.pools().into_iter().find(|pool| pool.pool == name).unwrap();
    until("the others wait", async || readers("readers").waiting >= MANY / 2).await;
    let now = readers("readers");
    assert!(now.in_use < now.size, "{now:?}");
    assert_eq!(number(bob.read(), "SELECT count(*) FROM account").await, 0);
    assert_eq!(number(app.app.db.read(), "SELECT count(*) FROM account").await, 0);
    assert!(slow.iter().any(|one| !one.is_finished()), "nothing was slow");
    for one in join_all(slow).await {
        one.unwrap();
    }
    at_rest(&app.app.db).await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_up_on_slow_reads_frees_no_place_before_they_have_ended() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let ann = app.app.db.for_account(Uuid::from_u128(1));
    for _ in 0..MANY {
        let mut read = Box::pin(number(ann.read(), SLOW_POSTGRES));
        assert!((&mut read).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    let pools = app.app.db.pools();
    let readers = pools.iter().find(|pool| pool.pool == "readers").unwrap();
    assert!(readers.in_use < readers.size, "{readers:?}");
    assert_eq!(number(app.app.db.read(), "SELECT 1::bigint").await, 1);
    at_rest(&app.app.db).await;
}

const AUDIT: &str = "{ a: auditEvents(first: 1) { nodes { id } } b: auditEvents(first: 2) { nodes { id } } }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_that_hang_refuse_nobody_and_cost_no_lease() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let receiver = HttpReceiver::start().await;
    receiver.answer(Answer::status(200).after(Duration::from_millis(200)));
    let (ann, bob) = (app.account("Ann").await, app.account("Bob").await);
    let (flow, _, _) = app.flow_to(&bob, webhook(&receiver.url("/"))).await;
    let owner = app.app.queue.owner();

    let blocking = Blocking::begin(&app).await;
    let searches: Vec<_> = (0..MANY)
        .map(|_| {
            let (address, token) = (app.address, ann.token.clone());
            tokio::spawn(async move {
                let client = client();
                crate::support::app::ask(&client, address, Some(&token), AUDIT, json!({})).await
            })
        })
        .collect();
    until("they wait", async || {
        app.app.db.pools().iter().any(|pool| pool.waiting > MANY / 2)
    })
    .await;
    for number in 0..22 {
        let receipt = app
            .submit_with(&bob, &flow, ana(), json!({ "idempotencyKey": number.to_string() }))
            .await;
        assert_eq!(receipt["outcome"], "ACCEPTED", "{receipt:#}");
        let data = app
            .data(&bob.token, "{ leads(first: 5) { nodes { id } } }", json!({}))
            .await;
        assert!(data["leads"]["nodes"].is_array());
    }
    receiver.wait_for(22).await;
    assert!(searches.iter().all(|search| !search.is_finished()), "nothing hangs");
    blocking.end().await;
    for search in searches {
        let answer: Value = search.await.unwrap();
        assert!(answer.get("errors").is_none(), "{answer:#}");
    }
    assert_eq!(app.app.queue.owner(), owner, "the lease was lost");
    at_rest(&app.app.db).await;
    assert_eq!(receiver.count(), 22, "a delivery went twice");
}

/// Somebody else's transaction, for which all wait who read the audit trail.
struct Blocking(sea_orm::DatabaseConnection);

impl Blocking {
    async fn begin(app: &TestApp) -> Self {
        let mut options = sea_orm::ConnectOptions::new(app.app.config.database_url.clone());
        options.max_connections(1);
        let other = Database::connect(options).await.unwrap();
        other.execute_unprepared("BEGIN").await.unwrap();
        other
            .execute_unprepared("LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE")
            .await
            .unwrap();
        Self(other)
    }

    async fn end(self) {
        self.0.execute_unprepared("COMMIT").await.unwrap();
        self.0.close().await.unwrap();
    }
}
