//! Exclusive leads: of partners that get a lead in turn one has it, whatever is tried again by hand, in one call or in several.

use entity::delivery::{self, DeliveryStatus};
use futures::future::join_all;
use leadmesh_core::clock::Clock;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::hand::RESOLVE;
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, Flow, accepted, ana, text, webhook_with};
use crate::support::wait::eventually;

const RETRY: &str =
    "mutation($id: ID!) { retryDelivery(id: $id) { delivery { id } userErrors { code message path } } }";
const SET_STEP: &str = "mutation($id: ID!, $on: Boolean!) { setStepEnabled(id: $id, enabled: $on) { flow { id } userErrors { code message path } } }";
const REVIEW: &str = "mutation($input: ReviewPortalLeadsInput!) { rejectPortalLeads(input: $input) { leads { id } userErrors { code message path } } }";

fn once(receiver: &HttpReceiver) -> Value {
    webhook_with(&receiver.url("/"), json!({ "retry": { "attempts": 1 } }))
}

#[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
async fn rows(app: &TestApp) -> Vec<delivery::Model> {
    let mut rows = delivery::Entity::find().all(app.app.db.read()).await.unwrap();
    rows.sort_by_key(|row| row.id);
    rows
}

async fn statuses(app: &TestApp) -> Vec<DeliveryStatus> {
    rows(app).await.into_iter().map(|row| row.status).collect()
}

/// Waits until nothing is on its way any more.
async fn settled(app: &TestApp, deliveries: usize) -> Vec<DeliveryStatus> {
    let settled =
        |found: &Vec<DeliveryStatus>| found.len() == deliveries && found.iter().all(|status| status.is_settled());
    eventually(async || statuses(app).await, settled).await
}

/// Partners that get a lead in this order; the flow and its step.
async fn in_turn(app: &TestApp, owner: &Account, partners: &[Value]) -> (Flow, String) {
    let flow = app.flow(owner, json!({})).await;
    let profile = json!({ "strategy": "FIRST_MATCH", "onFailure": "NEXT_PARTNER" });
    let profile = app.profile(owner, profile).await;
    for (rank, delivery) in partners.iter().enumerate() {
        let (partner, _) = app
            .partner(owner, &format!("P{rank}"), delivery.clone(), json!({}))
            .await;
        app.assign(owner, &profile, &partner, json!({ "rank": rank + 1 })).await;
    }
    let step = json!({ "distribute": { "profileId": profile } });
    let step = app.step(owner, &flow, "Out", step, Value::Null).await;
    (flow, step)
}

/// A lead that two partners have refused in turn, who would take it now; its owner and their endpoint.
async fn refused_by_two(app: &TestApp) -> (Account, HttpReceiver) {
    let receiver = HttpReceiver::start().await;
    receiver.answer(Answer::status(422));
    let owner = app.account("Acme").await;
    let (flow, _) = in_turn(app, &owner, &[once(&receiver), once(&receiver)]).await;
    app.submit(&owner, &flow, ana()).await;
    settled(app, 2).await;
    receiver.answer(Answer::status(200));
    (owner, receiver)
}

both!(
    /// It has failed at all of them in turn. A call tries one again, the one that failed first; if it fails once more the next call
    /// tries the next; and once one has it no call tries another, not even in a state that is named.
    a_lead_that_failed_at_all_partners_in_turn_is_tried_at_one_of_them,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(422));
        let owner = app.account("Acme").await;
        let all = [once(&receiver), once(&receiver), once(&receiver)];
        let (flow, _) = in_turn(&app, &owner, &all).await;
        app.submit(&owner, &flow, ana()).await;
        assert_eq!(settled(&app, 3).await, [DeliveryStatus::Failed; 3]);
        app.advance(chrono::TimeDelta::seconds(1));
        assert_eq!(app.retry_many(&owner, json!({})).await, 1);
        settled(&app, 3).await;
        receiver.answer(Answer::status(200));
        app.advance(chrono::TimeDelta::seconds(1));
        assert_eq!(app.retry_many(&owner, json!({})).await, 1);
        let ends = settled(&app, 3).await;
        assert_eq!(ends, [DeliveryStatus::Failed, DeliveryStatus::Delivered, DeliveryStatus::Failed]);
        for states in [json!({}), json!({ "status": ["FAILED", "REFUSED", "CANCELLED"] })] {
            assert_eq!(app.retry_many(&owner, states).await, 0, "it would be sold twice");
        }
    }
);

both!(
    /// Many calls at once, of which each names one of the partners, and a retry of a single one among them.
    calls_at_once_sell_a_lead_once,
    |app| {
        let (owner, _receiver) = refused_by_two(&app).await;
        let partners: Vec<String> = rows(&app).await.iter().map(|row| row.partner_id.unwrap().to_string()).collect();
        let calls = (0..16).map(|number| app.retry_many(&owner, json!({ "partnerId": partners[number % 2] })));
        assert_eq!(join_all(calls).await.into_iter().sum::<i64>(), 1);
        let ends = settled(&app, 2).await;
        assert_eq!(ends.iter().filter(|end| **end == DeliveryStatus::Delivered).count(), 1, "{ends:?}");
    }
);

both!(
    /// The first one is tried again alone and gets it: it is sold. Had it failed, and had the other one got it meanwhile, a third
    /// would not get it.
    what_one_partner_got_by_a_retry_of_its_own_is_sold,
    |app| {
        let (owner, _receiver) = refused_by_two(&app).await;
        let first = rows(&app).await[0].id.to_string();
        accepted(&app.ask(Some(&owner.token), RETRY, json!({ "id": first })).await, "retryDelivery");
        assert_eq!(settled(&app, 2).await, [DeliveryStatus::Delivered, DeliveryStatus::Failed]);
        assert_eq!(app.retry_many(&owner, json!({})).await, 0, "the first one has it");
    }
);

both!(
    /// What is tried again alone although the next one has it goes to no third one when it fails.
    a_lead_that_the_next_partner_has_goes_to_no_third_one,
    |app| {
        let (bad, good) = (HttpReceiver::start().await, HttpReceiver::start().await);
        bad.answer(Answer::status(422));
        let owner = app.account("Acme").await;
        let (flow, _) = in_turn(&app, &owner, &[once(&bad), once(&good), json!({ "portal": {} })]).await;
        app.submit(&owner, &flow, ana()).await;
        assert_eq!(settled(&app, 2).await, [DeliveryStatus::Failed, DeliveryStatus::Delivered]);
        let first = rows(&app).await[0].id.to_string();
        accepted(&app.ask(Some(&owner.token), RETRY, json!({ "id": first })).await, "retryDelivery");
        bad.wait_for(2).await;
        assert_eq!(settled(&app, 2).await, [DeliveryStatus::Failed, DeliveryStatus::Delivered]);
    }
);

both!(
    /// On a clock that runs: what goes on is made at the time at which the one before it ends.
    what_was_settled_by_hand_and_went_on_is_not_sold_twice, |mode: Mode| {
        let app = TestApp::start_by(Clock::system(), mode, &[]).await;
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(500));
        let owner = app.account("Acme").await;
        let patient = webhook_with(&receiver.url("/"), json!({}));
        let (flow, _) = in_turn(&app, &owner, &[patient, json!({ "portal": {} })]).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let id = text(&app.deliveries_at(&owner, &lead, &["RETRYING"]).await[0]["id"]);
        app.done(&owner.token, RESOLVE, json!({ "id": id, "delivered": false }))
            .await;
        assert_eq!(
            statuses(&app).await,
            [DeliveryStatus::Failed, DeliveryStatus::Delivered]
        );
        receiver.answer(Answer::status(200));
        assert_eq!(app.retry_many(&owner, json!({})).await, 0, "it would be sold twice");
        let rows = rows(&app).await;
        assert_eq!(
            (rows[1].follows, rows[0].settled_at),
            (Some(rows[0].id), Some(rows[1].created_at))
        );
    }
);

both!(
    /// The partner to which it went on has rejected it in its portal: the first one may have it again.
    what_the_next_partner_has_rejected_is_tried_again,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(422));
        let owner = app.account("Acme").await;
        let (flow, _) = in_turn(&app, &owner, &[once(&receiver), json!({ "portal": {} })]).await;
        app.submit(&owner, &flow, ana()).await;
        assert_eq!(settled(&app, 2).await, [DeliveryStatus::Failed, DeliveryStatus::Delivered]);
        let next = rows(&app).await.remove(1);
        let pat = app.portal_user(&owner, &next.partner_id.unwrap().to_string(), "pat@buyer.test").await;
        assert_eq!(app.retry_many(&owner, json!({})).await, 0);
        app.done(&pat, REVIEW, json!({ "ids": [next.id.to_string()], "reason": "not ours" })).await;
        receiver.answer(Answer::status(200));
        assert_eq!(app.retry_many(&owner, json!({})).await, 1);
        assert_eq!(settled(&app, 2).await[0], DeliveryStatus::Delivered);
    }
);

both!(
    /// As long as a lead is on its way its step can be disabled: then it goes to nobody else.
    a_lead_does_not_go_on_when_its_step_is_disabled,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(500));
        let owner = app.account("Acme").await;
        let patient = webhook_with(&receiver.url("/"), json!({}));
        let (flow, step) = in_turn(&app, &owner, &[patient, json!({ "portal": {} })]).await;
        for (enabled, deliveries) in [(false, 1), (true, 3)] {
            app.ask(Some(&owner.token), SET_STEP, json!({ "id": step, "on": true })).await;
            let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
            let id = text(&app.deliveries_at(&owner, &lead, &["RETRYING"]).await[0]["id"]);
            let set = app.ask(Some(&owner.token), SET_STEP, json!({ "id": step, "on": enabled })).await;
            accepted(&set, "setStepEnabled");
            app.done(&owner.token, RESOLVE, json!({ "id": id, "delivered": false })).await;
            assert_eq!(rows(&app).await.len(), deliveries, "enabled: {enabled}");
        }
    }
);
