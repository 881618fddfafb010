//! Reports, and the log to take away: both tell what the list of deliveries tells.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, ana, text, webhook_with};

const REPORT: &str = "query($range: TimeRangeInput!, $by: [ReportDimension!]!, $filter: DeliveryFilter) {
    deliveryReport(range: $range, by: $by, filter: $filter) { key label keys counts {
        routed queued delivered failed refused returned successRate p50Ms p95Ms revenue { amount currency } } } }";
const ALL: &str =
    "{ deliveries(first: 100, filter: {}) { nodes { id status channel createdAt deliveredAt latencyMs price { amount }
    partner { id } buyer { id } profile { id } flow { id } failure { code } } } }";
const PARTNERS: &str = "query($range: TimeRangeInput!) { partners { nodes { id stats(range: $range) {
    routed queued delivered failed refused returned successRate p50Ms p95Ms revenue { amount currency } } } } }";
const ZONE: &str = "mutation($input: UpdateAccountInput!) { updateAccount(input: $input) { account { id } userErrors { code message path } } }";

fn whole() -> Value {
    json!({ "from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z" })
}

async fn report(app: &TestApp, owner: &Account, by: &[&str], more: Value) -> Vec<Value> {
    let now = app.clock.now();
    let (from, to) = (now - TimeDelta::days(100), now + TimeDelta::days(100));
    let mut variables = json!({ "range": { "from": from.to_rfc3339(), "to": to.to_rfc3339() }, "by": by });
    crate::support::make::merge(&mut variables, more);
    let data = app.data(&owner.token, REPORT, variables).await;
    data["deliveryReport"].as_array().unwrap().clone()
}

/// Several partners by several channels, with everything that can become of a delivery; some prices; and tests.
async fn traffic(app: &TestApp, owner: &Account, receiver: &HttpReceiver) -> (String, String) {
    let flow = app.flow(owner, json!({})).await;
    let profile = app
        .profile(owner, json!({ "basePrice": { "amount": "2.50", "currency": "EUR" } }))
        .await;
    let quick = webhook_with(
        &receiver.url("/"),
        json!({ "retry": { "attempts": 1 }, "responseRule": { "pointer": "/ok", "acceptedValues": ["yes"] } }),
    );
    for (name, delivery) in [
        ("Hook", quick),
        ("Portal", json!({ "portal": {} })),
        (
            "Mail",
            json!({ "email": { "recipients": ["a@b.test"], "subject": "x" } }),
        ),
    ] {
        let (partner, _) = app.partner(owner, name, delivery, json!({})).await;
        app.assign(owner, &profile, &partner, json!({})).await;
    }
    app.step(
        owner,
        &flow,
        "Out",
        json!({ "distribute": { "profileId": profile } }),
        Value::Null,
    )
    .await;
    for (place, answer) in [
        Answer::status(500),
        Answer::status(200).body(r#"{"ok":"yes"}"#),
        Answer::status(200).body(r#"{"ok":"no"}"#),
    ]
    .into_iter()
    .cycle()
    .take(9)
    .enumerate()
    {
        receiver.answer(answer);
        let lead = text(&app.submit(owner, &flow, ana()).await["id"]);
        app.deliveries_at(owner, &lead, &["DELIVERED", "FAILED", "REFUSED"])
            .await;
        app.clock
            .advance(TimeDelta::milliseconds(i64::try_from(place).unwrap() * 10_000 + 7));
    }
    app.submit_with(owner, &flow, ana(), json!({ "test": true })).await;
    (flow.id, profile)
}

/// The list, counted by hand.
fn counted(list: &[Value], of: impl Fn(&Value) -> String) -> BTreeMap<String, (i64, i64, i64, i64)> {
    let mut rows: BTreeMap<String, (i64, i64, i64, i64)> = BTreeMap::new();
    for delivery in list {
        let row = rows.entry(of(delivery)).or_default();
        let is = |status: &str| i64::from(delivery["status"] == status);
        row.0 += 1;
        row.1 += is("DELIVERED");
        row.2 += is("FAILED");
        row.3 += is("REFUSED");
    }
    rows
}

fn figures(rows: &[Value]) -> BTreeMap<String, (i64, i64, i64, i64)> {
    let figure = |row: &Value, name: &str| row["counts"][name].as_i64().unwrap();
    rows.iter()
        .map(|row| {
            let figures = (
                figure(row, "routed"),
                figure(row, "delivered"),
                figure(row, "failed"),
                figure(row, "refused"),
            );
            (text(&row["key"]), figures)
        })
        .collect()
}

/// A dimension, and the key under which a report counts a delivery of the list.
type Dimension = (&'static str, fn(&Value) -> String);
const DIMENSIONS: [Dimension; 9] = [
    ("PARTNER", |row| named(row, "partner")),
    ("BUYER", |row| named(row, "buyer")),
    ("PROFILE", |row| named(row, "profile")),
    ("FLOW", |row| named(row, "flow")),
    ("CHANNEL", |row| word(&row["channel"])),
    ("STATUS", |row| word(&row["status"])),
    ("ERROR", |row| word(&row["failure"]["code"])),
    ("DAY", |row| text(&row["createdAt"])[..10].to_owned()),
    ("HOUR", |row| format!("{}:00:00+00:00", &text(&row["createdAt"])[..13])),
];

fn named(delivery: &Value, what: &str) -> String {
    word(&delivery[what]["id"])
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or("NONE").to_owned()
}

both!(
    /// Every dimension, and any two together: the figures are those of the list; those by partner are those of the partners.
    figures_are_those_of_the_list,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        let (flow, profile) = traffic(&app, &owner, &receiver).await;
        let owner = app.signed_in(&owner).await;
        let list = app.data(&owner.token, ALL, json!({})).await["deliveries"]["nodes"].as_array().unwrap().clone();
        assert_eq!(list.len(), 27);
        // Hours are told of a month at most.
        let lately = json!({ "range": {
            "from": (app.clock.now() - TimeDelta::days(2)).to_rfc3339(), "to": (app.clock.now() + TimeDelta::days(1)).to_rfc3339() } });
        for (dimension, key) in DIMENSIONS {
            let expected = counted(&list, key);
            assert_eq!(figures(&report(&app, &owner, &[dimension], lately.clone()).await), expected, "{dimension}");
            for (second, other) in DIMENSIONS {
                if dimension != second {
                    let expected = counted(&list, |row| format!("{}/{}", key(row), other(row)));
                    let rows = report(&app, &owner, &[dimension, second], lately.clone()).await;
                    assert_eq!(figures(&rows), expected, "{dimension} and {second}");
                }
            }
        }
        let filter = json!({ "filter": { "channel": ["WEBHOOK"], "flowId": flow, "profileId": profile, "includeTests": true } });
        let hook = report(&app, &owner, &["FLOW"], filter).await;
        assert_eq!((hook.len(), &hook[0]["counts"]["routed"], &hook[0]["counts"]["successRate"]), (1, &json!(9), &json!(1.0 / 3.0)));
        assert_eq!(hook[0]["counts"]["revenue"], json!([{ "amount": "7.5", "currency": "EUR" }]));

        let stats = app.data(&owner.token, PARTNERS, json!({ "range": whole() })).await;
        for row in report(&app, &owner, &["PARTNER"], json!({})).await {
            let partner = stats["partners"]["nodes"].as_array().unwrap().iter().find(|partner| partner["id"] == row["key"]);
            assert_eq!(partner.unwrap()["stats"], row["counts"], "{}", row["label"]);
        }
        let hours = report(&app, &owner, &["HOUR", "CHANNEL"], lately).await;
        let mut keys: Vec<String> = hours.iter().map(|row| text(&row["keys"][0])).collect();
        let told = keys.clone();
        keys.sort();
        assert_eq!(told, keys, "in the order of time");
    }
);

both!(
    /// Times are exact to the microsecond, on a database that keeps them as texts as well.
    percentiles_are_of_the_times_that_deliveries_tell,
    |app| {
        let receiver = HttpReceiver::start().await;
        let owner = app.account("Acme").await;
        // A key, which an hour on the clock does not end.
        let owner = Account { token: owner.key.clone(), ..owner };
        let (flow, ..) = app.flow_to(&owner, webhook_with(&receiver.url("/"), json!({}))).await;
        let mut times = Vec::new();
        for micros in [1_i64, 999, 1_000_000, 61_000_001, 123_456, 7_000, 3_600_000_000, 10, 11, 12] {
            receiver.answer(Answer::status(500));
            let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
            let id = text(&app.deliveries_at(&owner, &lead, &["RETRYING"]).await[0]["id"]);
            app.clock.advance(TimeDelta::microseconds(micros));
            let settle = json!({ "id": id, "delivered": true });
            app.done(&owner.token, crate::hand::RESOLVE, settle).await;
            times.push(micros);
        }
        times.sort_unstable();
        let rows = report(&app, &owner, &["CHANNEL"], json!({})).await;
        let counts = &rows[0]["counts"];
        let millis = |micros: i64| micros as f64 / 1_000.0;
        assert!((counts["p50Ms"].as_f64().unwrap() - millis(times[4])).abs() < 1e-6, "{counts} {times:?}");
        assert!((counts["p95Ms"].as_f64().unwrap() - millis(times[9])).abs() < 1e-6, "{counts} {times:?}");
    }
);

both!(
    /// A day of the account's zone has 25 hours when clocks go back, and its repeated hour is two.
    days_and_hours_are_those_of_the_account_also_when_clocks_change,
    |app| {
        let owner = app.account("Acme").await;
        app.done(&owner.token, ZONE, json!({ "timezone": "Europe/Berlin" })).await;
        let (flow, ..) = app.flow_to(&owner, json!({ "portal": {} })).await;
        let start: DateTime<Utc> = "2027-10-30T21:30:00Z".parse().unwrap();
        app.clock.advance(start - app.clock.now());
        for _ in 0..27 {
            app.submit(&owner, &flow, ana()).await;
            app.clock.advance(TimeDelta::hours(1));
        }
        let owner = app.signed_in(&owner).await;
        let days: Vec<_> = report(&app, &owner, &["DAY"], json!({ "range": { "from": "2027-10-01T00:00:00Z", "to": "2027-12-01T00:00:00Z" } })).await;
        let days: Vec<_> = days.iter().map(|row| (text(&row["key"]), row["counts"]["routed"].as_i64().unwrap())).collect();
        assert_eq!(days, [("2027-10-30".to_owned(), 1), ("2027-10-31".to_owned(), 25), ("2027-11-01".to_owned(), 1)]);
        let night = json!({ "range": { "from": "2027-10-31T00:00:00Z", "to": "2027-10-31T02:00:00Z" } });
        let hours = report(&app, &owner, &["HOUR"], night).await;
        let keys: Vec<_> = hours.iter().map(|row| text(&row["key"])).collect();
        assert_eq!(keys, ["2027-10-31T02:00:00+02:00", "2027-10-31T02:00:00+01:00"]);
    }
);

both!(
    /// What is too much, what makes no sense, and who may not.
    reports_are_bounded_and_for_readers_of_leads,
    ["--smtp-url", "smtp+plain://127.0.0.1:9", "--mail-from", "leads@leadmesh.test"],
    |app| {
        let (owner, stranger) = (app.account("Acme").await, app.account("Other").await);
        let (flow, partner, _) = app.flow_to(&owner, json!({ "portal": {} })).await;
        app.submit(&owner, &flow, ana()).await;
        assert_eq!(report(&app, &stranger, &["PARTNER"], json!({})).await, Vec::<Value>::new());
        assert_eq!(report(&app, &stranger, &["PARTNER"], json!({ "filter": { "partnerId": partner } })).await, Vec::<Value>::new());
        for by in [json!([]), json!(["PARTNER", "PARTNER"]), json!(["PARTNER", "DAY", "FLOW"]), json!(["DAY"]), json!(["HOUR"])] {
            let variables = json!({ "range": whole(), "by": by });
            assert_eq!(app.error_code(Some(&owner.token), REPORT, variables).await, "BAD_USER_INPUT", "{by}");
        }
        let pat = app.portal_user(&owner, &partner, "pat@buyer.test").await;
        let variables = json!({ "range": whole(), "by": ["PARTNER"] });
        assert_eq!(app.error_code(Some(&pat), REPORT, variables.clone()).await, "FORBIDDEN");
        assert_eq!(app.error_code(None, REPORT, variables).await, "UNAUTHENTICATED");
    }
);
