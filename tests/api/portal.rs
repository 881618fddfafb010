//! The partner portal and what is live, for partners and accounts.

mod csv;
mod cursor;
mod delivery;
mod doors;
mod erased;
mod events;
mod hidden_fields;
mod reviews;
mod rights;
mod scopes;
mod streams;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::app::{TestApp, both};
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{Account, Flow, ana, text, webhook};
use crate::support::stream::Stream;

/// A test of an app that can mail links, in both modes.
macro_rules! with_mail {
    ($(#[$doc:meta])* $name:ident, |$app:ident| $body:block) => {
        $crate::support::app::both!(
            $(#[$doc])*
            $name,
            ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
            |$app| $body
        );
    };
}
use with_mail;

/// An account that sends its leads into a portal, and somebody in it.
struct Sold {
    owner: Account,
    flow: Flow,
    partner: String,
    pat: String,
}

impl Sold {
    async fn new(app: &TestApp) -> Self {
        let owner = app.account("Acme").await;
        let (flow, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        Self {
            owner,
            flow,
            partner,
            pat,
        }
    }

    /// A lead and the delivery by which it came into the portal.
    async fn lead(&self, app: &TestApp) -> (String, String) {
        let lead = text(&app.submit(&self.owner, &self.flow, ana()).await["id"]);
        let delivery = text(&app.deliveries(&self.owner, &lead).await[0]["id"]);
        (lead, delivery)
    }
}

const FOLLOW: &str = "subscription($after: String) { portalLeads(after: $after) {
    cursor kind lead { id title fields status test review { status } } } }";
const ARRIVALS: &str = "subscription($flow: ID, $after: String) { leads(flowId: $flow, after: $after) { cursor lead { id outcome deliveries { id status } } } }";
const FEED: &str = "{ portal { leads { nodes { id title fields status test } } } }";
const SET_DELIVERY: &str = "mutation($input: SetPartnerDeliveryInput!) { setPartnerDelivery(input: $input) {
    partner { id } userErrors { code message path } } }";

/// Well below the 15 s after which a stream looks by itself, without having been told.
const AT_ONCE: Duration = Duration::from_secs(5);

/// The titles and the last cursor of the next events of a portal.
async fn titles(stream: &mut Stream, count: usize) -> (Vec<String>, Value) {
    let (mut titles, mut cursor) = (Vec::new(), Value::Null);
    for _ in 0..count {
        let event = stream.event().await["portalLeads"].take();
        titles.push(text(&event["lead"]["title"]));
        cursor = event["cursor"].clone();
    }
    (titles, cursor)
}

both!(
    /// P1: no push; the lead is in the feed and on the open subscription at once, waiting for its review.
    a_portal_delivery_is_in_the_feed_and_on_the_open_subscription_at_once,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let (flow, partner, _) = app.flow_to(&owner, webhook(&receiver.url("/"))).await;
        let shared = json!({ "portal": { "fields": { "mode": "ONLY", "fields": ["first_name", "email"] } } });
        app.done(&owner.token, SET_DELIVERY, json!({ "partnerId": partner, "delivery": shared })).await;
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        let mut feed = app.subscribe(&pat, FOLLOW, json!({ "after": "0" })).await;
        app.submit(&owner, &flow, json!({ "first_name": "First" })).await;
        assert_eq!(titles(&mut feed, 1).await.0, ["First"]);

        let begin = Instant::now();
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        let event = feed.event().await["portalLeads"].take();
        assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());

        let delivery = app.deliveries(&owner, &lead).await[0].take();
        let told = (&delivery["status"], &delivery["channel"], &delivery["review"], &delivery["attempts"]);
        assert_eq!(told, (&json!("DELIVERED"), &json!("PORTAL"), &json!({ "status": "PENDING_REVIEW" }), &json!([])));
        let fields = json!({ "first_name": "Ana", "email": "ana@example.com" });
        assert_eq!(event["kind"], "DELIVERED");
        let expected = json!({ "id": delivery["id"], "title": "Ana", "fields": fields, "status": "PENDING_REVIEW", "test": false, "review": null });
        assert_eq!(event["lead"], expected);
        let listed = app.data(&pat, FEED, json!({})).await["portal"]["leads"]["nodes"][0].take();
        let expected = json!({ "id": delivery["id"], "title": "Ana", "fields": fields, "status": "PENDING_REVIEW", "test": false });
        assert_eq!(listed, expected);
        assert_eq!(receiver.connections(), 0, "the portal calls nobody");
    }
);

both!(
    /// P1: a subscription that was cut goes on after its last cursor, with what came meanwhile and then what comes.
    a_portal_subscription_is_resumed_where_it_was_cut,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let owner = app.account("Acme").await;
        let (flow, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        let mut feed = app.subscribe(&pat, FOLLOW, json!({ "after": "0" })).await;
        app.submit(&owner, &flow, json!({ "first_name": "One" })).await;
        let (seen, cursor) = titles(&mut feed, 1).await;
        assert_eq!(seen, ["One"]);
        feed.cut();
        for name in ["Two", "Three"] {
            app.submit(&owner, &flow, json!({ "first_name": name })).await;
        }

        let mut feed = app.subscribe(&pat, FOLLOW, json!({ "after": cursor })).await;

        assert_eq!(titles(&mut feed, 2).await.0, ["Two", "Three"]);
        app.submit(&owner, &flow, json!({ "first_name": "Four" })).await;
        assert_eq!(titles(&mut feed, 1).await.0, ["Four"]);
    }
);

both!(
    /// P1: the account sees each lead arrive in its flow, live and after a break.
    the_account_sees_its_leads_arrive_and_can_resume,
    |app| {
        let owner = app.account("Acme").await;
        let (flow, ..) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let other = app.flow(&owner, json!({ "name": "Other" })).await;
        let follow = |after: Value| json!({ "flow": flow.id, "after": after });
        let mut arrivals = app.subscribe(&owner.token, ARRIVALS, follow(json!("0"))).await;
        let first = app.submit(&owner, &flow, ana()).await;
        assert_eq!(arrivals.event().await["leads"]["lead"]["id"], first["id"]);

        app.submit(&owner, &other, ana()).await;
        let second = app.submit(&owner, &flow, ana()).await;
        let event = arrivals.event().await["leads"].take();
        assert_eq!((&event["lead"]["id"], &event["lead"]["outcome"]), (&second["id"], &json!("ACCEPTED")));
        assert_eq!(event["lead"]["deliveries"][0]["status"], "DELIVERED");

        arrivals.cut();
        let third = app.submit(&owner, &flow, ana()).await;
        let mut arrivals = app.subscribe(&owner.token, ARRIVALS, follow(event["cursor"].clone())).await;
        let fourth = app.submit(&owner, &flow, ana()).await;
        for receipt in [third, fourth] {
            assert_eq!(arrivals.event().await["leads"]["lead"]["id"], receipt["id"]);
        }
    }
);
