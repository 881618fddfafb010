//! Where a client begins that has never seen an event.

use serde_json::json;

use super::{FEED, FOLLOW, titles, with_mail};

const CURSOR: &str = "{ portal { cursor } }";

with_mail!(
    /// Whatever comes after the cursor was read is told, though the feed was read, and the subscription begun, only afterwards.
    who_reads_the_cursor_before_the_feed_and_then_subscribes_misses_nothing,
    |app| {
        let owner = app.account("Acme").await;
        let (flow, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        let first = app.data(&pat, CURSOR, json!({})).await["portal"]["cursor"].take();
        let mut witness = app.subscribe(&pat, FOLLOW, json!({ "after": first })).await;
        app.submit(&owner, &flow, json!({ "first_name": "Before" })).await;
        let (_, last) = titles(&mut witness, 1).await;

        let cursor = app.data(&pat, CURSOR, json!({})).await["portal"]["cursor"].take();
        assert_eq!(cursor, last, "what was told lies before it");
        app.submit(&owner, &flow, json!({ "first_name": "Between" })).await;
        titles(&mut witness, 1).await;
        let feed = app.data(&pat, FEED, json!({})).await["portal"]["leads"]["nodes"].take();
        assert_eq!((&feed[0]["title"], &feed[1]["title"]), (&json!("Between"), &json!("Before")));
        let mut stream = app.subscribe(&pat, FOLLOW, json!({ "after": cursor })).await;
        app.submit(&owner, &flow, json!({ "first_name": "After" })).await;
        assert_eq!(titles(&mut stream, 2).await.0, ["Between", "After"]);

        assert_eq!(app.ask(Some(&owner.token), CURSOR, json!({})).await["errors"][0]["extensions"]["code"], "FORBIDDEN");
    }
);
