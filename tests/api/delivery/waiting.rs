//! Destinations that ask to be left alone for a while.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, ana, text, webhook, webhook_with};

/// What a destination writes, and within what the next attempt is due: the policy's own delay is ten seconds, and a fifth is
/// added at random.
type Case = (&'static str, i64, i64);
const SECONDS: [Case; 5] = [
    ("120", 120, 144),
    ("7", 10, 12),
    ("soon", 10, 12),
    ("-5", 10, 12),
    // Past the maximum age of an hour: one last attempt at its end.
    ("864000", 3_600, 3_600),
];

/// Hours pass here, which sessions do not outlast: everything is done with the key.
fn by_key(owner: Account) -> Account {
    Account {
        token: owner.key.clone(),
        ..owner
    }
}

async fn due_in(app: &TestApp, owner: &Account, lead: &str) -> TimeDelta {
    let waiting = app.deliveries_at(owner, lead, &["RETRYING"]).await;
    let due: DateTime<Utc> = text(&waiting[0]["nextAttemptAt"]).parse().unwrap();
    due - app.clock.now()
}

both!(
    /// D9: seconds.
    a_destination_is_not_asked_again_before_the_seconds_it_named,
    |app| {
        let (busy, other) = (HttpReceiver::start().await, HttpReceiver::start().await);
        let owner = by_key(app.account("Acme").await);
        let hour = json!({ "retry": { "maxAgeMinutes": 60 } });
        for (asked, least, most) in SECONDS {
            let (flow, ..) = app.flow_to(&owner, webhook_with(&busy.url("/"), hour.clone())).await;
            busy.answer(Answer::status(429).header("retry-after", asked));
            let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
            let wait = due_in(&app, &owner, &lead).await;
            assert!(wait >= TimeDelta::seconds(least) && wait <= TimeDelta::seconds(most), "{asked}: {wait}");

            // A moment before, everything else goes out and this does not.
            let sent = busy.count();
            app.advance(wait - TimeDelta::milliseconds(1));
            let (beside, ..) = app.flow_to(&owner, webhook(&other.url("/"))).await;
            let barrier = text(&app.submit(&owner, &beside, ana()).await["id"]);
            app.deliveries_at(&owner, &barrier, &["DELIVERED"]).await;
            assert_eq!(busy.count(), sent, "{asked}: asked too early");
            busy.answer(Answer::status(200));
            app.advance(TimeDelta::milliseconds(1));
            let delivered = app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
            assert_eq!(delivered[0]["attempts"][0]["httpStatus"], 429);
            assert_eq!((&delivered[0]["attemptCount"], busy.count()), (&json!(2), sent + 1));
        }
    }
);

both!(
    /// D9: a date, also behind another status than 429.
    a_destination_is_not_asked_again_before_the_date_it_named,
    |app| {
        let busy = HttpReceiver::start().await;
        let owner = by_key(app.account("Acme").await);
        for (status, minutes) in [(429, 5), (503, 45)] {
            let (flow, ..) = app.flow_to(&owner, webhook(&busy.url("/"))).await;
            let until = app.clock.now() + TimeDelta::minutes(minutes);
            let date = until.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            busy.answer(Answer::status(status).header("retry-after", &date));
            let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
            let wait = due_in(&app, &owner, &lead).await;
            // The date has whole seconds.
            let asked = TimeDelta::minutes(minutes) - TimeDelta::seconds(1);
            assert!(wait > asked && wait <= TimeDelta::minutes(minutes) * 6 / 5, "{status}: {wait}");
            busy.answer(Answer::status(200));
            app.advance(wait);
            app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
            let stamp = |number: usize| {
                let requests = busy.requests();
                requests[requests.len() - number].header("webhook-timestamp").unwrap().parse::<i64>().unwrap()
            };
            assert!(stamp(1) >= until.timestamp() && stamp(2) < until.timestamp(), "{} {}", stamp(1), stamp(2));
        }
    }
);

both!(
    /// No pause is longer than `maxDelayMs`, and what would be due after `maxAgeMinutes` is given up at once, with the last answer.
    a_delivery_that_is_too_old_has_expired,
    |app| {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(422).body("no such product"));
        let owner = by_key(app.account("Acme").await);
        let retry = json!({ "attempts": 20, "initialDelayMs": 10_000, "maxDelayMs": 20_000, "maxAgeMinutes": 1 });
        let (flow, ..) = app.flow_to(&owner, webhook_with(&receiver.url("/"), json!({ "retry": retry }))).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        // Six times ten seconds would be a minute. Of the minute less than a pause is left after the fourth attempt.
        for (attempts, least, most) in [(1, 10, 12), (2, 20, 24), (3, 20, 24)] {
            receiver.wait_for(attempts).await;
            let wait = due_in(&app, &owner, &lead).await;
            assert!(wait >= TimeDelta::seconds(least) && wait <= TimeDelta::seconds(most), "{attempts}: {wait}");
            app.advance(wait);
        }
        let expired = app.deliveries_at(&owner, &lead, &["FAILED"]).await;
        assert_eq!(expired[0]["failure"]["code"], "EXPIRED");
        let message = text(&expired[0]["failure"]["message"]);
        assert!(message.starts_with("too old to be tried again; the last attempt: ") && message.contains("422"), "{message}");
        assert_eq!((&expired[0]["attemptCount"], &expired[0]["nextAttemptAt"]), (&json!(4), &Value::Null));
        let codes: Vec<_> = expired[0]["attempts"].as_array().unwrap().iter().map(|one| text(&one["errorCode"])).collect();
        assert_eq!(codes, ["HTTP_STATUS"; 4], "the attempts say what they met");

        app.advance(TimeDelta::hours(2));
        let (beside, ..) = app.flow_to(&owner, json!({ "portal": {} })).await;
        app.submit(&owner, &beside, ana()).await;
        assert_eq!((app.deliveries(&owner, &lead).await[0]["attemptCount"].clone(), receiver.count()), (json!(4), 4));
    }
);
