//! A panic ends what it was about, and nothing else.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery::DeliveryStatus;
use futures::future::join_all;
use leadmesh_delivery::guard::Guard;
use leadmesh_delivery::worker::Worker;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, ana, text, webhook, webhook_with};
use crate::support::wait::until;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ANYWHERE: &str = "0.0.0.0/0,::/0";

impl TestApp {
    /// Moves the clock so near the end of time that whatever reckons with the future panics; answers by how much.
    fn to_the_end_of_time(&self) -> TimeDelta {
        let ahead = DateTime::<Utc>::MAX_UTC - self.clock.now() - TimeDelta::seconds(5);
        self.clock.advance(ahead);
        ahead
    }

    /// Submits a lead to a partner at `faulty.test`, which that guard looks up; the worker, the account and the lead.
    async fn submit_behind(&mut self, guard: Guard, receiver: &HttpReceiver) -> (Worker, Account, String) {
        let worker = self.restart_behind(guard, ANYWHERE).await;
        let owner = self.account("Acme").await;
        let url = format!("http://faulty.test:{}/", receiver.address.port());
        let (flow, ..) = self.flow_to(&owner, webhook(&url)).await;
        let lead = text(&self.submit(&owner, &flow, ana()).await["id"]);
        (worker, owner, lead)
    }
}

both!(
    /// The attempt is over, spends an attempt of its retry policy, and gives its slot back.
    an_attempt_that_panics_is_put_off,
    |app| {
        let mut app = app;
        let (receiver, faulty) = (HttpReceiver::start().await, Arc::new(AtomicBool::new(true)));
        let fault = faulty.clone();
        let guard = Guard::with_lookup(vec!["127.0.0.1/32".parse().unwrap()], move |_| {
            assert!(!fault.load(Ordering::SeqCst), "a fault of ours");
            async { Ok(vec![LOOPBACK]) }
        });
        let (_worker, owner, lead) = app.submit_behind(guard, &receiver).await;
        let waiting = app.deliveries_at(&owner, &lead, &["RETRYING"]).await;
        let attempts = waiting[0]["attempts"].as_array().unwrap();
        assert_eq!((&waiting[0]["attemptCount"], attempts.len()), (&json!(1), 1));
        assert!(text(&attempts[0]["message"]).contains("a fault of the server"), "{waiting:#?}");
        until("its slot is free", async || app.app.queue.slots.used() == 0).await;
        let metrics = app.get("/metrics").await.text().await.unwrap();
        assert!(metrics.contains("leadmesh_panics_total 1"), "{metrics}");

        faulty.store(false, Ordering::SeqCst);
        app.advance(TimeDelta::seconds(15));
        app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        assert_eq!(receiver.count(), 1);
    }
);

both!(
    /// What panics at every attempt ends as what fails at every attempt.
    a_delivery_whose_attempts_all_panic_fails_in_the_end,
    |app| {
        let mut app = app;
        let receiver = HttpReceiver::start().await;
        let guard = Guard::with_lookup(Vec::new(), |host| {
            assert_ne!(host, "faulty.test", "a fault of ours");
            async { Ok(vec![LOOPBACK]) }
        });
        let (_worker, owner, lead) = app.submit_behind(guard, &receiver).await;
        for attempts in 1..6 {
            until("it is put off", async || {
                let row = app.rows().await.remove(0);
                row.status == DeliveryStatus::Retrying && row.attempt_count == attempts
            })
            .await;
            app.advance(TimeDelta::hours(3));
        }
        let owner = app.signed_in(&owner).await;
        let failed = app.deliveries_at(&owner, &lead, &["FAILED"]).await;
        assert_eq!(failed[0]["failure"]["code"], "RETRIES_EXHAUSTED", "{failed:#?}");
    }
);

both!(
    /// The loop that looks for due work, and after paused endpoints, goes on with its next round.
    a_look_that_panics_is_followed_by_the_next_one,
    |app| {
        let ahead = app.to_the_end_of_time();
        until("a look has panicked", async || app.app.metrics.panics() > 0).await;
        app.clock.advance(-ahead);
        let (.., _receiver) = app.waiting_for_retry(1).await;
        app.advance(TimeDelta::seconds(15));
        until("it is delivered", async || app.standing_at(DeliveryStatus::Delivered).await == 1).await;
    }
);

both!(
    /// Of outcomes that are recorded together one panics: it is recorded by itself, and so are the others and all that follow.
    an_outcome_that_panics_when_it_is_recorded_holds_up_no_other,
    |app| {
        let (receiver, permits) = (HttpReceiver::start().await, Arc::new(Semaphore::new(0)));
        receiver.answer(Answer::status(503).hold(permits.clone()));
        let owner = app.account("Acme").await;
        let once = webhook_with(&receiver.url("/"), json!({ "retry": { "attempts": 1 } }));
        let (flow, ..) = app.flow_to(&owner, once).await;
        join_all((0..10).map(|_| app.submit(&owner, &flow, ana()))).await;
        receiver.wait_for(10).await;
        // The tenth failure pauses the endpoint until a time that there is not.
        let ahead = app.to_the_end_of_time();
        permits.add_permits(10);
        until("all are recorded", async || app.app.queue.slots.used() == 0).await;
        assert!(app.app.metrics.panics() > 0);
        app.clock.advance(-ahead);
        receiver.answer(Answer::status(200));
        app.submit(&owner, &flow, ana()).await;
        receiver.wait_for(11).await;
        until("its outcome is recorded", async || app.app.queue.slots.used() == 0).await;
    }
);
