//! D14: destinations that hang, drip, never end or answer with a hundred megabytes.

use std::time::Duration;

use serde_json::{Value, json};

use super::sharing::to_all;
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, ana, standard_fields, text, webhook_with};
use crate::support::wait::eventually;

const LEADS: usize = 5;
/// Milliseconds: the deadline of every exchange, in which the healthy one has everything even on a busy machine, and the most
/// that its end may take there.
const DEADLINE: i64 = 8_000;
const SLACK: f64 = 4_000.0;
const HUGE: usize = 100_000_000;

const LOG: &str = "query($id: ID!) { lead(id: $id) { deliveries { status partner { name } attemptCount failure { code }
    attempts { ok httpStatus errorCode durationMs responseExcerpt } } } }";

/// Where the delivery of a lead to a partner stands now.
async fn standing_at(app: &TestApp, owner: &Account, lead: &str, partner: &str) -> String {
    let data = app.data(&owner.token, LOG, json!({ "id": lead })).await;
    let deliveries = data["lead"]["deliveries"].as_array().unwrap();
    let theirs = deliveries.iter().find(|one| one["partner"]["name"] == partner).unwrap();
    text(&theirs["status"])
}

both!(
    /// The status line counts; time and memory are bounded; the one that answers gets its leads at once.
    unruly_destinations_bind_neither_time_nor_memory_nor_others,
    |app| {
        let (unruly, healthy) = (HttpReceiver::start().await, HttpReceiver::start().await);
        let huge = Answer::status(200).body(vec![b'x'; HUGE]);
        unruly.respond(move |_, request| match request.path() {
            "/hangs" => Answer::hang(),
            "/drips" => Answer::drip(201, Duration::from_millis(50), 10_000),
            "/endless" => Answer::endless(202),
            _ => huge.clone(),
        });
        let owner = app.account("Acme").await;
        let timed = |url: String| webhook_with(&url, json!({ "timeoutMs": DEADLINE }));
        let paths = ["/hangs", "/drips", "/endless", "/huge"];
        let mut deliveries: Vec<Value> = paths.into_iter().map(|path| timed(unruly.url(path))).collect();
        deliveries.push(timed(healthy.url("/")));
        let (flow, _) = to_all(&app, &owner, standard_fields(), deliveries).await;

        let mut leads = Vec::new();
        for _ in 0..LEADS {
            leads.push(text(&app.submit(&owner, &flow, ana()).await["id"]));
        }
        healthy.wait_for(LEADS).await;
        for lead in &leads {
            let of = async |partner| standing_at(&app, &owner, lead, partner).await;
            eventually(async || of("P4").await, |status| status == "DELIVERED").await;
            assert_eq!((of("P0").await, of("P1").await), ("SENDING".to_owned(), "SENDING".to_owned()), "others first");
        }
        let mut last = Vec::new();
        for lead in &leads {
            app.deliveries_at(&owner, lead, &["DELIVERED", "RETRYING"]).await;
            let data = app.data(&owner.token, LOG, json!({ "id": lead })).await;
            last.extend(data["lead"]["deliveries"].as_array().unwrap().clone());
        }

        assert_eq!(last.len(), LEADS * 5);
        for delivery in &last {
            let attempts = delivery["attempts"].as_array().unwrap();
            assert_eq!((attempts.len(), &delivery["attemptCount"]), (1, &json!(1)), "{delivery}");
            let attempt = &attempts[0];
            let (name, took) = (text(&delivery["partner"]["name"]), attempt["durationMs"].as_f64().unwrap());
            let (status, end) = match name.as_str() {
                "P0" => (Value::Null, json!("TIMEOUT")),
                "P1" => (json!(201), Value::Null),
                "P2" => (json!(202), Value::Null),
                _ => (json!(200), Value::Null),
            };
            assert_eq!((&attempt["httpStatus"], &attempt["errorCode"]), (&status, &end), "{name}");
            assert!(took < DEADLINE as f64 + SLACK, "{name} took {took} ms");
            let kept = attempt["responseExcerpt"].as_str().map_or(0, str::len);
            let most = if matches!(name.as_str(), "P2" | "P3") { 4_096..=4_096 } else { 0..=200 };
            assert!(most.contains(&kept), "{name}: {kept} bytes are kept");
        }
        assert_eq!((unruly.count(), healthy.count()), (4 * LEADS, LEADS), "everybody was asked exactly once");
    }
);
