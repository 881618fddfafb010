//! A lead that is routed further is judged as it was when it came in: by typed values, and by which of them are not of their type.

use entity::lead;
use sea_orm::EntityTrait;
use sea_orm::sea_query::Expr;
use serde_json::{Value, json};

use crate::hand::RESOLVE;
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, Flow, text, webhook, webhook_with};

/// P first; then Q, which wants a phone that can be called, and R, which wants none.
async fn picky(app: &TestApp, owner: &Account, delivery: Value, encrypted: bool) -> (Flow, [String; 3]) {
    let fields = json!([
        { "name": "email", "type": "EMAIL" }, { "name": "phone", "type": "PHONE", "encrypted": encrypted },
        { "name": "country", "type": "COUNTRY" },
    ]);
    let flow = app.flow(owner, json!({ "fields": fields })).await;
    let profile = app
        .profile(owner, json!({ "strategy": "FIRST_MATCH", "onFailure": "NEXT_PARTNER" }))
        .await;
    let (first, _) = app.partner(owner, "P", delivery, json!({})).await;
    let (second, _) = app.partner(owner, "Q", json!({ "portal": {} }), json!({})).await;
    let (third, _) = app.partner(owner, "R", json!({ "portal": {} }), json!({})).await;
    let phone = |operator: &str| json!({ "condition": { "field": "phone", "operator": operator } });
    app.assign(owner, &profile, &first, json!({ "rank": 1 })).await;
    app.assign(
        owner,
        &profile,
        &second,
        json!({ "rank": 2, "rule": phone("IS_VALID") }),
    )
    .await;
    app.assign(
        owner,
        &profile,
        &third,
        json!({ "rank": 3, "rule": phone("IS_INVALID") }),
    )
    .await;
    let step = json!({ "distribute": { "profileId": profile } });
    app.step(owner, &flow, "Out", step, Value::Null).await;
    (flow, [first, second, third])
}

#[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
async fn as_an_older_version_left_them(app: &TestApp) {
    let leads = lead::Entity::update_many().col_expr(lead::Column::Invalid, Expr::value(Option::<Value>::None));
    leads.exec(app.app.db.write()).await.unwrap();
}

async fn recipients(app: &TestApp, owner: &Account, lead: &str) -> Vec<String> {
    let deliveries = app.deliveries_at(owner, lead, &["FAILED", "DELIVERED"]).await;
    deliveries
        .iter()
        .map(|delivery| text(&delivery["partner"]["id"]))
        .collect()
}

both!(
    /// After a final failure, and after somebody has said that it did not arrive; with values encrypted or not, and of leads that an
    /// older version has stored.
    an_invalid_value_stays_invalid_when_its_lead_goes_on,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        for encrypted in [false, true] {
            receiver.answer(Answer::status(422));
            let once = webhook_with(&receiver.url("/"), json!({ "retry": { "attempts": 1 } }));
            let (flow, [first, second, third]) = picky(&app, &owner, once, encrypted).await;
            let invalid = text(&app.submit(&owner, &flow, json!({ "phone": "12", "country": "US" })).await["id"]);
            assert_eq!(recipients(&app, &owner, &invalid).await, [first.clone(), third.clone()]);
            let valid = json!({ "phone": "(415) 555-0132", "country": "US" });
            let valid = text(&app.submit(&owner, &flow, valid).await["id"]);
            assert_eq!(recipients(&app, &owner, &valid).await, [first, second]);

            receiver.answer(Answer::status(503));
            let (flow, [first, _, third]) = picky(&app, &owner, webhook(&receiver.url("/")), encrypted).await;
            let lead = text(&app.submit(&owner, &flow, json!({ "phone": "12", "country": "US" })).await["id"]);
            let waiting = text(&app.deliveries_at(&owner, &lead, &["RETRYING"]).await[0]["id"]);
            as_an_older_version_left_them(&app).await;
            app.done(&owner.token, RESOLVE, json!({ "id": waiting, "delivered": false })).await;
            assert_eq!(recipients(&app, &owner, &lead).await, [first, third]);
        }
    }
);

/// Sets the phone to one that can be called, and takes the country away.
fn made_callable() -> Value {
    json!({ "transform": { "assignments": [
        { "field": "phone", "template": "+14155550132" },
        { "field": "country", "template": "" },
    ] } })
}

both!(
    /// Steps after the one that has routed a lead change what is delivered, and nothing of who is next: not after a final failure,
    /// not by hand, not if values are encrypted; and what comes before that step counts as ever.
    a_later_step_changes_nothing_of_who_is_next,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        for encrypted in [false, true] {
            receiver.answer(Answer::status(422));
            let once = webhook_with(&receiver.url("/"), json!({ "retry": { "attempts": 1 } }));
            let (flow, [first, second, third]) = picky(&app, &owner, once.clone(), encrypted).await;
            let after = app.step(&owner, &flow, "After", made_callable(), Value::Null).await;
            let lead = json!({ "phone": "12", "country": "US" });
            let id = text(&app.submit(&owner, &flow, lead.clone()).await["id"]);
            assert_eq!(recipients(&app, &owner, &id).await, [first.clone(), third.clone()], "{encrypted}");
            let delivered = receiver.requests().last().unwrap().json();
            assert_eq!(delivered["phone"], "+14155550132", "what is delivered is what it was made: {delivered}");

            let step = "mutation($id: ID!) { moveStep(id: $id, position: 0) { flow { id } userErrors { code } } }";
            app.data(&owner.token, step, json!({ "id": after })).await;
            let id = text(&app.submit(&owner, &flow, lead.clone()).await["id"]);
            assert_eq!(recipients(&app, &owner, &id).await, [first, second], "a step before counts");

            receiver.answer(Answer::status(503));
            let (flow, [first, _, third]) = picky(&app, &owner, webhook(&receiver.url("/")), encrypted).await;
            app.step(&owner, &flow, "After", made_callable(), Value::Null).await;
            let id = text(&app.submit(&owner, &flow, lead).await["id"]);
            let waiting = text(&app.deliveries_at(&owner, &id, &["RETRYING"]).await[0]["id"]);
            app.done(&owner.token, RESOLVE, json!({ "id": waiting, "delivered": false })).await;
            assert_eq!(recipients(&app, &owner, &id).await, [first, third]);
        }
    }
);
