//! Mails that a server took and that came back.

use futures::future::join_all;
use serde_json::{Value, json};

use super::RESOLVE;
use super::settling::{two_in_turn, used};
use crate::support::app::{TestApp, both};
use crate::support::make::{Account, accepted, ana, merge, text};
use crate::support::smtp_receiver::{Reply, SmtpReceiver, Step};

const RETRY: &str =
    "mutation($id: ID!) { retryDelivery(id: $id) { delivery { status } userErrors { code message path } } }";
const SUMS: &str = "query($id: ID!, $range: TimeRangeInput!) { partner(id: $id) { stats(range: $range) {
    delivered failed revenue { amount currency } } } }";
const TOLD: &str = "query($id: ID!) { delivery(id: $id) { attempts { ok recipients { address ok smtpCode } } } }";

fn mail(recipients: &[&str]) -> Value {
    json!({ "email": { "recipients": recipients, "subject": "New lead {{ lead.first_name }}" } })
}

async fn sums(app: &TestApp, owner: &Account, partner: &str) -> Value {
    let range = json!({ "from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z" });
    let data = app
        .data(&owner.token, SUMS, json!({ "id": partner, "range": range }))
        .await;
    data["partner"]["stats"].clone()
}

fn bounced(id: &str) -> Value {
    json!({ "id": id, "delivered": false, "note": "mailbox is full" })
}

both!(
    /// It is no longer sold: its place and its price are given back and the next partner gets the lead, once however often it is said.
    a_mail_that_bounced_is_settled_and_the_lead_goes_on,
    |app| {
        let server = SmtpReceiver::start().await;
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &server).await;
        let (flow, first, second) = two_in_turn(&app, &owner, mail(&["a@buyer.test"])).await;
        app.price_everything(&owner, "10").await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let id = text(&app.deliveries_at(&owner, &lead, &["DELIVERED"]).await[0]["id"]);
        assert_eq!(used(&app, &owner, &first).await, 1);
        let price = |amount: &str| json!([{ "amount": amount, "currency": "EUR" }]);
        assert_eq!(sums(&app, &owner, &first).await, json!({ "delivered": 1, "failed": 0, "revenue": price("10") }));

        let calls = join_all((0..8).map(|_| app.done(&owner.token, RESOLVE, bounced(&id)))).await;
        for payload in calls {
            let settled = &payload["delivery"];
            let why = "settled by Acme Owner: the recipient does not have the lead: mailbox is full";
            assert_eq!(settled["status"], "FAILED");
            assert_eq!(settled["failure"], json!({ "code": "SMTP_REJECTED", "message": why }));
            assert_eq!((&settled["externalId"], &settled["nextAttemptAt"]), (&Value::Null, &Value::Null));
        }
        assert_eq!(used(&app, &owner, &first).await, 0);
        assert_eq!(sums(&app, &owner, &first).await, json!({ "delivered": 0, "failed": 1, "revenue": [] }));
        assert_eq!(sums(&app, &owner, &second).await, json!({ "delivered": 1, "failed": 0, "revenue": price("10") }));
        let deliveries = app.deliveries_at(&owner, &lead, &["FAILED", "DELIVERED"]).await;
        let to: Vec<_> = deliveries.iter().map(|delivery| text(&delivery["partner"]["id"])).collect();
        assert_eq!(to, [first.clone(), second.clone()], "it went on once");
        assert_eq!(app.audited(&owner, &id).await, ["delivery.resolved"]);
        assert_eq!(app.retry_many(&owner, json!({})).await, 0, "the next partner has it");

        let turned_up = json!({ "id": id, "delivered": true, "externalId": "crm-7" });
        let found = app.done(&owner.token, RESOLVE, turned_up).await;
        assert_eq!((&found["delivery"]["externalId"], used(&app, &owner, &first).await), (&json!("crm-7"), 1));
        let lost = app.done(&owner.token, RESOLVE, bounced(&id)).await;
        assert_eq!((&lost["delivery"]["externalId"], used(&app, &owner, &first).await), (&Value::Null, 0));
        assert_eq!(app.deliveries(&owner, &lead).await.len(), 2, "there is nobody else to go on to");
        let portal = text(&deliveries[1]["id"]);
        assert_eq!(app.refused(&owner.token, RESOLVE, bounced(&portal)).await[0].0, "CONFLICT");
        assert_eq!(server.count(), 1);
    }
);

both!(
    /// Whoever was said to have it has it not: all recipients get it when it is sent again, and none is said to have it meanwhile.
    a_mail_that_bounced_is_sent_again_to_all,
    |app| {
        let server = SmtpReceiver::start().await;
        server.respond(|mail, step| {
            (mail == 1 && step == Step::Rcpt("b@buyer.test")).then_some(Reply::Say("550 no such user"))
        });
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &server).await;
        let (flow, ..) = app.flow_to(&owner, mail(&["a@buyer.test", "b@buyer.test"])).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let id = text(&app.deliveries_at(&owner, &lead, &["DELIVERED"]).await[0]["id"]);
        app.done(&owner.token, RESOLVE, bounced(&id)).await;
        let told = app.data(&owner.token, TOLD, json!({ "id": id })).await;
        let mut neither = json!([
            { "address": "a@buyer.test", "ok": false, "smtpCode": 250 },
            { "address": "b@buyer.test", "ok": false, "smtpCode": 550 },
        ]);
        assert_eq!(told["delivery"]["attempts"], json!([{ "ok": true, "recipients": neither }]));

        accepted(&app.ask(Some(&owner.token), RETRY, json!({ "id": id })).await, "retryDelivery");
        let delivered = app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        assert_eq!((delivered.len(), &delivered[0]["failure"]), (1, &Value::Null));
        let mails = server.wait_for(2).await;
        assert_eq!(mails[1].recipients, ["a@buyer.test", "b@buyer.test"]);
        for place in 0..2 {
            merge(&mut neither[place], json!({ "ok": true, "smtpCode": 250 }));
        }
        let told = app.data(&owner.token, TOLD, json!({ "id": id })).await;
        assert_eq!(told["delivery"]["attempts"][1], json!({ "ok": true, "recipients": neither }));
    }
);

impl TestApp {
    /// Gives the only profile of an account a price in euros.
    async fn price_everything(&self, owner: &Account, amount: &str) {
        const PRICE: &str = "mutation($input: UpdateProfileInput!) { updateDistributionProfile(input: $input) { profile { id } userErrors { code message path } } }";
        let profiles = self
            .data(&owner.token, "{ distributionProfiles { nodes { id } } }", json!({}))
            .await;
        let price = json!({ "amount": amount, "currency": "EUR" });
        let input = json!({ "id": profiles["distributionProfiles"]["nodes"][0]["id"], "basePrice": price });
        self.done(&owner.token, PRICE, input).await;
    }
}
