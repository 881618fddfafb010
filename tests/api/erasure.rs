//! Erasing a person's values: gone from everywhere, and whoever had them is told.

mod buyers;
mod interrupted;
mod notices;
mod rights;

use std::sync::Arc;

use chrono::TimeDelta;
use entity::worker;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, Flow, accepted, standard_fields, text, webhook_with};
use crate::support::smtp_receiver::{Reply, SmtpReceiver, Step};
use crate::support::wait::eventually;

/// Erases a lead.
pub(crate) const ERASE: &str = "mutation($id: ID!, $reason: String!) { eraseLead(id: $id, reason: $reason) {
    lead { id erasedAt } userErrors { code message path } } }";
const LEAD: &str = "query($id: ID!) { lead(id: $id) { id fields rawFields erasedAt outcome trace { check detail } timeline { kind message }
    erasureNotices { id channel status received receivedAt externalId attempts error partnerId buyerId deliveryId toldAt }
    deliveries { id status channel externalId erasedAt failure { code message } attempts { message responseExcerpt httpStatus } } } }";
const SEARCH: &str = "query($search: String) { leads(filter: { search: $search }) { nodes { id } } }";
const REVEAL: &str = "query($id: ID!) { lead(id: $id) { fields(reveal: true) } }";
const SET_SMTP: &str = "mutation($input: SmtpSettingsInput!) { setSmtpSettings(input: $input) { account { id } userErrors { code message path } } }";
const FEED: &str = "{ portal { leads { nodes { title fields erasedAt } } } }";

impl TestApp {
    /// Erases a lead; the lead.
    async fn erase(&self, owner: &Account, lead: &str) -> Value {
        let variables = json!({ "id": lead, "reason": "asked for it in writing" });
        let answer = self.ask(Some(&owner.token), ERASE, variables).await;
        accepted(&answer, "eraseLead")["lead"].clone()
    }

    /// A lead with all that is known of it.
    async fn lead_of(&self, owner: &Account, lead: &str) -> Value {
        self.data(&owner.token, LEAD, json!({ "id": lead })).await["lead"].clone()
    }

    /// The lead once its notices stand so, in any order; reads again until then, at most 20 s.
    async fn told_at(&self, owner: &Account, lead: &str, statuses: &[&str]) -> Value {
        eventually(
            async || self.lead_of(owner, lead).await,
            |found| {
                let notices = found["erasureNotices"].as_array().unwrap();
                let mut told: Vec<_> = notices.iter().map(|notice| text(&notice["status"])).collect();
                told.sort();
                told == statuses
            },
        )
        .await
    }

    async fn mail_server(&self, owner: &Account, server: &SmtpReceiver) {
        let input = json!({ "host": server.host(), "port": server.port(), "security": "NONE", "fromAddress": "leads@acme.test" });
        self.done(&owner.token, SET_SMTP, input).await;
    }
}

/// Every text and number of the person, in lower case.
const PERSON: [&str; 2] = ["zuloqui", "5550199"];

fn person() -> Value {
    json!({ "first_name": "Zuloquiana", "last_name": "Silva", "email": "Zuloqui.Ana@Example.com", "phone": "(415) 555-0199",
        "company": "Zuloqui Ltd", "ssn": "Zuloqui-secret", "score": "zuloqui is none" })
}

fn assert_nobody_in(what: &str) {
    let lower = what.to_lowercase();
    for marker in PERSON {
        let place = lower.find(marker);
        let around = place.map(|place| lower[place.saturating_sub(300)..].chars().take(500).collect::<String>());
        assert!(place.is_none(), "{marker} in {around:?}");
    }
}

/// A flow with everything that may keep a value: an encrypted field, duplicates, steps that speak of values.
async fn flow(app: &TestApp, owner: &Account) -> Flow {
    let mut fields = standard_fields();
    fields
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "ssn", "type": "TEXT", "encrypted": true }));
    let more = json!({ "fields": fields, "duplicateKeys": ["email"], "duplicateWindowDays": 30 });
    let flow = app.flow(owner, more).await;
    let transform = json!({ "transform": { "assignments": [{ "field": "company", "template": "{{ lead.company }} of {{ lead.first_name }}" }] } });
    app.step(owner, &flow, "Name", transform, Value::Null).await;
    flow
}

async fn routed(app: &TestApp, owner: &Account, flow: &Flow, deliveries: Vec<Value>) -> Vec<String> {
    let profile = app.profile(owner, json!({})).await;
    let mut partners = Vec::new();
    for (place, delivery) in deliveries.into_iter().enumerate() {
        let caps = json!({ "caps": [{ "period": "DAY", "limit": 5 }] });
        let (partner, _) = app.partner(owner, &format!("P{place}"), delivery, caps).await;
        let rule = json!({ "condition": { "field": "first_name", "operator": "NOT_EQUALS", "value": "Nobody" } });
        app.assign(owner, &profile, &partner, json!({ "rule": rule })).await;
        partners.push(partner);
    }
    app.step(
        owner,
        flow,
        "Out",
        json!({ "distribute": { "profileId": profile } }),
        Value::Null,
    )
    .await;
    partners
}

both!(
    /// After an erasure no column of any table holds a value of the person, whatever partners have answered.
    nothing_of_a_person_is_left_anywhere,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let (server, receiver) = (SmtpReceiver::start().await, HttpReceiver::start().await);
        receiver.respond(|_, request| {
            let status = if request.path() == "/well" || request.json()["type"] == "lead.erased" { 200 } else { 500 };
            Answer::status(status).body(request.body.clone())
        });
        server.respond(|mail, step| (mail == 1 && matches!(step, Step::Content(_))).then_some(Reply::Say("550 zuloqui.ana@example.com is unknown")));
        let owner = app.account("Acme").await;
        app.mail_server(&owner, &server).await;
        let flow = flow(&app, &owner).await;
        let named = json!({ "responseRule": { "pointer": "/last_name", "acceptedValues": ["Silva"], "externalIdPointer": "/email" } });
        let refused = json!({ "responseRule": { "pointer": "/last_name", "acceptedValues": ["nobody"], "reasonPointer": "/email" } });
        let partners = routed(&app, &owner, &flow, vec![
            webhook_with(&receiver.url("/well"), named),
            webhook_with(&receiver.url("/ill"), json!({})),
            webhook_with(&receiver.url("/well"), refused),
            json!({ "email": { "recipients": ["a@buyer.test"], "subject": "New {{ lead.first_name }}" } }),
            json!({ "portal": {} }),
        ]).await;
        let pat = app.portal_user(&owner, &partners[4], "pat@buyer.test").await;
        let key = json!({ "idempotencyKey": "form-1" });
        let receipt = app.submit_with(&owner, &flow, person(), key.clone()).await;
        let lead = text(&receipt["id"]);
        let routed = app.deliveries_at(&owner, &lead, &["DELIVERED", "RETRYING", "REFUSED", "FAILED"]).await;
        app.data(&owner.token, REVEAL, json!({ "id": lead })).await;
        assert_eq!(app.submit(&owner, &flow, person()).await["reasons"][0]["code"], "DUPLICATE");
        let of_twin = app.dump().await.to_lowercase();
        for marker in PERSON {
            assert!(of_twin.contains(marker), "the test must be able to fail");
        }
        let twin = app.data(&owner.token, SEARCH, json!({ "search": "zuloqui.ana@example.com" })).await;
        for node in twin["leads"]["nodes"].as_array().unwrap() {
            assert!(!app.erase(&owner, node["id"].as_str().unwrap()).await["erasedAt"].is_null());
        }

        assert_nobody_in(&app.dump().await);
        let erased = app.told_at(&owner, &lead, &["SENT", "SENT", "SENT", "SHOWN"]).await;
        assert_nobody_in(&app.dump().await);
        assert_eq!((&erased["fields"], &erased["rawFields"]), (&json!({}), &json!({})));
        let standing: Vec<_> = erased["deliveries"].as_array().unwrap().iter().map(|row| text(&row["status"])).collect();
        assert_eq!(standing, ["DELIVERED", "CANCELLED", "REFUSED", "FAILED", "DELIVERED"]);
        assert_eq!(routed.len(), 5);
        let kinds: Vec<_> = erased["timeline"].as_array().unwrap().iter().map(|entry| text(&entry["kind"])).collect();
        for kind in ["SUBMITTED", "ACCEPTED", "ROUTED", "DELIVERED", "REVEALED", "CANCELLED", "ERASED"] {
            assert!(kinds.contains(&kind.to_owned()), "{kind}: {kinds:?}");
        }
        let used = app.data(&owner.token, "query($id: ID!) { partner(id: $id) { caps { used } health { lastError } } }", json!({ "id": partners[1] })).await;
        assert_eq!(used["partner"]["caps"][0]["used"], 0, "what was cancelled does not count");
        let feed = app.data(&pat, FEED, json!({})).await;
        let shown = &feed["portal"]["leads"]["nodes"][0];
        assert!(!shown["erasedAt"].is_null() && shown["fields"]["email"].is_null(), "{shown}");
        let found = app.data(&owner.token, SEARCH, json!({ "search": "zuloqui.ana@example.com" })).await;
        assert_eq!(found["leads"]["nodes"], json!([]));

        // Nothing more goes out, the receipt can be had again, and the same person may come anew.
        let before = receiver.requests().iter().filter(|request| request.path() == "/ill").count();
        app.advance(TimeDelta::minutes(10));
        let retry = "mutation($id: ID!) { retryDelivery(id: $id) { delivery { id } userErrors { code message path } } }";
        let answer = app.ask(Some(&owner.token), retry, json!({ "id": erased["deliveries"][1]["id"] })).await;
        assert_eq!(answer["data"]["retryDelivery"]["userErrors"][0]["code"], "CONFLICT");
        assert_eq!(receiver.requests().iter().filter(|request| request.path() == "/ill").count(), before);
        for fields in [person(), json!({ "first_name": "Bo" })] {
            let again = app.submit_with(&owner, &flow, fields, key.clone()).await;
            assert_eq!((&again["id"], &again["replayed"], &again["outcome"]), (&json!(lead), &json!(true), &json!("ACCEPTED")));
        }
        assert_nobody_in(&app.dump().await);
        let anew = app.submit(&owner, &flow, person()).await;
        assert_eq!(anew["outcome"], "ACCEPTED");
    }
);

both!(
    /// What a worker is sending while the lead is erased is ended by it: recorded without words, not tried again, and told.
    what_is_under_way_is_finished_without_values,
    |app| {
        let (held, receiver) = (Arc::new(Semaphore::new(0)), HttpReceiver::start().await);
        let permits = held.clone();
        receiver.respond(move |_, request| {
            let answer = Answer::status(if request.path() == "/ill" { 500 } else { 200 }).body(request.body.clone());
            if request.json()["type"] == "lead.erased" { Answer::status(200) } else { answer.hold(permits.clone()) }
        });
        let owner = app.account("Acme").await;
        let flow = flow(&app, &owner).await;
        let named = json!({ "responseRule": { "pointer": "/last_name", "acceptedValues": ["Silva"], "externalIdPointer": "/email" } });
        let settings = vec![webhook_with(&receiver.url("/well"), named), webhook_with(&receiver.url("/ill"), json!({}))];
        let partners = routed(&app, &owner, &flow, settings).await;
        let lead = text(&app.submit(&owner, &flow, person()).await["id"]);
        receiver.wait_for(2).await;

        app.erase(&owner, &lead).await;
        assert_nobody_in(&app.dump().await);
        held.add_permits(100);
        app.deliveries_at(&owner, &lead, &["DELIVERED", "CANCELLED"]).await;
        let erased = app.told_at(&owner, &lead, &["SENT", "SENT"]).await;
        assert_nobody_in(&app.dump().await);
        let mut received: Vec<_> = erased["erasureNotices"].as_array().unwrap().iter().map(|notice| text(&notice["received"])).collect();
        received.sort();
        assert_eq!(received, ["DELIVERED", "PERHAPS"]);
        app.advance(TimeDelta::minutes(10));
        let used = app.data(&owner.token, "query($id: ID!) { partner(id: $id) { caps { used } } }", json!({ "id": partners[1] })).await;
        assert_eq!(used["partner"]["caps"][0]["used"], 0);
        let posted = receiver.requests().iter().filter(|request| request.json()["type"] != "lead.erased").count();
        assert_eq!(posted, 2);
    }
);

both!(
    /// Nobody has seen the end of the attempt: the recipient may have it, and is told.
    what_a_worker_was_sending_that_has_gone_is_told_too,
    |app| {
        let (held, receiver) = (Arc::new(Semaphore::new(0)), HttpReceiver::start().await);
        let permits = held.clone();
        receiver.respond(move |_, request| {
            let answer = Answer::status(200);
            if request.json()["type"] == "lead.erased" { answer } else { answer.hold(permits.clone()) }
        });
        let owner = app.account("Acme").await;
        let flow = flow(&app, &owner).await;
        routed(&app, &owner, &flow, vec![webhook_with(&receiver.url("/"), json!({}))]).await;
        let lead = text(&app.submit(&owner, &flow, person()).await["id"]);
        receiver.wait_for(1).await;
        app.erase(&owner, &lead).await;

        let lease = app.app.queue.owner().unwrap();
        worker::Entity::remove(lease).exec(app.app.db.write()).await.unwrap();
        app.deliveries_at(&owner, &lead, &["CANCELLED"]).await;
        let erased = app.told_at(&owner, &lead, &["SENT"]).await;
        assert_eq!(erased["erasureNotices"][0]["received"], "PERHAPS");
        held.add_permits(100);
    }
);
