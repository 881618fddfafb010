//! What retries by hand count on caps, and by which settings they go.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use entity::delivery::{DeliveryStatus, ReviewStatus};
use entity::{cap_usage, delivery};
use futures::future::join_all;
use leadmesh_core::database::Db;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use super::buyer_steps::SET_FLOW;
use crate::hand::RESOLVE;
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, Flow, accepted, ana, broken, text, webhook_with};
use crate::support::wait::eventually;

const RETRY: &str = "mutation($id: ID!, $settings: RetrySettings) { retryDelivery(id: $id, settings: $settings) {
    delivery { id status channel buyer { name } } userErrors { code message path } } }";
const RETRY_MANY: &str = "mutation($filter: DeliveryFilter!, $settings: RetrySettings) { retryDeliveries(filter: $filter, settings: $settings) {
    requeued leftOut { code message count } userErrors { code message path } } }";
const CANCEL: &str =
    "mutation($id: ID!) { cancelDelivery(id: $id) { delivery { id } userErrors { code message path } } }";
const SET_DELIVERY: &str = "mutation($input: SetPartnerDeliveryInput!) { setPartnerDelivery(input: $input) { partner { id } userErrors { code message path } } }";
const ANY: &str = "query { deliveries(first: 100, filter: { includeTests: true }) { nodes { id status } } }";

impl TestApp {
    async fn retry_by(&self, owner: &Account, filter: Value, settings: &str) -> Value {
        let variables = json!({ "filter": filter, "settings": settings });
        accepted(
            &self.ask(Some(&owner.token), RETRY_MANY, variables).await,
            "retryDeliveries",
        )
    }

    async fn switch(&self, owner: &Account, flow: &Flow, on: bool) {
        let answer = self
            .ask(Some(&owner.token), SET_FLOW, json!({ "id": flow.id, "on": on }))
            .await;
        accepted(&answer, "setFlowEnabled");
    }

    /// Deliver a partner's next leads so.
    async fn deliver_by(&self, owner: &Account, partner: &str, delivery: Value) {
        let input = json!({ "partnerId": partner, "delivery": delivery });
        self.done(&owner.token, SET_DELIVERY, input).await;
    }

    /// Waits until no delivery is about to be attempted.
    async fn at_rest(&self, owner: &Account) -> Vec<Value> {
        let now = self.clock.now();
        let busy = |row: &delivery::Model| {
            let due = row.due_at.is_some_and(|due| due <= now) && !row.status.is_settled();
            due || row.status == DeliveryStatus::Sending
        };
        eventually(async || deliveries(&self.app.db).await, |rows| !rows.iter().any(busy)).await;
        let mut data = self.data(&owner.token, ANY, json!({})).await;
        data["deliveries"]["nodes"].as_array_mut().unwrap().drain(..).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
async fn deliveries(db: &Db) -> Vec<delivery::Model> {
    delivery::Entity::find().all(db.read()).await.unwrap()
}

/// The counters say what deliveries hold, and none is above the limit.
#[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
async fn assert_exact(db: &Db, limit: i32, what: &str) {
    let mut held: BTreeMap<_, i32> = BTreeMap::new();
    for row in deliveries(db).await {
        let holds = match row.status {
            DeliveryStatus::Failed | DeliveryStatus::Refused | DeliveryStatus::Cancelled => false,
            DeliveryStatus::Delivered => row.review != Some(ReviewStatus::Rejected),
            _ => true,
        };
        for place in row.reservations.0.iter().filter(|_| holds) {
            *held.entry((place.cap, place.window)).or_default() += 1;
        }
    }
    let counters = cap_usage::Entity::find().all(db.read()).await.unwrap();
    let counters: BTreeMap<_, i32> = counters
        .into_iter()
        .filter(|row| row.used != 0)
        .map(|row| ((row.cap_id, row.window_start), row.used))
        .collect();
    assert_eq!(counters, held, "{what}");
    assert!(held.values().all(|held| *held <= limit), "{what}: {held:?}");
}

fn capped(limit: i32) -> Value {
    json!({ "caps": [{ "period": "DAY", "limit": limit }] })
}

/// A seller whose buyer step is capped, and three leads that came while the buyer's flow was off.
async fn three_born_failed(app: &TestApp) -> (Account, Account, [Flow; 2]) {
    let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
    let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
    let target = app.flow(&buyer, json!({})).await;
    app.receive_in(&buyer, &connection, &target).await;
    let flow = app.flow(&seller, json!({})).await;
    app.buyer_step(&seller, &flow, &connection, capped(2)).await;
    app.switch(&buyer, &target, false).await;
    for _ in 0..3 {
        app.submit(&seller, &flow, ana()).await;
    }
    app.switch(&buyer, &target, true).await;
    (seller, buyer, [flow, target])
}

both!(
    /// Deliveries that were born failed hold nothing: a retry takes a place on the cap or is left out.
    what_was_born_failed_counts_when_it_is_retried,
    |app| {
        let (seller, buyer, [flow, target]) = three_born_failed(&app).await;
        assert_eq!(app.counted(&seller, &flow).await.1, 0);

        let payload = app.retry_by(&seller, json!({}), "FROZEN").await;

        assert_eq!((&payload["requeued"], &payload["leftOut"][0]["code"]), (&json!(2), &json!("CAP_REACHED")), "{payload:#}");
        assert_eq!(payload["leftOut"][0]["count"], 1);
        app.at_rest(&seller).await;
        assert_eq!((app.leads_of(&buyer, Some(&target)).await.len(), app.counted(&seller, &flow).await.1), (2, json!(2)));
        assert_eq!(app.retry_by(&seller, json!({}), "FROZEN").await["requeued"], 0);
        let left = app.listed(&seller, json!({ "status": ["FAILED"] })).await;
        let refused = app.ask(Some(&seller.token), RETRY, json!({ "id": left[0]["id"] })).await;
        assert_eq!(broken(&refused), [("CAP_REACHED".to_owned(), "id".to_owned())]);
        assert_eq!(app.submit(&seller, &flow, ana()).await["warnings"][0]["code"], "NO_MATCHING_PARTNER");
        assert_exact(&app.app.db, 2, "at the end").await;

        // The next window has room, and it is there that the retry counts.
        app.advance(TimeDelta::days(1));
        let seller = app.signed_in(&seller).await;
        assert_eq!(app.retry_by(&seller, json!({}), "FROZEN").await["requeued"], 1);
        app.at_rest(&seller).await;
        assert_eq!(app.counted(&seller, &flow).await.1, 1);
        assert_exact(&app.app.db, 2, "on the next day").await;
    }
);

both!(
    /// Eight at once for each of three deliveries, and many at once: two places, two leads.
    concurrent_retries_take_no_more_places_than_there_are,
    |app| {
        let (seller, buyer, [flow, target]) = three_born_failed(&app).await;
        let failed = app.listed(&seller, json!({ "status": ["FAILED"] })).await;
        let one = |place: usize| app.ask(Some(&seller.token), RETRY, json!({ "id": failed[place % 3]["id"] }));
        let many = || app.ask(Some(&seller.token), RETRY_MANY, json!({ "filter": {} }));

        let (ones, all) = futures::join!(join_all((0..8).map(one)), join_all((0..8).map(|_| many())));

        let requeued: i64 = all.iter().map(|answer| answer["data"]["retryDeliveries"]["requeued"].as_i64().unwrap()).sum();
        let alone = ones.iter().filter(|answer| !answer["data"]["retryDelivery"]["delivery"].is_null()).count();
        assert!(i64::try_from(alone).unwrap() + requeued >= 2, "{ones:#?} {all:#?}");
        app.at_rest(&seller).await;
        assert_eq!((app.leads_of(&buyer, Some(&target)).await.len(), app.counted(&seller, &flow).await.1), (2, json!(2)));
        assert_exact(&app.app.db, 2, "after the race").await;
    }
);

both!(
    /// A recipient whose cap is used up holds up none of the others.
    a_full_cap_leaves_room_for_other_recipients,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(422));
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({})).await;
        let profile = app.profile(&owner, json!({})).await;
        let once = webhook_with(&receiver.url("/"), json!({ "retry": { "attempts": 1 } }));
        let (narrow, _) = app.partner(&owner, "Narrow", once.clone(), capped(1)).await;
        let (wide, _) = app.partner(&owner, "Wide", once, json!({})).await;
        app.assign(&owner, &profile, &narrow, json!({})).await;
        app.assign(&owner, &profile, &wide, json!({})).await;
        app.step(&owner, &flow, "Out", json!({ "distribute": { "profileId": profile } }), Value::Null).await;
        for _ in 0..4 {
            app.submit(&owner, &flow, ana()).await;
            app.at_rest(&owner).await;
        }
        receiver.answer(Answer::status(200));
        let payload = app.retry_by(&owner, json!({}), "FROZEN").await;
        assert_eq!((&payload["requeued"], &payload["leftOut"][0]["count"]), (&json!(5), &json!(3)), "{payload:#}");
        app.at_rest(&owner).await;
        assert_eq!(app.listed(&owner, json!({ "status": ["DELIVERED"] })).await.len(), 5);
        assert_exact(&app.app.db, 1, "at the end").await;
    }
);

both!(
    /// Whatever is done to deliveries in whatever order, counters say what deliveries hold, and no cap is overrun but by what somebody
    /// says has arrived.
    counters_are_exact_whatever_is_done,
    |app| {
        let receiver = HttpReceiver::start().await;
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        let target = app.flow(&buyer, json!({})).await;
        app.receive_in(&buyer, &connection, &target).await;
        let flow = app.flow(&seller, json!({})).await;
        app.buyer_step(&seller, &flow, &connection, capped(3)).await;
        let profile = app.profile(&seller, json!({ "strategy": "FIRST_MATCH", "onFailure": "NEXT_PARTNER" })).await;
        let hook = webhook_with(&receiver.url("/"), json!({ "retry": { "attempts": 2 } }));
        let (first, _) = app.partner(&seller, "P", hook, capped(3)).await;
        let (second, _) = app.partner(&seller, "Q", json!({ "portal": {} }), capped(3)).await;
        app.assign(&seller, &profile, &first, json!({ "rank": 1, "caps": [{ "period": "HOUR", "limit": 2 }] })).await;
        app.assign(&seller, &profile, &second, json!({ "rank": 2 })).await;
        app.step(&seller, &flow, "Out", json!({ "distribute": { "profileId": profile } }), Value::Null).await;
        let (mut seller, mut buyer) = (seller, buyer);
        for seed in [3_u64, 11] {
            let mut dice = StdRng::seed_from_u64(seed);
            let mut done = Vec::new();
            for _ in 0..30 {
                let all = app.at_rest(&seller).await;
                let some = (!all.is_empty()).then(|| text(&all[dice.random_range(0..all.len())]["id"]));
                let act = dice.random_range(0..12);
                done.push(act);
                let id = some.map(|id| json!({ "id": id }));
                match (act, id) {
                    (0..=2, _) | (_, None) => drop(app.submit(&seller, &flow, ana()).await),
                    (3, _) => app.switch(&buyer, &target, false).await,
                    (4, _) => app.switch(&buyer, &target, true).await,
                    (5, _) => {
                        receiver.answer(Answer::status([200, 422, 503][dice.random_range(0..3)]));
                    }
                    (6, _) => {
                        let filter = json!({ "filter": { "status": ["FAILED", "RETRYING", "REFUSED", "CANCELLED"] } });
                        accepted(&app.ask(Some(&seller.token), RETRY_MANY, filter).await, "retryDeliveries");
                    }
                    (7..=8, Some(id)) => drop(app.ask(Some(&seller.token), RETRY, id).await),
                    (9, Some(id)) => drop(app.ask(Some(&seller.token), CANCEL, id).await),
                    (10, Some(id)) => {
                        let input = json!({ "input": { "id": id["id"], "delivered": false } });
                        drop(app.ask(Some(&seller.token), RESOLVE, input).await);
                    }
                    _ => {
                        app.advance(TimeDelta::minutes(40));
                        (seller, buyer) = (app.signed_in(&seller).await, app.signed_in(&buyer).await);
                    }
                }
                app.at_rest(&seller).await;
                assert_exact(&app.app.db, 3, &format!("seed {seed} after {done:?}")).await;
            }
        }
    }
);

both!(
    /// A wrong address is mended: deliveries that failed go there when somebody asks for the present settings, one or many, and
    /// nothing changes for those who do not ask.
    a_retry_can_use_repaired_settings,
    |app| {
        let (wrong, right) = (HttpReceiver::start().await, HttpReceiver::start().await);
        wrong.answer(Answer::status(404));
        let owner = app.account("Acme").await;
        let once = |receiver: &HttpReceiver| webhook_with(&receiver.url("/"), json!({ "retry": { "attempts": 1 } }));
        let (flow, partner, _) = app.flow_to(&owner, once(&wrong)).await;
        for _ in 0..3 {
            app.submit(&owner, &flow, ana()).await;
        }
        app.at_rest(&owner).await;
        app.deliver_by(&owner, &partner, once(&right)).await;
        let failed = app.listed(&owner, json!({ "status": ["FAILED"] })).await;
        let id = text(&failed[0]["id"]);
        let diagnosis = app.data(&owner.token, crate::hand::DIAGNOSE, json!({ "id": id })).await.to_string();
        assert!(diagnosis.contains("settings: CURRENT"), "{diagnosis}");

        accepted(&app.ask(Some(&owner.token), RETRY, json!({ "id": id })).await, "retryDelivery");
        app.at_rest(&owner).await;
        assert_eq!((wrong.count(), right.count()), (4, 0), "frozen settings are the default");
        accepted(&app.ask(Some(&owner.token), RETRY, json!({ "id": id, "settings": "CURRENT" })).await, "retryDelivery");
        app.at_rest(&owner).await;
        assert_eq!((wrong.count(), right.count()), (4, 1));
        assert_eq!(app.retry_by(&owner, json!({ "partnerId": partner }), "CURRENT").await["requeued"], 2);
        app.at_rest(&owner).await;
        assert_eq!((wrong.count(), right.count()), (4, 3));
        let rows = deliveries(&app.app.db).await;
        assert!(rows.iter().all(|row| row.status == DeliveryStatus::Delivered && row.settings_id == rows[0].settings_id));
        let trail = "query($id: ID!) { auditEvents(subjectId: $id) { nodes { action changes } } }";
        let trail = app.data(&owner.token, trail, json!({ "id": id })).await;
        let changes = &trail["auditEvents"]["nodes"][0]["changes"];
        assert_eq!(changes["settings"], "CURRENT", "{trail:#}");
    }
);

both!(
    /// The present settings may be of another channel: into the portal it is delivered at once, into an account it enters the flow,
    /// and where there is no connection nothing changes.
    a_retry_with_present_settings_follows_the_channel,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(422));
        let (owner, buyer) = (app.account("Acme").await, app.account("Buyer").await);
        let connection = app.connect(&owner, &buyer, "SEND_LEADS").await;
        let once = webhook_with(&receiver.url("/"), json!({ "retry": { "attempts": 1 } }));
        let (flow, partner, _) = app.flow_to(&owner, once.clone()).await;
        for _ in 0..4 {
            app.submit(&owner, &flow, ana()).await;
        }
        app.at_rest(&owner).await;
        let failed = app.listed(&owner, json!({ "status": ["FAILED"] })).await;
        let retry = |place: usize| app.ask(Some(&owner.token), RETRY, json!({ "id": failed[place]["id"], "settings": "CURRENT" }));

        app.deliver_by(&owner, &partner, json!({ "portal": {} })).await;
        let into_portal = accepted(&retry(0).await, "retryDelivery");
        assert_eq!((&into_portal["delivery"]["status"], &into_portal["delivery"]["channel"]), (&json!("DELIVERED"), &json!("PORTAL")));
        let row = deliveries(&app.app.db).await;
        assert_eq!(row.iter().filter(|row| row.review == Some(ReviewStatus::PendingReview)).count(), 1);

        let email = json!({ "email": { "recipients": ["leads@partner.test"], "subject": "Lead" } });
        app.deliver_by(&owner, &partner, email).await;
        accepted(&retry(1).await, "retryDelivery");
        app.at_rest(&owner).await;
        let by_mail = app.listed(&owner, json!({ "status": ["FAILED"], "channel": ["EMAIL"] })).await;
        assert_eq!(by_mail[0]["failure"]["code"], "SMTP_NOT_CONFIGURED");

        app.deliver_by(&owner, &partner, json!({ "account": { "connectionId": connection } })).await;
        let into_account = accepted(&retry(2).await, "retryDelivery");
        assert_eq!(into_account["delivery"]["buyer"]["name"], "Buyer");
        app.at_rest(&owner).await;
        assert_eq!(app.leads_of(&buyer, None).await.len(), 1);
        app.change(&buyer, "terminate", &connection).await;
        assert_eq!(broken(&retry(3).await), [("NOT_CONNECTED".to_owned(), "id".to_owned())]);
        let many = app.retry_by(&owner, json!({ "partnerId": partner }), "CURRENT").await;
        assert_eq!((&many["requeued"], &many["leftOut"][0]["code"]), (&json!(0), &json!("NOT_CONNECTED")), "{many:#}");
    }
);

both!(
    /// What a buyer step shares now is shared by a retry that asks for it.
    a_retry_of_a_buyer_step_can_use_what_it_shares_now,
    |app| {
        let (seller, buyer, [flow, target]) = three_born_failed(&app).await;
        let state = app.step_state(&seller, &flow).await;
        let update = "mutation($input: UpdateStepInput!) { updateStep(input: $input) { flow { id } userErrors { code message path } } }";
        let shared = json!({ "mode": "ONLY", "fields": ["email"] });
        let input = json!({ "id": state["id"], "step": { "buyer": { "sharedFields": shared, "caps": [] } } });
        app.done(&seller.token, update, input).await;
        let failed = app.listed(&seller, json!({ "status": ["FAILED"] })).await;
        for (place, settings) in ["FROZEN", "CURRENT"].into_iter().enumerate() {
            let variables = json!({ "id": failed[place]["id"], "settings": settings });
            accepted(&app.ask(Some(&seller.token), RETRY, variables).await, "retryDelivery");
            app.at_rest(&seller).await;
        }
        let got = app.leads_of(&buyer, Some(&target)).await;
        assert_eq!(got.iter().filter(|lead| lead["fields"] == json!({ "email": "ana@example.com" })).count(), 1, "{got:#?}");
        assert_eq!(got.len(), 2);
    }
);

both!(
    /// A buyer that was not ready is one of two that get every lead. The other one has it, which is another sale: when the buyer is
    /// ready, trying again what failed reaches it.
    what_failed_beside_another_recipient_is_tried_again,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        let target = app.flow(&buyer, json!({})).await;
        app.receive_in(&buyer, &connection, &target).await;
        let flow = app.flow(&seller, json!({})).await;
        let profile = app.profile(&seller, json!({ "strategy": "SEND_TO_ALL" })).await;
        for (rank, delivery) in [json!({ "account": { "connectionId": connection } }), json!({ "portal": {} })].into_iter().enumerate() {
            let (partner, _) = app.partner(&seller, &format!("P{rank}"), delivery, json!({})).await;
            app.assign(&seller, &profile, &partner, json!({ "rank": rank + 1 })).await;
        }
        app.step(&seller, &flow, "Out", json!({ "distribute": { "profileId": profile } }), Value::Null).await;
        app.ask(Some(&buyer.token), SET_FLOW, json!({ "id": target.id, "on": false })).await;
        app.submit(&seller, &flow, ana()).await;
        app.at_rest(&seller).await;
        app.ask(Some(&buyer.token), SET_FLOW, json!({ "id": target.id, "on": true })).await;
        assert_eq!(app.retry_by(&seller, json!({}), "FROZEN").await["requeued"], 1);
        app.at_rest(&seller).await;
        assert_eq!(app.leads_of(&buyer, Some(&target)).await.len(), 1);
    }
);

both!(
    /// Two partners of one lead come to lead into the same account. It gets the lead by one delivery; that of the other is refused
    /// in words, however the first has ended, and holds up nothing of the same partner.
    an_account_gets_a_lead_once_whichever_partner_leads_to_it,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(422));
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        let target = app.flow(&buyer, json!({})).await;
        app.receive_in(&buyer, &connection, &target).await;
        let flow = app.flow(&seller, json!({})).await;
        let profile = app.profile(&seller, json!({ "strategy": "SEND_TO_ALL" })).await;
        let into = json!({ "account": { "connectionId": connection } });
        let once = webhook_with(&receiver.url("/"), json!({ "retry": { "attempts": 1 } }));
        let (a, _) = app.partner(&seller, "A", once, json!({})).await;
        let (b, _) = app.partner(&seller, "B", into.clone(), json!({})).await;
        app.assign(&seller, &profile, &a, json!({ "rank": 1 })).await;
        let place = app.assign(&seller, &profile, &b, json!({ "rank": 2 })).await;
        app.step(&seller, &flow, "Out", json!({ "distribute": { "profileId": profile } }), Value::Null).await;
        app.ask(Some(&buyer.token), SET_FLOW, json!({ "id": target.id, "on": false })).await;
        app.submit(&seller, &flow, ana()).await;
        app.at_rest(&seller).await;
        // Another lead went to the first partner alone.
        let off = "mutation($input: UpdateAssignmentInput!) { updateAssignment(input: $input) { assignment { id } userErrors { code message path } } }";
        app.done(&seller.token, off, json!({ "id": place, "enabled": false })).await;
        app.submit(&seller, &flow, json!({ "first_name": "Eva", "email": "eva@example.com" })).await;
        app.at_rest(&seller).await;
        app.ask(Some(&buyer.token), SET_FLOW, json!({ "id": target.id, "on": true })).await;
        app.deliver_by(&seller, &a, into).await;
        let many = app.retry_by(&seller, json!({ "partnerId": a }), "CURRENT").await;
        assert_eq!((&many["requeued"], &many["leftOut"][0]["code"], &many["leftOut"][0]["count"]), (&json!(1), &json!("CONFLICT"), &json!(1)), "{many:#}");
        assert_eq!(app.retry_by(&seller, json!({}), "CURRENT").await["requeued"], 1, "the second partner's");
        app.at_rest(&seller).await;
        assert_eq!(app.leads_of(&buyer, Some(&target)).await.len(), 2);
        let left = app.listed(&seller, json!({ "status": ["FAILED"] })).await;
        assert_eq!(left.len(), 1);
        let one = app.ask(Some(&seller.token), RETRY, json!({ "id": left[0]["id"], "settings": "CURRENT" })).await;
        assert_eq!(broken(&one), [("CONFLICT".to_owned(), "id".to_owned())]);
    }
);
