//! What happens while something else is under way: leads that meet a revocation, and buyers that change all the time.

use chrono::TimeDelta;
use entity::ids::AccountId;
use entity::{account, gate};
use futures::future::join;
use leadmesh_core::app::App;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::app::{Mode, TestApp, both};
use crate::support::make::{Account, ana, text};
use crate::support::wait::{eventually, until};

const WAITING: &str = "SELECT count(*) AS waiting FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Returns when so many transactions wait at gates.
async fn wait_at_gates(app: &TestApp, number: i64) {
    let read = async || {
        let asked = Statement::from_string(DatabaseBackend::Postgres, WAITING);
        let row = app.app.db.read().query_one_raw(asked).await.unwrap().unwrap();
        row.try_get::<i64>("", "waiting").unwrap()
    };
    eventually(read, |waiting| *waiting == number).await;
}

/// N20, to the instant: a termination waits for leads that are being stored, and those that come after it wait for it. `SQLite`
/// stores one after the other anyway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_termination_and_leads_wait_for_each_other() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let (a, b) = (app.account("Acme").await, app.account("Bolt").await);
    let flow = app.flow(&a, json!({})).await;
    let (connection, _) = app.open(&a, &flow, &b).await;
    assert_eq!(app.told(Some(&b.key), &flow.id, ana()).await, "ACCEPTED");
    let own = app.flow(&a, json!({})).await;
    let being_stored = app.app.db.begin().await.unwrap();
    gate::pass(&being_stored, [a.id.parse().unwrap()]).await.unwrap();
    let late = async {
        wait_at_gates(&app, 1).await;
        assert_eq!(
            app.told(Some(&a.key), &own.id, ana()).await,
            "ACCEPTED",
            "what stays at home waits for nobody"
        );
        let commit = async {
            wait_at_gates(&app, 2).await;
            being_stored.commit().await.unwrap();
        };
        join(app.told(Some(&b.key), &flow.id, ana()), commit).await.0
    };
    let ((), late) = join(app.change(&a, "terminate", &connection), late).await;
    assert_eq!(late, "NOT_FOUND", "it came while the termination was under way");
}

/// Changes an account's setup without end.
pub(super) fn restless(app: &App, account: &Account) -> JoinHandle<()> {
    let (app, id): (App, AccountId) = (app.clone(), account.id.parse().unwrap());
    tokio::spawn(async move {
        loop {
            account::Entity::raise_config_version(id)
                .exec(app.db.write())
                .await
                .unwrap();
        }
    })
}

both!(
    /// A buyer that changes its setup all the time holds up none of its seller's leads; they go over when it rests.
    a_restless_buyer_holds_up_no_leads,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let (flow, target, _) = app.selling(&seller, &buyer, json!({})).await;
        let restless = restless(&app.app, &buyer);
        let mut leads = Vec::new();
        for _ in 0..12 {
            let receipt = app.submit(&seller, &flow, ana()).await;
            assert_eq!(receipt["outcome"], "ACCEPTED");
            leads.push(text(&receipt["id"]));
        }
        restless.abort();
        // A key outlives the time that passes until the last retry.
        let seller = Account { token: seller.key.clone(), ..seller };
        for lead in &leads {
            until("it is delivered", async || {
                app.advance(TimeDelta::seconds(5));
                app.deliveries(&seller, lead).await[0]["status"] == "DELIVERED"
            })
            .await;
        }
        let buyer = Account { token: buyer.key.clone(), ..buyer };
        assert_eq!(app.leads_of(&buyer, Some(&target)).await.len(), leads.len(), "each once");
    }
);
