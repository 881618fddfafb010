//! F1: every type of field, with valid, sloppy, invalid and empty values.

use serde_json::{Map, Value, json};

use super::told;
use crate::support::app::both;

/// Type; canonical value; the same as people write it; something else.
fn types() -> Vec<(&'static str, Value, Value, Value)> {
    vec![
        ("TEXT", json!("Ann"), json!("  Ann "), json!(["Ann"])),
        (
            "EMAIL",
            json!("ann@example.com"),
            json!(" Ann@Example.COM"),
            json!("ann at example"),
        ),
        (
            "PHONE",
            json!("+14155552671"),
            json!("(415) 555-2671"),
            json!("call me"),
        ),
        (
            "URL",
            json!("https://example.com/"),
            json!("Example.com"),
            json!("no address"),
        ),
        ("NUMBER", json!(1234.5), json!("$1,234.50"), json!("many")),
        ("INTEGER", json!(1234), json!("1,234"), json!(12.5)),
        ("BOOLEAN", json!(true), json!("Yes"), json!("perhaps")),
        ("DATE", json!("2024-02-09"), json!("2/9/2024"), json!("2024-02-30")),
        (
            "DATETIME",
            json!("2024-02-09T10:11:12Z"),
            json!(1_707_473_472),
            json!("yesterday"),
        ),
        ("POSTAL_CODE", json!("02134"), json!(2134), json!("none of them")),
        ("STATE", json!("NY"), json!("new york"), json!("Atlantis")),
        ("COUNTRY", json!("US"), json!("U.S.A."), json!("Atlantis")),
        ("CHOICE", json!("Buy"), json!("buy"), json!("steal")),
        (
            "IP_ADDRESS",
            json!("192.0.2.1"),
            json!("::FFFF:192.0.2.1"),
            json!("192.0.2.256"),
        ),
        ("JSON", json!({"a": 1}), json!("{\"a\": 1}"), json!("{\"a\"")),
    ]
}

fn name(field_type: &str) -> String {
    format!("the_{}", field_type.to_lowercase())
}

/// A field of every type.
fn definitions(required: bool) -> Value {
    let definition = |(field_type, ..): &(&str, Value, Value, Value)| {
        let choices = (*field_type == "CHOICE").then(|| json!(["Buy", "Rent"]));
        json!({ "name": name(field_type), "type": field_type, "required": required, "choices": choices })
    };
    types().iter().map(definition).collect()
}

/// A lead of one column of the table.
fn lead(column: impl Fn((&'static str, Value, Value, Value)) -> Value) -> Value {
    let fields: Map<String, Value> = types().into_iter().map(|row| (name(row.0), column(row))).collect();
    Value::Object(fields)
}

/// What is told when every field has that problem.
fn all(code: &str) -> Vec<(String, String)> {
    let mut all: Vec<_> = types()
        .iter()
        .map(|(field_type, ..)| (code.to_owned(), name(field_type)))
        .collect();
    all.sort();
    all
}

both!(every_type_takes_valid_and_sloppy_values_and_keeps_the_raw_ones, |app| {
    let owner = app.account("Acme").await;
    for required in [false, true] {
        let flow = app.flow(&owner, json!({ "fields": definitions(required) })).await;
        let canonical = lead(|(_, canonical, ..)| canonical);
        let sloppy = lead(|(_, _, sloppy, _)| sloppy);

        let receipt = app.submit(&owner, &flow, canonical.clone()).await;
        assert_eq!(
            (&receipt["outcome"], told(&receipt["warnings"]).len()),
            (&json!("ACCEPTED"), 0),
            "{receipt:#}"
        );
        let stored = app.lead(&owner, &receipt["id"]).await;
        assert_eq!((&stored["fields"], &stored["rawFields"]), (&canonical, &json!({})));

        let receipt = app.submit(&owner, &flow, sloppy.clone()).await;
        assert_eq!(
            (&receipt["outcome"], told(&receipt["warnings"]).len()),
            (&json!("ACCEPTED"), 0),
            "{receipt:#}"
        );
        let stored = app.lead(&owner, &receipt["id"]).await;
        assert_eq!((&stored["fields"], &stored["rawFields"]), (&canonical, &sloppy));
    }
});

both!(
    an_invalid_value_rejects_where_it_is_required_and_else_stays_raw_with_a_warning,
    |app| {
        let owner = app.account("Acme").await;
        let invalid = lead(|(.., invalid)| invalid);

        let optional = app.flow(&owner, json!({ "fields": definitions(false) })).await;
        let receipt = app.submit(&owner, &optional, invalid.clone()).await;
        assert_eq!(receipt["outcome"], "ACCEPTED", "{receipt:#}");
        assert_eq!(told(&receipt["warnings"]), all("INVALID_VALUE"));
        assert_eq!(app.lead(&owner, &receipt["id"]).await["fields"], invalid);

        let required = app.flow(&owner, json!({ "fields": definitions(true) })).await;
        let receipt = app.submit(&owner, &required, invalid.clone()).await;
        assert_eq!(receipt["outcome"], "REJECTED");
        assert_eq!(told(&receipt["reasons"]), all("INVALID_VALUE"));
        for reason in receipt["reasons"].as_array().unwrap() {
            assert!(
                !reason["message"].as_str().unwrap().contains("Atlantis"),
                "a message repeats a value: {reason}"
            );
        }
    }
);

both!(an_empty_value_is_missing_where_it_is_required_and_else_nothing, |app| {
    let owner = app.account("Acme").await;
    let optional = app.flow(&owner, json!({ "fields": definitions(false) })).await;
    let required = app.flow(&owner, json!({ "fields": definitions(true) })).await;
    for empty in [
        lead(|_| Value::Null),
        lead(|_| json!("")),
        lead(|_| json!(" \u{a0}\t")),
        json!({}),
    ] {
        let receipt = app.submit(&owner, &optional, empty.clone()).await;
        assert_eq!(
            (&receipt["outcome"], told(&receipt["warnings"]).len()),
            (&json!("ACCEPTED"), 0),
            "{empty}"
        );
        assert_eq!(app.lead(&owner, &receipt["id"]).await["fields"], json!({}));

        let receipt = app.submit(&owner, &required, empty.clone()).await;
        assert_eq!(receipt["outcome"], "REJECTED");
        assert_eq!(told(&receipt["reasons"]), all("REQUIRED"), "{empty}");
    }
});

both!(
    /// Phones, postal codes and states are read as those of the lead's own country.
    the_country_of_a_lead_decides_how_its_numbers_are_read,
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({ "fields": definitions(false) })).await;
        let lead = json!({ "the_phone": "020 7183 8750", "the_postal_code": "sw1a1aa", "the_country": "United Kingdom" });
        let receipt = app.submit(&owner, &flow, lead).await;
        assert_eq!(told(&receipt["warnings"]), []);
        let fields = app.lead(&owner, &receipt["id"]).await["fields"].take();
        assert_eq!(fields, json!({ "the_phone": "+442071838750", "the_postal_code": "SW1A 1AA", "the_country": "GB" }));
    }
);

both!(
    /// What is wrong with a field's definition is told by its place.
    definitions_that_cannot_be_are_refused_by_name,
    |app| {
        let owner = app.account("Acme").await;
        let fields = json!([
            { "name": "First Name", "type": "TEXT" },
            { "name": "kind", "type": "CHOICE" },
            { "name": "email", "type": "EMAIL", "example": "nobody" },
            { "name": "email", "type": "EMAIL" },
        ]);
        let broken = app.refused(&owner.token, crate::submission::CREATE_FLOW, json!({ "name": "Solar", "fields": fields })).await;
        let paths: Vec<&str> = broken.iter().map(|(_, path)| path.as_str()).collect();
        assert_eq!(paths, ["input.fields.0.name", "input.fields.1.choices", "input.fields.2.example", "input.fields.3.name"]);
    }
);
