//! The subscription to deliveries: what an account is told of each, by partner, by lead, and from where it left off.

use serde_json::{Value, json};

use super::sharing::to_all;
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, accepted, ana, standard_fields, text, webhook, webhook_with};

const FOLLOW: &str = "subscription($partner: ID, $lead: ID, $after: String) {
    deliveries(partnerId: $partner, leadId: $lead, after: $after) { cursor status delivery { id partner { id } lead { id } } } }";
const CANCEL: &str =
    "mutation($id: ID!) { cancelDelivery(id: $id) { delivery { status } userErrors { code message path } } }";

/// What is told of one delivery.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    cursor: String,
    partner: String,
    lead: String,
    status: String,
}

impl Told {
    fn of(mut event: Value) -> Self {
        let event = event["deliveries"].take();
        Self {
            cursor: text(&event["cursor"]),
            partner: text(&event["delivery"]["partner"]["id"]),
            lead: text(&event["delivery"]["lead"]["id"]),
            // A new delivery that is sent at once is never seen waiting.
            status: text(&event["status"]).replace("SENDING", "QUEUED"),
        }
    }
}

/// The events after a cursor that fit, so many and no more: what comes next is of a lead submitted for it.
async fn told(app: &TestApp, token: &str, variables: Value, count: usize) -> Vec<Told> {
    let mut stream = app.subscribe(token, FOLLOW, variables).await;
    let mut events = Vec::new();
    for _ in 0..count {
        events.push(Told::of(stream.event().await));
    }
    events
}

fn of<'a>(events: &'a [Told], partner: &str, lead: &str) -> Vec<&'a str> {
    let fitting = events
        .iter()
        .filter(|event| event.partner == partner && event.lead == lead);
    fitting.map(|event| &event.status[..]).collect()
}

async fn cancel_first(app: &TestApp, owner: &Account, lead: &str) {
    let id = app.deliveries(owner, lead).await[0]["id"].take();
    let answer = app.ask(Some(&owner.token), CANCEL, json!({ "id": id })).await;
    accepted(&answer, "cancelDelivery");
}

both!(
    /// P5: every state that a delivery comes to stand at, in order, to whom it concerns and nobody else, and none of them twice.
    an_account_is_told_what_becomes_of_its_deliveries,
    |app| {
        let (slow, strict) = (HttpReceiver::start().await, HttpReceiver::start().await);
        slow.answers([Answer::status(500), Answer::status(200), Answer::status(500)]);
        strict.answer(Answer::status(422));
        let (owner, stranger) = (app.account("Acme").await, app.account("Other").await);
        let once = webhook_with(&strict.url("/"), json!({ "retry": { "attempts": 1 } }));
        let (flow, partners) = to_all(&app, &owner, standard_fields(), vec![webhook(&slow.url("/")), once]).await;
        let (p, q) = (&partners[0][..], &partners[1][..]);
        let mut live = app.subscribe(&owner.token, FOLLOW, json!({ "partner": p })).await;
        let mut foreign = app.subscribe(&stranger.token, FOLLOW, json!({ "partner": p })).await;

        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        app.deliveries_at(&owner, &lead, &["RETRYING", "FAILED"]).await;
        app.advance_to_retry(&owner, &lead).await;
        app.deliveries_at(&owner, &lead, &["DELIVERED", "FAILED"]).await;
        let other = text(&app.submit(&owner, &flow, ana()).await["id"]);
        app.deliveries_at(&owner, &other, &["RETRYING", "FAILED"]).await;
        cancel_first(&app, &owner, &other).await;

        let all = told(&app, &owner.token, json!({ "after": "0" }), 10).await;
        let (arrives, stopped, fails) = (["QUEUED", "RETRYING", "DELIVERED"], ["QUEUED", "RETRYING", "CANCELLED"], ["QUEUED", "FAILED"]);
        assert_eq!((of(&all, p, &lead), of(&all, p, &other)), (arrives.to_vec(), stopped.to_vec()), "{all:#?}");
        assert_eq!((of(&all, q, &lead), of(&all, q, &other)), (fails.to_vec(), fails.to_vec()), "{all:#?}");
        let cursors: Vec<u64> = all.iter().map(|event| event.cursor.parse().unwrap()).collect();
        assert!(cursors.is_sorted_by(|one, next| one < next), "{cursors:?}");

        let only = |fits: &dyn Fn(&Told) -> bool| all.iter().filter(|event| fits(event)).cloned().collect::<Vec<_>>();
        let of_p = only(&|event| event.partner == p);
        assert_eq!(told(&app, &owner.token, json!({ "after": "0", "partner": p }), 6).await, of_p);
        let of_lead = only(&|event| event.lead == lead);
        assert_eq!(told(&app, &owner.token, json!({ "after": "0", "lead": lead }), 5).await, of_lead);
        let of_both = only(&|event| event.partner == q && event.lead == other);
        assert_eq!(told(&app, &owner.token, json!({ "after": "0", "partner": q, "lead": other }), 2).await, of_both);
        let resumed = json!({ "after": of_p[1].cursor, "partner": p });
        assert_eq!(told(&app, &owner.token, resumed, 4).await, of_p[2..]);

        for expected in &of_p {
            assert_eq!(Told::of(live.event().await), *expected, "live as replayed");
        }
        // The stranger is told of its own alone, though it has named another's partner; its own first event comes first.
        let (own, theirs) = to_all(&app, &stranger, standard_fields(), vec![json!({ "portal": {} })]).await;
        let mut its_own = app.subscribe(&stranger.token, FOLLOW, json!({ "after": "0" })).await;
        app.submit(&stranger, &own, ana()).await;
        assert_eq!(Told::of(its_own.event().await).partner, theirs[0]);
        foreign.also("2", FOLLOW, json!({ "after": "0", "partner": theirs[0] })).await;
        let first = foreign.message().await.unwrap();
        assert_eq!(first["id"], "2", "{first:#}");
    }
);
