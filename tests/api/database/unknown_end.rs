//! A database that is lost under a commit: nobody knows whether it was done, and that is what senders are told.

use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use super::number;
use crate::support::app::{Mode, TestApp};
use crate::support::make::{SUBMIT, ana, merge};

const SUBMIT_LEADS: &str = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) {
    receipts { id outcome replayed idempotencyKey } userErrors { code message path } } }";

/// The first commit of a lead ends as if the connection had broken (08006), and the others as always.
async fn lose_one_commit(app: &TestApp) {
    let db = Database::connect(&app.app.config.database_url).await.unwrap();
    db.execute_unprepared(
        "CREATE SEQUENCE lost;
         CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('lost') = 1 THEN RAISE EXCEPTION 'connection failure' USING ERRCODE = '08006'; END IF;
             RETURN NULL;
         END $$;
         CREATE CONSTRAINT TRIGGER lose AFTER INSERT ON lead DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lose()",
    )
    .await
    .unwrap();
    db.close().await.unwrap();
}

fn lead(key: usize) -> Value {
    let mut fields = ana();
    merge(&mut fields, json!({ "score": key }));
    json!({ "fields": fields, "idempotencyKey": key.to_string() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leads_of_a_call_whose_end_is_unknown_say_so_and_are_stored_once_by_a_repetition() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    lose_one_commit(&app).await;
    // So many that they take more than one transaction.
    let leads: Vec<Value> = (0..400).map(lead).collect();
    let input = json!({ "flowId": flow.id, "leads": leads });
    let payload = app.done_or_not(&owner.key, SUBMIT_LEADS, input.clone()).await;
    let receipts = payload["receipts"].as_array().unwrap();
    let errors = payload["userErrors"].as_array().unwrap();
    assert_eq!(receipts.len() + errors.len(), 400);
    assert!(
        !receipts.is_empty() && !errors.is_empty(),
        "{} {}",
        receipts.len(),
        errors.len()
    );
    let mut places = Vec::new();
    for error in errors {
        assert_eq!(error["code"], "OUTCOME_UNKNOWN", "{error:#}");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("not known") && message.contains("same idempotency key"),
            "{message}"
        );
        let path = error["path"].as_array().unwrap();
        assert_eq!(path[..2], [json!("input"), json!("leads")]);
        places.push(path[2].as_str().unwrap().to_owned());
    }
    assert!(
        receipts
            .iter()
            .all(|receipt| !places.contains(&receipt["idempotencyKey"].as_str().unwrap().to_owned()))
    );

    let again = app.done_or_not(&owner.key, SUBMIT_LEADS, input).await;
    assert_eq!(again["userErrors"], json!([]));
    let again = again["receipts"].as_array().unwrap();
    for receipt in again {
        let is_new = places.contains(&receipt["idempotencyKey"].as_str().unwrap().to_owned());
        assert_eq!(receipt["replayed"], !is_new, "{receipt:#}");
    }
    assert_eq!(again.len(), 400);
    assert_eq!(number(app.app.db.read(), "SELECT count(*) FROM lead").await, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_lead_whose_end_is_unknown_is_not_said_to_be_stored_or_not() {
    let app = TestApp::start_with(Mode::Server, &[]).await;
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    lose_one_commit(&app).await;
    let mut input = lead(1);
    merge(&mut input, json!({ "flowId": flow.id }));
    let answer = app.ask(Some(&owner.key), SUBMIT, json!({ "input": input })).await;
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "UNAVAILABLE", "{answer:#}");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("check whether the change was made") && !message.contains("nothing was changed"),
        "{message}"
    );
    let receipt = app.done(&owner.key, SUBMIT, input).await["receipt"].take();
    assert_eq!(
        (&receipt["outcome"], &receipt["replayed"]),
        (&json!("ACCEPTED"), &json!(false))
    );
}

impl TestApp {
    /// The payload of a mutation that takes one input and may break rules.
    async fn done_or_not(&self, token: &str, mutation: &str, input: Value) -> Value {
        let mut answer = self.ask(Some(token), mutation, json!({ "input": input })).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"]["submitLeads"].take()
    }
}
