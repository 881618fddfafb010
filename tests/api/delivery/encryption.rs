//! Encrypted fields: sealed wherever they rest, readable for whom they are meant.

use std::collections::BTreeSet;

use entity::ids::LeadId;
use entity::lead;
use futures::future::join_all;
use leadmesh_core::identity::data_keys;
use sea_orm::{ActiveModelTrait, IntoActiveModel, Set};
use serde_json::{Value, json};

use super::sharing::to_all;
use super::{RETRY, email};
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{accepted, merge, standard_fields, text, webhook};
use crate::support::smtp_receiver::{Reply, SmtpReceiver, Step};

const SSN: &str = "Kx81-Qz \"7\" ü";
const LEAD: &str =
    "query($id: ID!) { lead(id: $id) { fields rawFields warnings { message } trace { check detail } reasons { message } timeline { message }
    deliveries { failure { message } externalId attempts { message responseExcerpt } } } }";
const REVEAL: &str = "query($id: ID!) { lead(id: $id) { fields(reveal: true) } }";
const FEED: &str =
    "query($search: String) { portal { leads(filter: { search: $search }) { nodes { title fields } } } }";
const SWITCH: &str =
    "mutation($id: ID!, $on: Boolean!) { setFlowEnabled(id: $id, enabled: $on) { userErrors { code message path } } }";
const SIMULATE: &str = "query($flow: ID!, $fields: JSON!) { simulateSubmission(flowId: $flow, fields: $fields) { trace { detail } reasons { message } } }";

/// The usual fields and encrypted ones.
fn fields() -> Value {
    let mut fields = standard_fields();
    fields.as_array_mut().unwrap().extend([
        json!({ "name": "ssn", "type": "TEXT", "encrypted": true }),
        json!({ "name": "pin", "type": "NUMBER", "encrypted": true }),
        json!({ "name": "hidden", "type": "EMAIL", "encrypted": true }),
        json!({ "name": "other", "type": "TEXT", "encrypted": true }),
    ]);
    fields
}

/// A lead whose `pin` is no number, so that it is kept as it was sent.
fn secret_lead() -> Value {
    json!({ "first_name": "Ana", "ssn": format!("  {SSN} "), "pin": "Zw93 is none", "hidden": "Vv44.Person@Example.com" })
}

/// What must be nowhere at rest, in lower case.
const PLAIN: [&str; 3] = ["kx81", "zw93", "vv44"];

fn assert_none_in(text: &str) {
    let lower = text.to_lowercase();
    for plain in PLAIN {
        let place = lower.find(plain);
        assert!(
            place.is_none(),
            "{plain} in {:?}",
            place.map(|place| lower[place.saturating_sub(300)..].chars().take(500).collect::<String>())
        );
    }
}

async fn stored(app: &TestApp, lead: &str) -> lead::Model {
    let id: LeadId = lead.parse().unwrap();
    lead::Entity::for_worker([id])
        .one(app.app.db.read())
        .await
        .unwrap()
        .unwrap()
}

/// Puts a sealed value where it does not belong.
async fn put(app: &TestApp, lead: &str, field: &str, sealed: Value) {
    let row = stored(app, lead).await;
    let mut fields = row.fields.clone();
    fields[field] = sealed;
    let mut row = row.into_active_model();
    row.fields = Set(fields);
    row.update(app.app.db.write()).await.unwrap();
}

both!(
    /// D18: plaintext for the recipient on every channel, and at rest nowhere: not even when a partner answers with it.
    an_encrypted_value_is_readable_for_recipients_and_nowhere_at_rest,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let (server, receiver) = (SmtpReceiver::start().await, HttpReceiver::start().await);
        receiver.respond(|number, request| Answer::status(if number == 1 { 500 } else { 200 }).body(request.body.clone()));
        server.respond(|mail, step| {
            (mail == 1 && matches!(step, Step::Content(_))).then_some(Reply::Say("451 not now: Kx81-Qz \"7\" ü of vv44.person@example.com"))
        });
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &server).await;
        let rule = json!({ "pointer": "/first_name", "acceptedValues": ["Ana"], "externalIdPointer": "/ssn" });
        let hook = json!({ "url": receiver.url("/"), "allowInsecureHttp": true, "responseRule": rule });
        let deliveries = vec![json!({ "webhook": hook }), email(&["a@buyer.test"], json!({})), json!({ "portal": {} })];
        let (flow, partners) = to_all(&app, &owner, fields(), deliveries).await;
        let criteria = json!({ "condition": { "field": "ssn", "operator": "EQUALS", "value": "another" } });
        let profile = app.profile(&owner, json!({ "name": "Nobody" })).await;
        app.step(&owner, &flow, "Others", json!({ "distribute": { "profileId": profile } }), criteria).await;
        let pat = app.portal_user(&owner, &partners[2], "pat@buyer.test").await;

        let receipt = app.submit(&owner, &flow, secret_lead()).await;
        assert_none_in(&receipt.to_string());
        let lead = text(&receipt["id"]);
        app.deliveries_at(&owner, &lead, &["RETRYING", "DELIVERED"]).await;
        assert_none_in(&app.dump().await);
        app.advance(chrono::TimeDelta::seconds(15));
        app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        assert_none_in(&app.dump().await);

        for request in receiver.wait_for(2).await {
            assert_eq!(request.json()["ssn"], SSN);
            assert_eq!(request.json()["hidden"], "vv44.person@example.com");
        }
        let mail = server.wait_for(1).await[0].text().unwrap();
        assert!(mail.contains(SSN) && mail.contains("vv44.person@example.com"), "{mail}");
        for search in [Value::Null, json!("VV44.person@example.com")] {
            let feed = app.data(&pat, FEED, json!({ "search": search })).await;
            assert_eq!(feed["portal"]["leads"]["nodes"][0]["fields"]["ssn"], SSN);
        }
        assert_none_in(&app.data(&owner.token, LEAD, json!({ "id": lead })).await.to_string());
        assert_none_in(&app.data(&owner.token, SIMULATE, json!({ "flow": flow.id, "fields": secret_lead() })).await.to_string());
        let revealed = app.data(&owner.token, REVEAL, json!({ "id": lead })).await;
        assert_eq!(revealed["lead"]["fields"]["ssn"], SSN);
        assert_none_in(&app.dump().await);
    }
);

both!(
    /// D18: in the portal's file and its live events, and over a connection into another account, where it is sealed under that
    /// account's key; also when somebody tries it again by hand.
    an_encrypted_value_is_readable_in_files_events_and_connected_accounts,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let (owner, buyer) = (app.account("Acme").await, app.account("Buyer").await);
        let connection = app.connect(&owner, &buyer, "SEND_LEADS").await;
        let target = app.flow(&buyer, json!({ "fields": fields() })).await;
        app.receive_in(&buyer, &connection, &target).await;
        let deliveries = vec![json!({ "portal": {} }), json!({ "account": { "connectionId": connection } })];
        let (flow, partners) = to_all(&app, &owner, fields(), deliveries).await;
        let pat = app.portal_user(&owner, &partners[0], "pat@buyer.test").await;
        let mut feed = app.subscribe(&pat, "subscription { portalLeads(after: \"0\") { lead { fields } } }", json!({})).await;
        app.data(&buyer.token, SWITCH, json!({ "id": target.id, "on": false })).await;

        let lead = text(&app.submit(&owner, &flow, secret_lead()).await["id"]);
        let ended = app.deliveries_at(&owner, &lead, &["DELIVERED", "FAILED"]).await;
        let failed = ended.iter().find(|delivery| delivery["channel"] == "ACCOUNT").unwrap();
        assert_eq!(failed["failure"]["code"], "BUYER_NOT_READY");
        assert_none_in(&app.dump().await);
        app.data(&buyer.token, SWITCH, json!({ "id": target.id, "on": true })).await;
        accepted(&app.ask(Some(&owner.token), RETRY, json!({ "id": failed["id"] })).await, "retryDelivery");
        let delivered = app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        assert_none_in(&app.dump().await);

        let event = feed.event().await;
        assert_eq!((&event["portalLeads"]["lead"]["fields"]["ssn"], &event["portalLeads"]["lead"]["fields"]["hidden"]), (&json!(SSN), &json!("vv44.person@example.com")));
        let file = app.records(&pat, "").await.join("\n");
        assert!(file.contains("\"Kx81-Qz \"\"7\"\" ü\"") && file.contains("vv44.person@example.com"), "{file}");

        let bought = delivered.iter().find(|delivery| delivery["channel"] == "ACCOUNT").unwrap();
        let bought = json!({ "id": bought["externalId"] });
        let theirs = app.data(&buyer.token, REVEAL, bought.clone()).await["lead"]["fields"].take();
        assert_eq!((&theirs["ssn"], &theirs["hidden"]), (&json!(SSN), &json!("vv44.person@example.com")));
        assert_none_in(&app.data(&buyer.token, LEAD, bought.clone()).await.to_string());
        assert_none_in(&app.data(&owner.token, LEAD, json!({ "id": lead })).await.to_string());
        let sealed = [stored(&app, &lead).await, stored(&app, bought["id"].as_str().unwrap()).await].map(|row| text(&row.fields["ssn"]["$sealed"]));
        assert_ne!(sealed[0][..20], sealed[1][..20], "each under its own account's key");
    }
);

both!(
    /// D18: a sealed value is bound to its lead and its field.
    a_sealed_value_that_was_moved_does_not_open,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(500));
        let owner = app.account("Acme").await;
        let (flow, _) = to_all(&app, &owner, fields(), vec![webhook(&receiver.url("/"))]).await;
        let mut leads = Vec::new();
        for _ in 0..3 {
            let lead = text(&app.submit(&owner, &flow, secret_lead()).await["id"]);
            app.deliveries_at(&owner, &lead, &["RETRYING"]).await;
            leads.push(lead);
        }
        let sealed = stored(&app, &leads[0]).await.fields["ssn"].clone();
        put(&app, &leads[1], "ssn", sealed.clone()).await;
        put(&app, &leads[0], "other", sealed).await;

        for lead in &leads[..2] {
            let answer = app.ask(Some(&owner.token), REVEAL, json!({ "id": lead })).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL_SERVER_ERROR", "{answer:#}");
            assert_none_in(&answer.to_string());
        }
        receiver.answer(Answer::status(200));
        app.advance(chrono::TimeDelta::seconds(15));
        app.deliveries_at(&owner, &leads[2], &["DELIVERED"]).await;
        for lead in &leads[..2] {
            let failed = app.deliveries_at(&owner, lead, &["FAILED"]).await;
            assert_eq!(failed[0]["failure"]["code"], "TEMPLATE");
        }
        assert_eq!(receiver.wait_for(4).await.len(), 4, "what does not open is not sent");
    }
);

both!(
    /// D18: a sender cannot pass off a value as sealed and so make its lead, or a page with it, unreadable.
    a_value_that_looks_sealed_is_a_value_like_any_other,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answers([Answer::status(500), Answer::status(200)]);
        let owner = app.account("Acme").await;
        let mut defined = standard_fields();
        defined.as_array_mut().unwrap().push(json!({ "name": "extra", "type": "JSON" }));
        let deliveries = vec![webhook(&receiver.url("/")), json!({ "portal": {} })];
        let (flow, partners) = to_all(&app, &owner, defined, deliveries).await;
        let pat = app.portal_user(&owner, &partners[1], "pat@buyer.test").await;
        let lead = text(&app.submit(&owner, &flow, json!({ "first_name": "Ana", "extra": { "$sealed": "AAAA" } })).await["id"]);

        app.deliveries_at(&owner, &lead, &["RETRYING", "DELIVERED"]).await;
        app.advance(chrono::TimeDelta::seconds(15));
        app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;

        for request in receiver.wait_for(2).await {
            assert_eq!(request.json()["extra"], json!({ "$sealed": "AAAA" }));
        }
        let shown = app.data(&owner.token, LEAD, json!({ "id": lead })).await["lead"]["fields"].take();
        assert_eq!(shown["extra"], json!({ "$sealed": "AAAA" }));
        let feed = app.data(&pat, FEED, json!({ "search": null })).await;
        assert_eq!(feed["portal"]["leads"]["nodes"][0]["fields"]["extra"], json!({ "$sealed": "AAAA" }));
    }
);

both!(
    /// D18: keys rotate while leads flow: nothing is lost, what was sealed before opens, what comes is sealed anew.
    keys_rotate_while_leads_flow,
    |app| {
        let receiver = HttpReceiver::start().await;
        // Said of single leads: so many 500 would pause the destination.
        receiver.answer(Answer::status(422));
        let owner = app.account("Acme").await;
        let headers = json!({ "headers": [{ "name": "X-API-Key", "value": "k-123456789" }] });
        let hook = crate::support::make::webhook_with(&receiver.url("/"), headers);
        let (flow, _) = to_all(&app, &owner, fields(), vec![hook]).await;
        // The command is a process of its own, which the server learns of only by what it finds in the database.
        let command = app.command().await;
        let mut leads = Vec::new();
        for round in 0..4 {
            let submissions = (0..8).map(|place| {
                let mut fields = secret_lead();
                merge(&mut fields, json!({ "ssn": format!("ssn {round}-{place}") }));
                app.submit(&owner, &flow, fields)
            });
            let by = if round % 2 == 0 { &command } else { &app.app };
            let (receipts, rotated) = tokio::join!(join_all(submissions), data_keys::rotate_all(by));
            rotated.unwrap();
            leads.extend(receipts.iter().map(|receipt| text(&receipt["id"])));
        }
        for lead in &leads {
            app.deliveries_at(&owner, lead, &["RETRYING"]).await;
        }
        receiver.answer(Answer::status(200));
        app.advance(chrono::TimeDelta::seconds(15));

        let mut keys = BTreeSet::new();
        for (place, lead) in leads.iter().enumerate() {
            app.deliveries_at(&owner, lead, &["DELIVERED"]).await;
            let expected = format!("ssn {}-{}", place / 8, place % 8);
            let revealed = app.data(&owner.token, REVEAL, json!({ "id": lead })).await;
            assert_eq!(revealed["lead"]["fields"]["ssn"], expected);
            let sealed = text(&stored(&app, lead).await.fields["ssn"]["$sealed"]);
            keys.insert(sealed[..20].to_owned());
        }
        assert!(keys.len() > 1, "every value is sealed with one key");
        let requests = receiver.wait_for(64).await;
        assert_eq!(requests.len(), 64);
        for request in requests {
            let lead = request.header("leadmesh-lead-id").unwrap();
            let place = leads.iter().position(|known| known == lead).unwrap();
            assert_eq!(request.json()["ssn"], format!("ssn {}-{}", place / 8, place % 8));
            assert_eq!(request.header("x-api-key"), Some("k-123456789"));
        }
    }
);

both!(
    /// Encrypted values are found whole and told apart by keyed hashes, which are each account's own and outlast a rotation.
    encrypted_values_are_found_and_compared_by_keyed_hash,
    |app| {
        const FOUND: &str = "query($search: String) { leads(filter: { search: $search }) { nodes { id } } }";
        let mut keys = Vec::new();
        for name in ["Acme", "Other"] {
            let owner = app.account(name).await;
            let sealed = |name: &str, kind: &str| json!({ "name": name, "type": kind, "encrypted": true });
            let fields = json!([sealed("email", "EMAIL"), sealed("phone", "PHONE"), sealed("first_name", "TEXT"), sealed("last_name", "TEXT")]);
            let flow = json!({ "fields": fields, "duplicateKeys": ["email"], "duplicateWindowDays": 30 });
            let flow = app.flow(&owner, flow).await;
            let person = json!({ "email": "Vv44.Person@Example.com", "phone": "(415) 555-0177", "first_name": "Kx81ana", "last_name": "Kx81silva" });
            let first = app.submit(&owner, &flow, person.clone()).await;
            assert_eq!(first["outcome"], "ACCEPTED");
            data_keys::rotate_all(&app.app).await.unwrap();
            let again = app.submit(&owner, &flow, json!({ "email": "vv44.person@EXAMPLE.com" })).await;
            assert_eq!(again["reasons"][0]["code"], "DUPLICATE", "{again}");
            for (search, expected) in [
                ("VV44.person@example.COM", 2),
                ("+1 415 555 0177", 1),
                ("kx81ANA kx81silva", 1),
                ("kx81ana", 0),
                ("vv44", 0),
                ("vv44.person@example.co", 0),
            ] {
                let found = app.data(&owner.token, FOUND, json!({ "search": search })).await;
                assert_eq!(found["leads"]["nodes"].as_array().unwrap().len(), expected, "{search}");
            }
            let row = stored(&app, first["id"].as_str().unwrap()).await;
            keys.push((row.email_key, row.phone_key, row.name_key));
        }
        assert!(keys[0].0.is_some() && keys[0].0 != keys[1].0 && keys[0].1 != keys[1].1 && keys[0].2 != keys[1].2);
        let dump = app.dump().await;
        assert_none_in(&dump);
        assert!(!dump.contains("5550177"));
    }
);
