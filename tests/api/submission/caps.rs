//! F5: limits of accepted leads, exact at any moment.

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use serde_json::{Value, json};

use super::{accepted, codes};
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, ana, webhook_with};

const PARTNER: &str = "query($id: ID!) { partner(id: $id) { caps { used limit windowStart windowEnd } } }";

fn one_a_day(timezone: &str) -> Value {
    json!([{ "period": "DAY", "limit": 1, "timezone": timezone }])
}

fn time(value: &Value) -> DateTime<Utc> {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no time: {value}"))
        .parse()
        .unwrap()
}

async fn partner_used(app: &TestApp, owner: &Account, partner: &str) -> Value {
    app.data(&owner.key, PARTNER, json!({ "id": partner })).await["partner"]["caps"][0]["used"].take()
}

both!(of_50_leads_at_once_a_limit_of_1_takes_one, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({ "caps": one_a_day("UTC") })).await;
    let receipts = join_all((0..50).map(|_| app.submit(&owner, &flow, ana()))).await;
    assert_eq!(accepted(&receipts), 1);
    assert_eq!(
        receipts
            .iter()
            .filter(|receipt| codes(receipt) == ["CAP_REACHED"])
            .count(),
        49
    );
    assert_eq!(app.cap(&owner, &flow).await["used"], 1);
});

both!(
    /// A lead that the source's cap stops does not count on the flow's.
    of_50_leads_at_once_a_source_takes_its_limit,
    |app| {
        let owner = app.account("Acme").await;
        let caps = json!([{ "period": "HOUR", "limit": 40, "timezone": "UTC" }]);
        let flow = app.flow(&owner, json!({ "caps": caps })).await;
        let update = "mutation($input: UpdateSourceInput!) { updateSource(input: $input) { flow { id } userErrors { code message path } } }";
        let caps = json!([{ "period": "LIFETIME", "limit": 3 }]);
        app.done(&owner.token, update, json!({ "id": flow.source, "caps": caps })).await;
        let receipts = join_all((0..50).map(|_| app.submit(&owner, &flow, ana()))).await;
        assert_eq!(accepted(&receipts), 3);
        assert_eq!(app.cap(&owner, &flow).await["used"], 3);
    }
);

both!(
    of_50_leads_at_once_a_partner_gets_its_limit_and_the_next_one_the_rest,
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({})).await;
        let profile = app.profile(&owner, json!({ "strategy": "FIRST_MATCH" })).await;
        let portal = json!({ "portal": {} });
        let (first, _) = app
            .partner(&owner, "P", portal.clone(), json!({ "caps": one_a_day("UTC") }))
            .await;
        let (second, _) = app.partner(&owner, "Q", portal, json!({})).await;
        for partner in [&first, &second] {
            app.assign(&owner, &profile, partner, json!({})).await;
        }
        app.distribute(&owner, &flow, &profile).await;

        let receipts = join_all((0..50).map(|_| app.submit(&owner, &flow, ana()))).await;

        assert_eq!(accepted(&receipts), 50);
        let count = "query($first: ID, $second: ID) {
        first: deliveries(filter: { partnerId: $first }, first: 100) { nodes { id } }
        second: deliveries(filter: { partnerId: $second }, first: 100) { nodes { id } } }";
        let data = app
            .data(&owner.key, count, json!({ "first": first, "second": second }))
            .await;
        let counts = ["first", "second"].map(|name| data[name]["nodes"].as_array().unwrap().len());
        assert_eq!(counts, [1, 49]);
        assert_eq!(partner_used(&app, &owner, &first).await, 1);
    }
);

both!(a_day_ends_at_midnight_in_the_zone_of_the_cap, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({ "caps": one_a_day("Pacific/Auckland") })).await;
    assert_eq!(app.submit(&owner, &flow, ana()).await["outcome"], "ACCEPTED");
    let end = time(&app.cap(&owner, &flow).await["windowEnd"]);
    let local = end.with_timezone(&chrono_tz::Pacific::Auckland).time();
    assert_eq!(local, chrono::NaiveTime::MIN);
    app.advance(end - app.clock.now() - TimeDelta::microseconds(1));
    assert_eq!(codes(&app.submit(&owner, &flow, ana()).await), ["CAP_REACHED"]);
    app.advance(TimeDelta::microseconds(1));
    assert_eq!(app.submit(&owner, &flow, ana()).await["outcome"], "ACCEPTED");
    assert_eq!(codes(&app.submit(&owner, &flow, ana()).await), ["CAP_REACHED"]);
    assert_eq!(app.cap(&owner, &flow).await["used"], 1);
});

both!(
    /// In New York the tenth of March 2030 has 23 hours, and the third of November 25.
    days_on_which_the_clocks_change_are_shorter_and_longer,
    |app| {
        let first: DateTime<Utc> = "2030-03-10T05:00:00Z".parse().unwrap();
        app.advance(first - app.clock.now());
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({ "caps": one_a_day("America/New_York") })).await;
        for (midnight, hours) in [("2030-03-10T05:00:00Z", 23), ("2030-11-03T04:00:00Z", 25)] {
            let midnight: DateTime<Utc> = midnight.parse().unwrap();
            app.advance(midnight - app.clock.now());
            assert_eq!(app.submit(&owner, &flow, ana()).await["outcome"], "ACCEPTED");
            app.advance(TimeDelta::hours(hours) - TimeDelta::seconds(1));
            assert_eq!(codes(&app.submit(&owner, &flow, ana()).await), ["CAP_REACHED"], "after {hours} hours less 1 s");
            app.advance(TimeDelta::seconds(1));
            assert_eq!(app.submit(&owner, &flow, ana()).await["outcome"], "ACCEPTED", "after {hours} hours");
        }
    }
);

both!(what_finally_fails_gives_its_place_back, |app| {
    let receiver = HttpReceiver::start().await;
    receiver.answers([Answer::status(422), Answer::status(200)]);
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, json!({})).await;
    let delivery = webhook_with(&receiver.url("/"), json!({ "retry": { "giveUpOn": [422] } }));
    let (partner, _) = app
        .partner(&owner, "P", delivery, json!({ "caps": one_a_day("UTC") }))
        .await;
    let profile = app.profile(&owner, json!({})).await;
    app.assign(&owner, &profile, &partner, json!({})).await;
    app.distribute(&owner, &flow, &profile).await;

    let failing = app.submit(&owner, &flow, ana()).await;
    app.deliveries_at(&owner, failing["id"].as_str().unwrap(), &["FAILED"])
        .await;
    assert_eq!(partner_used(&app, &owner, &partner).await, 0);

    let delivered = app.submit(&owner, &flow, ana()).await;
    let deliveries = app
        .deliveries_at(&owner, delivered["id"].as_str().unwrap(), &["DELIVERED"])
        .await;
    assert_eq!(deliveries.len(), 1);
    assert_eq!(partner_used(&app, &owner, &partner).await, 1);

    let late = app.submit(&owner, &flow, ana()).await;
    assert_eq!(
        (&late["outcome"], &late["warnings"][0]["code"]),
        (&json!("ACCEPTED"), &json!("NO_MATCHING_PARTNER"))
    );
});

both!(rejected_and_filtered_leads_use_no_cap, |app| {
    let owner = app.account("Acme").await;
    let rule = json!({ "condition": { "field": "score", "operator": "LESS_THAN", "value": 100 } });
    let flow = app
        .flow(&owner, json!({ "caps": one_a_day("UTC"), "acceptanceRule": rule }))
        .await;
    let filter = json!({ "filter": { "rule": { "condition": { "field": "score", "operator": "LESS_THAN", "value": 0 } }, "reason": "too low" } });
    app.step(&owner, &flow, "Filter", filter, Value::Null).await;
    assert_eq!(
        codes(&app.submit(&owner, &flow, json!({ "score": 100 })).await),
        ["NOT_ACCEPTED"]
    );
    assert_eq!(
        codes(&app.submit(&owner, &flow, json!({ "score": -1 })).await),
        ["FILTERED"]
    );
    assert_eq!(app.cap(&owner, &flow).await["used"], 0);
    assert_eq!(
        app.submit(&owner, &flow, json!({ "score": 1 })).await["outcome"],
        "ACCEPTED"
    );
    assert_eq!(app.cap(&owner, &flow).await["used"], 1);
});
