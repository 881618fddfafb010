//! What is left in a portal of a lead that was erased.

use serde_json::json;

use super::{Sold, with_mail};
use crate::erasure::ERASE;

with_mail!(
    /// Nobody can accept or reject it any more, so it does not wait for that.
    an_erased_lead_waits_for_no_review,
    |app| {
        let sold = Sold::new(&app).await;
        let (erased, _) = sold.lead(&app).await;
        let (_, kept) = sold.lead(&app).await;
        let erase = json!({ "id": erased, "reason": "asked for it in writing" });
        let answer = app.ask(Some(&sold.owner.token), ERASE, erase).await;
        assert!(answer["data"]["eraseLead"]["lead"]["erasedAt"].is_string(), "{answer}");

        let now = app.clock.now();
        let range = json!({ "from": now - chrono::TimeDelta::days(1), "to": now + chrono::TimeDelta::days(1) });
        let query = "query($range: TimeRangeInput!) { portal { stats(range: $range) { total pending }
            waiting: leads(filter: { status: PENDING_REVIEW }) { nodes { id } } all: leads { nodes { id } } } }";
        let portal = app.data(&sold.pat, query, json!({ "range": range })).await["portal"].take();

        assert_eq!(portal["stats"], json!({ "total": 2, "pending": 1 }));
        assert_eq!(portal["waiting"]["nodes"], json!([{ "id": kept }]));
        assert_eq!(portal["all"]["nodes"].as_array().unwrap().len(), 2);
    }
);
