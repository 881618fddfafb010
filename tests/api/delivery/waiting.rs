//! Destinations that ask to be left alone for a while.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

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
