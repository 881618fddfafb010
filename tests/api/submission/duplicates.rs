//! F4: what is the same, for how long, and at the same moment.

use chrono::TimeDelta;
use futures::future::join_all;
use serde_json::{Value, json};

use super::{accepted, codes};
use crate::support::app::both;
use crate::support::make::ana;

fn by_email() -> Value {
    json!({ "duplicateKeys": ["email"], "duplicateWindowDays": 2 })
}

both!(the_same_values_are_a_duplicate_within_the_window_only, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, by_email()).await;
    let first = app.submit(&owner, &flow, json!({ "email": "Ana@Example.com" })).await;
    assert_eq!(first["outcome"], "ACCEPTED");
    let again = json!({ "email": " ana@EXAMPLE.com", "first_name": "Somebody else" });
    assert_eq!(codes(&app.submit(&owner, &flow, again.clone()).await), ["DUPLICATE"]);
    app.clock.advance(TimeDelta::days(2) - TimeDelta::microseconds(1));
    assert_eq!(codes(&app.submit(&owner, &flow, again.clone()).await), ["DUPLICATE"]);
    app.clock.advance(TimeDelta::microseconds(1));
    assert_eq!(app.submit(&owner, &flow, again.clone()).await["outcome"], "ACCEPTED");
    // The window counts from the lead that was accepted last.
    app.clock.advance(TimeDelta::days(1));
    assert_eq!(codes(&app.submit(&owner, &flow, again).await), ["DUPLICATE"]);
    assert_eq!(
        app.submit(&owner, &flow, json!({ "email": "eva@example.com" })).await["outcome"],
        "ACCEPTED"
    );
});

both!(of_32_twins_at_once_one_is_accepted, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, by_email()).await;
    let twins = (0..32).map(|number| {
        let email = if number % 2 == 0 {
            "ana@example.com"
        } else {
            "ANA@example.com "
        };
        app.submit(&owner, &flow, json!({ "email": email, "score": number }))
    });
    let receipts = join_all(twins).await;
    assert_eq!(accepted(&receipts), 1);
    let refused = receipts
        .iter()
        .filter(|receipt| codes(receipt) == ["DUPLICATE"])
        .count();
    assert_eq!(refused, 31);
});

both!(of_32_twins_at_once_one_replaces_what_has_left_the_window, |app| {
    let owner = app.account("Acme").await;
    let flow = app.flow(&owner, by_email()).await;
    app.submit(&owner, &flow, ana()).await;
    app.clock.advance(TimeDelta::days(3));
    let receipts = join_all((0..32).map(|_| app.submit(&owner, &flow, ana()))).await;
    assert_eq!(accepted(&receipts), 1);
});

both!(encrypted_keys_are_compared_and_stored_nowhere_in_plain, |app| {
    let owner = app.account("Acme").await;
    let fields = json!([
        { "name": "email", "type": "EMAIL", "encrypted": true },
        { "name": "ssn", "type": "TEXT", "encrypted": true },
    ]);
    let more = json!({ "fields": fields, "duplicateKeys": ["email", "ssn"], "duplicateWindowDays": 30 });
    let flow = app.flow(&owner, more).await;
    let twins = (0..32).map(|_| {
        app.submit(
            &owner,
            &flow,
            json!({ "email": "Zoe@Hidden.example", "ssn": "078-05-1120" }),
        )
    });
    let receipts = join_all(twins).await;
    assert_eq!(accepted(&receipts), 1);
    let other = app
        .submit(
            &owner,
            &flow,
            json!({ "email": "zoe@hidden.example", "ssn": "078-05-1121" }),
        )
        .await;
    assert_eq!(other["outcome"], "ACCEPTED");
    let dump = app.dump().await.to_lowercase();
    assert!(dump.contains("duplicate_memory: "));
    assert!(!dump.contains("zoe@hidden") && !dump.contains("078-05"));
});

both!(every_key_has_to_be_the_same, |app| {
    let owner = app.account("Acme").await;
    let flow = app
        .flow(
            &owner,
            json!({ "duplicateKeys": ["email", "phone"], "duplicateWindowDays": 2 }),
        )
        .await;
    let (email, phone) = ("ana@example.com", "415 555 0132");
    for (lead, outcome) in [
        (json!({ "email": email, "phone": phone }), "ACCEPTED"),
        (json!({ "email": email, "phone": "+14155550132" }), "REJECTED"),
        (json!({ "email": email, "phone": "415 555 0133" }), "ACCEPTED"),
        (json!({ "email": email }), "ACCEPTED"),
        (json!({ "email": email, "phone": "" }), "REJECTED"),
        // Without any key, or with one that is no email, a lead is like no other.
        (json!({ "score": 1 }), "ACCEPTED"),
        (json!({ "score": 1 }), "ACCEPTED"),
        (json!({ "email": "nobody" }), "ACCEPTED"),
        (json!({ "email": "nobody" }), "ACCEPTED"),
    ] {
        assert_eq!(
            app.submit(&owner, &flow, lead.clone()).await["outcome"],
            outcome,
            "{lead}"
        );
    }
});

both!(only_accepted_leads_are_remembered_and_each_flow_for_itself, |app| {
    let owner = app.account("Acme").await;
    let rule = json!({ "condition": { "field": "score", "operator": "GREATER_THAN", "value": 10 } });
    let mut input = by_email();
    input["acceptanceRule"] = rule;
    let flow = app.flow(&owner, input).await;
    let lead = |score: u32| json!({ "email": "ana@example.com", "score": score });
    assert_eq!(codes(&app.submit(&owner, &flow, lead(1)).await), ["NOT_ACCEPTED"]);
    assert_eq!(app.submit(&owner, &flow, lead(11)).await["outcome"], "ACCEPTED");
    assert_eq!(codes(&app.submit(&owner, &flow, lead(11)).await), ["DUPLICATE"]);
    // Every reason that applies is told.
    assert_eq!(
        codes(&app.submit(&owner, &flow, lead(1)).await),
        ["DUPLICATE", "NOT_ACCEPTED"]
    );
    let other = app.flow(&owner, by_email()).await;
    assert_eq!(app.submit(&owner, &other, lead(1)).await["outcome"], "ACCEPTED");
});
