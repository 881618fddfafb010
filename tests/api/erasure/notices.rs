//! Telling recipients.

use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::LeadId;
use entity::{erasure_notice, lead};
use leadmesh_delivery::signing::{self, Secret};
use serde_json::{Value, json};

use super::{flow, person};
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{merge, text, webhook_with};
use crate::support::smtp_receiver::SmtpReceiver;
use crate::support::wait::eventually;

/// Waits until the only notice of a lead was tried so often, and what came of it is recorded.
async fn tried(app: &TestApp, lead: &str, attempts: i32) {
    let id: LeadId = lead.parse().unwrap();
    let row = lead::Entity::for_worker([id])
        .one(app.app.db.read())
        .await
        .unwrap()
        .unwrap();
    let read = async || {
        let notice = erasure_notice::Entity::of_lead(row.account_id, id);
        notice.one(app.app.db.read()).await.unwrap().unwrap()
    };
    eventually(read, |notice| {
        notice.attempts == attempts && notice.lease_until.is_none()
    })
    .await;
}

fn time(text: &Value) -> DateTime<Utc> {
    text.as_str()
        .unwrap_or_else(|| panic!("no time: {text}"))
        .parse()
        .unwrap()
}

both!(
    /// A webhook of its own kind, signed, under one identifier on every try, until the partner has taken it.
    a_partner_is_told_by_a_signed_webhook_until_it_has_heard,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let flow = flow(&app, &owner).await;
        let settings = json!({ "payload": "FORM", "headers": [{ "name": "X-API-Key", "value": "k-123456789" }] });
        let (partner, secret) = app.partner(&owner, "P", webhook_with(&receiver.url("/"), settings), json!({})).await;
        let profile = app.profile(&owner, json!({})).await;
        app.assign(&owner, &profile, &partner, json!({})).await;
        app.step(&owner, &flow, "Out", json!({ "distribute": { "profileId": profile } }), Value::Null).await;
        let lead = text(&app.submit(&owner, &flow, person()).await["id"]);
        let delivery = text(&app.deliveries_at(&owner, &lead, &["DELIVERED"]).await[0]["id"]);
        let delivered_at = app.clock.now();
        app.advance(TimeDelta::minutes(3));
        receiver.answers([Answer::status(200), Answer::status(503), Answer::status(204)]);

        app.erase(&owner, &lead).await;
        receiver.wait_for(2).await;
        let told = app.told_at(&owner, &lead, &["QUEUED"]).await;
        let waiting = &told["erasureNotices"][0];
        assert_eq!((&waiting["attempts"], &waiting["toldAt"]), (&json!(1), &Value::Null));
        assert_eq!(time(&waiting["receivedAt"]), delivered_at, "when it got the lead");
        tried(&app, &lead, 1).await;
        app.advance(TimeDelta::minutes(1));
        let told = app.told_at(&owner, &lead, &["SENT"]).await;
        let notice = &told["erasureNotices"][0];
        assert_eq!((time(&notice["receivedAt"]), time(&notice["toldAt"])), (delivered_at, app.clock.now()));
        assert_eq!(notice["deliveryId"], delivery);
        assert_eq!((&notice["received"], &notice["channel"], &notice["partnerId"], &notice["error"]), (&json!("DELIVERED"), &json!("WEBHOOK"), &json!(partner), &Value::Null));
        let requests = receiver.wait_for(3).await;
        for request in &requests[1..] {
            assert_eq!(request.json()["type"], "lead.erased");
            assert_eq!((&request.json()["data"]["leadId"], &request.json()["data"]["deliveryId"]), (&json!(lead), &json!(delivery)));
            assert_eq!(request.header("content-type"), Some("application/json"));
            assert_eq!(request.header("x-api-key"), Some("k-123456789"));
            assert_eq!(request.header("webhook-id"), notice["id"].as_str());
            let at = request.header("webhook-timestamp").unwrap().parse().unwrap();
            let key = Secret::parse(secret.as_deref().unwrap()).unwrap();
            let signature = signing::signature(&[key], notice["id"].as_str().unwrap(), at, &request.body);
            assert_eq!(request.header("webhook-signature"), Some(signature.as_str()));
        }
        app.advance(TimeDelta::days(3));
        let owner = app.signed_in(&owner).await;
        let again = app.erase(&owner, &lead).await;
        assert_eq!(again["erasedAt"], told["erasedAt"], "erased once");
        assert_eq!(app.audited(&owner, &lead).await, ["lead.erased"]);
        assert_eq!(app.told_at(&owner, &lead, &["SENT"]).await["erasureNotices"].as_array().unwrap().len(), 1);
    }
);

both!(
    /// By mail to whom the lead was mailed. What was given up is tried again when the lead is erased again.
    a_partner_is_told_by_mail_and_once_more_on_demand,
    |app| {
        let server = SmtpReceiver::start().await;
        let owner = app.account("Acme").await;
        let mail_server = json!({ "host": server.host(), "port": server.port(), "security": "NONE", "fromAddress": "leads@acme.test" });
        app.done(&owner.token, crate::erasure::SET_SMTP, mail_server.clone()).await;
        let flow = flow(&app, &owner).await;
        let mail = json!({ "email": { "recipients": ["a@buyer.test", "b@buyer.test"], "subject": "New" } });
        crate::erasure::routed(&app, &owner, &flow, vec![mail]).await;
        let lead = text(&app.submit(&owner, &flow, person()).await["id"]);
        app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        let delivered_at = app.clock.now();
        let mut gone = mail_server.clone();
        merge(&mut gone, json!({ "port": 9 }));
        app.done(&owner.token, crate::erasure::SET_SMTP, gone).await;

        app.erase(&owner, &lead).await;
        for attempt in 1..=8 {
            tried(&app, &lead, attempt).await;
            app.advance(TimeDelta::days(1));
        }
        let owner = app.signed_in(&owner).await;
        app.told_at(&owner, &lead, &["FAILED"]).await;
        app.done(&owner.token, crate::erasure::SET_SMTP, mail_server).await;
        app.erase(&owner, &lead).await;
        let told = app.told_at(&owner, &lead, &["SENT"]).await;
        let notice = &told["erasureNotices"][0];
        assert_eq!((time(&notice["receivedAt"]), time(&notice["toldAt"])), (delivered_at, app.clock.now()));
        let mails = server.wait_for(2).await;
        let last = &mails[1];
        assert_eq!((last.recipients.as_slice(), mails.len()), (mails[0].recipients.as_slice(), 2), "whoever had it is told");
        assert_eq!(last.recipients, ["a@buyer.test", "b@buyer.test"]);
        assert_eq!(last.subject(), format!("Please erase the lead {lead}"));
        assert!(last.text().unwrap().contains("Please erase it, too"));
    }
);
