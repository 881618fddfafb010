//! Changing how a partner gets its leads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::email;
use crate::support::app::both;
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{ana, text, webhook};
use crate::support::smtp_receiver::{Reply, SmtpReceiver};

both!(
    /// D16: a change counts from the next delivery on.
    a_new_channel_sends_nothing_again_and_leaves_what_is_under_way_where_it_is,
    |app| {
        let (server, receiver) = (SmtpReceiver::start().await, HttpReceiver::start().await);
        let away = Arc::new(AtomicBool::new(false));
        let down = away.clone();
        server.respond(move |_, _| down.load(Ordering::SeqCst).then_some(Reply::Say("451 busy")));
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &server).await;
        let (flow, partner, _) = app.flow_to(&owner, email(&["a@buyer.test"], json!({}))).await;

        let done = text(&app.submit(&owner, &flow, ana()).await["id"]);
        app.deliveries_at(&owner, &done, &["DELIVERED"]).await;
        away.store(true, Ordering::SeqCst);
        let waiting = text(&app.submit(&owner, &flow, json!({ "first_name": "Bo" })).await["id"]);
        app.deliveries_at(&owner, &waiting, &["RETRYING"]).await;
        app.set_delivery(&owner, &partner, webhook(&receiver.url("/"))).await;
        away.store(false, Ordering::SeqCst);
        let next = text(&app.submit(&owner, &flow, json!({ "first_name": "Cy" })).await["id"]);
        assert_eq!(receiver.next().await.json()["first_name"], "Cy");
        app.advance_to_retry(&owner, &waiting).await;

        let mails = server.wait_for(2).await;
        for (lead, channel, attempts) in [(&done, "EMAIL", 1), (&waiting, "EMAIL", 2), (&next, "WEBHOOK", 1)] {
            let deliveries = app.deliveries_at(&owner, lead, &["DELIVERED"]).await;
            let told = (deliveries.len(), &deliveries[0]["channel"], &deliveries[0]["attemptCount"]);
            assert_eq!(told, (1, &json!(channel), &json!(attempts)));
        }
        let subjects: Vec<String> = mails.iter().map(|mail| mail.subject()).collect();
        assert_eq!(subjects, ["New lead Ana", "New lead Bo"]);
        assert_eq!((server.count(), receiver.count()), (2, 1));
    }
);
