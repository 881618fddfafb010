//! Subscriptions as server-sent events: the same rights, cursors and ends as over a socket.

use serde_json::{Value, json};

use super::with_mail;
use crate::support::event_stream::{Ask, EventStream, ask};
use crate::support::make::text;
use crate::support::wait::until;

const FOLLOW: &str =
    "subscription($after: String) { portalLeads(after: $after) { cursor kind lead { title fields } } }";
const ACCESS: &str = "mutation($input: PortalAccessInput!) { setPortalAccess(input: $input) { partner { id } userErrors { code message path } } }";

with_mail!(
    /// Live, cut, and gone on with after the last event's id; by POST and by GET; only what is shared.
    a_feed_is_followed_as_events_and_resumed_by_the_last_id,
    |app| {
        let owner = app.account("Acme").await;
        let shared = json!({ "portal": { "fields": { "mode": "ONLY", "fields": ["first_name"] } } });
        let (flow, partner, _) = app.flow_to(&owner, shared).await;
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        let wanted = Ask { token: Some(&pat), query: FOLLOW, variables: json!({ "after": "0" }), ..Ask::default() };
        let mut feed = EventStream::open(app.address, wanted.clone()).await;
        feed.comment().await;
        let lead = |name: &str| json!({ "first_name": name, "email": "secret@example.com" });
        app.submit(&owner, &flow, lead("One")).await;
        let first = feed.next().await.unwrap();
        let told = &first.json()["data"]["portalLeads"];
        let expected = json!({ "cursor": first.id, "kind": "DELIVERED", "lead": { "title": "One", "fields": { "first_name": "One" } } });
        assert_eq!((first.kind.as_str(), told), ("next", &expected));
        drop(feed);
        app.submit(&owner, &flow, lead("Two")).await;

        let id = first.id.unwrap();
        let mut feed = EventStream::open(app.address, Ask { last: Some(&id), get: true, ..wanted.clone() }).await;
        assert_eq!(feed.data().await["portalLeads"]["lead"]["title"], "Two", "the last id wins over the argument");
        app.submit(&owner, &flow, lead("Three")).await;
        assert_eq!(feed.data().await["portalLeads"]["lead"]["title"], "Three");
        let mut wrong = EventStream::open(app.address, Ask { last: Some("99999"), ..wanted }).await;
        assert_eq!(code(&wrong.next().await.unwrap().json()), "BAD_USER_INPUT");
        assert_eq!(wrong.next().await.unwrap().kind, "complete");
    }
);

fn code(result: &Value) -> String {
    text(&result["errors"][0]["extensions"]["code"])
}

with_mail!(
    /// A right that is lost ends the stream with an error and its end; a right that was never there is told the same way.
    a_right_decides_who_gets_events,
    |app| {
        let owner = app.account("Acme").await;
        let (flow, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        let wanted = |token| Ask { token, query: FOLLOW, variables: json!({ "after": "0" }), ..Ask::default() };
        for (token, expected) in [(None, "UNAUTHENTICATED"), (Some(&*owner.token), "FORBIDDEN")] {
            let mut feed = EventStream::open(app.address, wanted(token)).await;
            assert_eq!(code(&feed.next().await.unwrap().json()), expected);
            assert_eq!(feed.next().await.unwrap().kind, "complete");
            assert_eq!(feed.next().await, None);
        }
        assert_eq!(ask(app.address, wanted(Some("nonsense"))).await.status(), 401);

        let mut feed = EventStream::open(app.address, wanted(Some(&pat))).await;
        app.submit(&owner, &flow, json!({ "first_name": "One" })).await;
        feed.data().await;
        app.done(&owner.token, ACCESS, json!({ "partnerId": partner, "enabled": false })).await;
        app.submit(&owner, &flow, json!({ "first_name": "Two" })).await;
        let last = feed.next().await.unwrap();
        assert_eq!((last.kind.as_str(), code(&last.json())), ("next", "UNAUTHENTICATED".to_owned()));
        assert_eq!(feed.next().await.unwrap().kind, "complete");
        assert_eq!(feed.next().await, None);
    }
);

with_mail!(
    /// Sockets and event streams share one caller's places.
    event_streams_are_counted_with_sockets,
    |app| {
        let owner = app.account("Acme").await;
        let beat = "subscription { heartbeat(count: 2, intervalMs: 60000) { sequence } }";
        let wanted = Ask { token: Some(&owner.key), query: beat, ..Ask::default() };
        let mut open = Vec::new();
        for _ in 0..100 {
            open.push(EventStream::open(app.address, wanted.clone()).await);
        }
        let refused = ask(app.address, wanted.clone()).await;
        assert_eq!(refused.status(), 429);
        assert_eq!(code(&refused.json().await.unwrap()), "RATE_LIMITED");
        open.clear();
        until("places come back", async || ask(app.address, wanted.clone()).await.status() == 200).await;
    }
);
