//! What a place in a profile says: hours, price, settings of its own, and limits of its numbers.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::UPDATE_PLACE;
use crate::support::app::both;
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{ana, text, webhook_with};

both!(
    /// D19: nine to five in New York, on the day before the clocks change, on that day (in 2030 the tenth of March), and after
    /// they have changed back.
    a_schedule_follows_the_clocks_of_its_zone,
    |app| {
        let first: DateTime<Utc> = "2030-03-09T00:00:00Z".parse().unwrap();
        app.advance(first - app.clock.now());
        let owner = app.account_by_key("Acme").await;
        let mut routed = app.routed(&owner, json!({ "strategy": "FIRST_MATCH" })).await;
        let days = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"];
        let office = json!({ "timezone": "America/New_York", "windows": [{ "days": days, "from": "09:00", "to": "17:00" }] });
        app.place(&owner, &mut routed, "P", json!({ "schedule": office })).await;
        for (opens, closes) in [
            ("2030-03-09T14:00:00Z", "2030-03-09T22:00:00Z"),
            ("2030-03-10T13:00:00Z", "2030-03-10T21:00:00Z"),
            ("2030-11-04T14:00:00Z", "2030-11-04T22:00:00Z"),
        ] {
            for (at, takes) in [(opens, true), (closes, false)] {
                let at: DateTime<Utc> = at.parse().unwrap();
                app.advance(at - TimeDelta::seconds(1) - app.clock.now());
                let before = app.submit(&owner, &routed.flow, ana()).await;
                app.advance(TimeDelta::seconds(1));
                let after = app.submit(&owner, &routed.flow, ana()).await;
                let counts = [
                    app.deliveries(&owner, &text(&before["id"])).await.len(),
                    app.deliveries(&owner, &text(&after["id"])).await.len(),
                ];
                assert_eq!(counts, [usize::from(!takes), usize::from(takes)], "{at}");
            }
        }
    }
);

both!(
    /// A retry goes where and at the price at which its delivery was made; the next delivery by what is set now.
    settings_and_price_of_a_place_are_those_of_when_a_delivery_was_made,
    |app| {
        let (general, own, new) = (HttpReceiver::start().await, HttpReceiver::start().await, HttpReceiver::start().await);
        own.answers([Answer::status(500), Answer::status(200)]);
        let owner = app.account("Acme").await;
        let profile = json!({ "strategy": "ROUND_ROBIN", "basePrice": { "amount": "5", "currency": "USD" } });
        let mut routed = app.routed(&owner, profile).await;
        let place = json!({ "delivery": webhook_with(&own.url("/"), json!({})), "price": { "amount": "7.50", "currency": "USD" } });
        app.place_with(&owner, &mut routed, ("P", webhook_with(&general.url("/"), json!({}))), place).await;

        let lead = text(&app.submit(&owner, &routed.flow, ana()).await["id"]);
        let retrying = app.deliveries_at(&owner, &lead, &["RETRYING"]).await;
        let change = json!({ "delivery": webhook_with(&new.url("/"), json!({})), "price": null });
        app.change_place(&owner, &routed, "P", change).await;
        let due: DateTime<Utc> = retrying[0]["nextAttemptAt"].as_str().unwrap().parse().unwrap();
        app.advance(due - app.clock.now());
        let delivered = app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        assert_eq!(delivered[0]["price"], json!({ "amount": "7.5", "currency": "USD" }));
        let next = text(&app.submit(&owner, &routed.flow, ana()).await["id"]);
        let delivered = app.deliveries_at(&owner, &next, &["DELIVERED"]).await;
        assert_eq!(delivered[0]["price"]["amount"], "5");
        assert_eq!([general.count(), own.count(), new.count()], [0, 2, 1]);
    }
);

both!(weights_and_ranks_have_limits, |app| {
    let owner = app.account("Acme").await;
    let mut routed = app.routed(&owner, json!({ "strategy": "WEIGHTED" })).await;
    app.place(&owner, &mut routed, "P", json!({ "weight": 1_000_000 }))
        .await;
    let id = &routed.places["P"].1;
    for (field, value) in [("weight", -1), ("weight", 1_000_001), ("rank", 0), ("rank", 1_000_001)] {
        let broken = app
            .refused(&owner.token, UPDATE_PLACE, json!({ "id": id, field: value }))
            .await;
        assert_eq!(broken, [("INVALID".to_owned(), format!("input.{field}"))], "{value}");
    }
});
