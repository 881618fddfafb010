//! Faults 11 and 22: how many are under way at once.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::SUBMIT_MANY;
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{ana, text};

/// The limit of fault 22.
const MOST: usize = 200;

/// Deliveries under way, as `/metrics` tells.
async fn under_way(app: &TestApp) -> usize {
    let text = app.get("/metrics").await.text().await.unwrap();
    let gauge = |line: &str| line.strip_prefix("leadmesh_delivery_slots_used ")?.parse().ok();
    text.lines()
        .find_map(gauge)
        .unwrap_or_else(|| panic!("no gauge: {text}"))
}

both!(
    /// Fault 11: one of ten never answers while the others get all their leads; it has as many at once as it may.
    a_slow_destination_holds_up_itself_alone,
    ["--concurrency", "16", "--destination-concurrency", "4"],
    |app| {
        let slow = HttpReceiver::start().await;
        let permits = Arc::new(Semaphore::new(0));
        slow.answer(Answer::status(200).hold(permits.clone()));
        let owner = app.account_by_key("Acme").await;
        let all = app.to_all(&owner).await;
        app.behind(&owner, &all, "Slow", &slow).await;
        let mut others = Vec::new();
        for number in 0..9 {
            let receiver = HttpReceiver::start().await;
            app.behind(&owner, &all, &format!("P{number}"), &receiver).await;
            others.push(receiver);
        }
        // One alone, so that the others find the flow compiled.
        let mut receipts = vec![app.submit(&owner, &all.flow, ana()).await];
        receipts.extend(join_all((1..20).map(|_| app.submit(&owner, &all.flow, ana()))).await);
        for receiver in &others {
            receiver.wait_for(20).await;
        }
        assert_eq!((slow.count(), slow.most_active()), (4, 4));
        permits.add_permits(1_000);
        for receipt in receipts {
            app.deliveries_at(&owner, &text(&receipt["id"]), &["DELIVERED"]).await;
        }
        assert_eq!((slow.count(), slow.most_active()), (20, 4));
    }
);

both!(
    /// Fault 22: 2,000 are due, and never more than the limit are under way.
    what_is_under_way_never_exceeds_the_limit,
    ["--concurrency", "200", "--destination-concurrency", "200"],
    |app| {
        let p = HttpReceiver::start().await;
        let permits = Arc::new(Semaphore::new(0));
        p.answer(Answer::status(200).hold(permits.clone()));
        let owner = app.account_by_key("Acme").await;
        let all = app.to_all(&owner).await;
        app.behind(&owner, &all, "P", &p).await;
        // One alone, so that the others find the flow compiled.
        app.submit(&owner, &all.flow, ana()).await;
        let leads: Vec<Value> = (0..500).map(|_| json!({ "fields": ana() })).collect();
        for _ in 0..4 {
            let input = json!({ "flowId": all.flow.id, "leads": leads });
            assert_eq!(app.done(&owner.key, SUBMIT_MANY, input).await["accepted"], 500);
        }
        p.wait_for(MOST).await;
        assert_eq!((p.count(), under_way(&app).await), (MOST, MOST));
        permits.add_permits(3_000);
        let mut most = 0;
        while p.count() < 2_001 {
            most = most.max(under_way(&app).await);
        }
        assert!(most <= MOST && p.most_active() <= MOST, "{most}, {}", p.most_active());
    }
);
