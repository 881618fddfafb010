//! What is remembered of leads may be forgotten (by housekeeping, or by an erasure) in the very moment in which the same comes again:
//! after it was found to be there, and before its row is read. A trigger forgets it just then.

use entity::lead;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;

use crate::support::app::{Mode, TestApp};
use crate::support::make::{ana, text};

impl TestApp {
    /// Forgets what a table holds once, after the next statement that inserts into it.
    async fn forget_once(&self, table: &str) {
        let sql = format!(
            "CREATE SEQUENCE forgotten;
             CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN IF nextval('forgotten') = 1 THEN DELETE FROM {table}; END IF; RETURN NULL; END $$;
             CREATE TRIGGER forget AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION forget()"
        );
        self.app.db.write().execute_unprepared(&sql).await.unwrap();
    }

    async fn rows_in(&self, table: &str) -> i64 {
        let db = self.app.db.write();
        let sql = format!("SELECT count(*) AS n FROM {table}");
        let rows = Statement::from_string(db.get_database_backend(), sql);
        db.query_one_raw(rows).await.unwrap().unwrap().try_get("", "n").unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_forgotten_while_it_comes_again_is_kept_anew() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let more = json!({ "idempotencyKey": "k", "sourceId": flow.source });
    let submit = async || text(&app.submit_with(&owner, &flow, ana(), more.clone()).await["id"]);
    let first = submit().await;
    app.forget_once("idempotency").await;
    let second = submit().await;
    assert_ne!(second, first, "nothing was known of the first any more");
    assert_eq!(submit().await, second, "the key answers with the second");
    assert_eq!(app.rows_in("lead").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_are_forgotten_while_they_come_again_are_remembered_anew() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let owner = app.account("Acme").await;
    let more = json!({ "duplicateKeys": ["email"], "duplicateWindowDays": 30 });
    let flow = app.flow(&owner, more).await;
    app.submit(&owner, &flow, ana()).await;
    app.forget_once("duplicate_memory").await;
    let outcome = async || {
        let id: entity::ids::LeadId = text(&app.submit(&owner, &flow, ana()).await["id"]).parse().unwrap();
        lead::Entity::for_worker([id])
            .one(app.app.db.read())
            .await
            .unwrap()
            .unwrap()
            .outcome
    };
    assert_eq!(
        outcome().await,
        lead::LeadOutcome::Accepted,
        "nothing was known of the first"
    );
    assert_eq!(app.rows_in("duplicate_memory").await, 1);
    assert_eq!(outcome().await, lead::LeadOutcome::Rejected, "it repeats the second");
}
