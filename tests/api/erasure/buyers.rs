//! Connected accounts that got the lead: controllers of their own.

use serde_json::{Value, json};

use super::person;
use crate::support::app::both;
use crate::support::make::{standard_fields, text};

const THEIRS: &str = "query($id: ID!) { lead(id: $id) { id fields erasedAt timeline { kind message } } }";
const FOLLOW: &str = "subscription { network(after: \"0\") { kind lead { id } } }";

both!(
    /// The buyer keeps its copy, and is told on the lead, in its trail and on its network stream.
    a_connected_account_keeps_its_copy_and_is_told,
    |app| {
        let (seller, buyer) = (app.account("Seller").await, app.account("Buyer").await);
        let connection = app.connect(&seller, &buyer, "SEND_LEADS").await;
        let flow = app.flow(&seller, json!({ "fields": standard_fields() })).await;
        let account = json!({ "account": { "connectionId": connection } });
        crate::erasure::routed(&app, &seller, &flow, vec![account]).await;
        let lead = text(&app.submit(&seller, &flow, person()).await["id"]);
        let delivered = app.deliveries_at(&seller, &lead, &["DELIVERED"]).await.remove(0);
        let theirs = text(&delivered["externalId"]);
        let mut stream = app.subscribe(&buyer.token, FOLLOW, json!({})).await;

        app.erase(&seller, &lead).await;
        let told = app.told_at(&seller, &lead, &["SHOWN"]).await;
        assert_eq!((&told["erasureNotices"][0]["externalId"], &told["erasureNotices"][0]["buyerId"]), (&json!(theirs), &json!(buyer.id)));
        let mut event = stream.event().await;
        while event["network"]["lead"].is_null() {
            event = stream.event().await;
        }
        assert_eq!(event["network"], json!({ "kind": "LEAD_ERASED", "lead": { "id": theirs } }));
        let copy = app.data(&buyer.token, THEIRS, json!({ "id": theirs })).await;
        assert_eq!((&copy["lead"]["fields"]["first_name"], &copy["lead"]["erasedAt"]), (&json!("Zuloquiana"), &Value::Null));
        assert!(copy["lead"]["timeline"].to_string().contains("ERASURE_REQUESTED"), "{copy}");
        assert_eq!(app.audited(&buyer, &theirs).await, ["lead.erased_by_sender"]);

        app.erase(&buyer, &theirs).await;
        crate::erasure::assert_nobody_in(&app.dump().await);
    }
);
