//! Numbers that 64 bits do not hold: as values of leads, in rules, as prices and as identifiers they are read by their digits, or
//! refused by the name of what they were for.

use serde_json::{Value, json};

use super::strange_input::post;
use super::told;
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{Account, SUBMIT, accepted, text, webhook};

const CREATE_FLOW: &str = "mutation($input: CreateFlowInput!) { createFlow(input: $input) {
    flow { id price { amount currency } acceptanceRule } userErrors { code message path } } }";
const REPORT: &str = "query($range: TimeRangeInput!) { deliveryReport(range: $range, by: [FLOW]) { counts { delivered revenue { amount currency } } } }";

impl TestApp {
    /// The answer to a mutation of one input, which is this text: a value of Rust could not hold its numbers.
    async fn with_input(&self, owner: &Account, mutation: &str, input: &str) -> Value {
        let body = format!(r#"{{"query":{},"variables":{{"input":{input}}}}}"#, json!(mutation));
        let (status, answer) = post(self, &owner.key, body).await;
        assert_eq!(status, 200, "{answer:#}");
        answer
    }
}

both!(long_decimals_of_leads_arrive_as_sent, |app| {
    let owner = app.account("Acme").await;
    let receiver = HttpReceiver::start().await;
    let (flow, ..) = app.flow_to(&owner, webhook(&receiver.url("/"))).await;
    let fields = r#"{"company":12345678901234567890.12,"score":0.1000000000000000055}"#;
    let expected = json!({ "company": "12345678901234567890.12", "score": "0.1000000000000000055" });
    let by_variable = app
        .with_input(
            &owner,
            SUBMIT,
            &format!(r#"{{"flowId":"{}","fields":{fields}}}"#, flow.id),
        )
        .await;
    let literal = fields.replace("\"company\"", "company").replace("\"score\"", "score");
    let document = format!(
        "mutation {{ submitLead(input: {{ flowId: \"{}\", fields: {literal} }}) {{ receipt {{ id outcome warnings {{ code field message }} }} userErrors {{ message }} }} }}",
        flow.id
    );
    let by_literal = app.ask(Some(&owner.key), &document, json!({})).await;
    for answer in [by_variable, by_literal] {
        let receipt = accepted(&answer, "submitLead")["receipt"].take();
        assert_eq!(told(&receipt["warnings"]), [], "{answer:#}");
        assert_eq!(app.lead(&owner, &receipt["id"]).await["fields"], expected);
        let sent = receiver.next().await;
        for field in ["company", "score"] {
            assert_eq!(sent.json()[field], expected[field], "{}", sent.text());
        }
    }
});

both!(
    /// It is one value of one lead that is wrong, and that is what is told.
    a_number_that_nothing_holds_is_a_warning_of_its_field,
    |app| {
        let owner = app.account("Acme").await;
        let flow = app.flow(&owner, json!({})).await;
        let input = format!(r#"{{"flowId":"{}","fields":{{"company":1e400,"score":1e400,"last_name":0.10000000000000001}}}}"#, flow.id);
        let answer = app.with_input(&owner, SUBMIT, &input).await;
        let receipt = accepted(&answer, "submitLead")["receipt"].take();
        assert_eq!(receipt["outcome"], "ACCEPTED");
        assert_eq!(told(&receipt["warnings"]), [("INVALID_VALUE".to_owned(), "score".to_owned())], "{answer:#}");
        let message = text(&receipt["warnings"][0]["message"]);
        assert!(message.contains("Send digits") && message.contains("28 digits"), "{message}");
        // 17 digits are how some programs write a double.
        let stored = app.lead(&owner, &receipt["id"]).await["fields"].take();
        assert_eq!(stored, json!({ "company": "1e400", "score": "1e400", "last_name": "0.1" }));
    }
);

both!(rules_compare_all_digits, |app| {
    let owner = app.account("Acme").await;
    let fields = r#"[{"name":"amount","type":"NUMBER"}]"#;
    let rule = r#"{"all":[
        {"condition":{"field":"amount","operator":"GREATER_THAN","value":12345678901234567890.11}},
        {"condition":{"field":"amount","operator":"LESS_THAN","value":1.234567890123456789013e19}}]}"#;
    let input = format!(r#"{{"name":"Exact","fields":{fields},"acceptanceRule":{rule}}}"#);
    let flow = accepted(&app.with_input(&owner, CREATE_FLOW, &input).await, "createFlow")["flow"].take();
    for (amount, outcome) in [
        ("12345678901234567890.11", "REJECTED"),
        ("12345678901234567890.12", "ACCEPTED"),
        (r#""12345678901234567890.12""#, "ACCEPTED"),
        ("1.234567890123456789012e19", "ACCEPTED"),
        ("12345678901234567890.13", "REJECTED"),
        ("12345678901234567000", "REJECTED"),
    ] {
        let input = format!(r#"{{"flowId":{},"fields":{{"amount":{amount}}}}}"#, flow["id"]);
        let answer = app.with_input(&owner, SUBMIT, &input).await;
        assert_eq!(
            accepted(&answer, "submitLead")["receipt"]["outcome"],
            outcome,
            "{amount}: {answer:#}"
        );
    }
});

both!(prices_are_read_and_added_by_their_digits, |app| {
    let owner = app.account("Acme").await;
    let input =
        |amount: &str| format!(r#"{{"name":"Priced","fields":[],"price":{{"amount":{amount},"currency":"EUR"}}}}"#);
    for (amount, taken) in [
        ("999999999.9999", "999999999.9999"),
        ("1.25e1", "12.5"),
        ("12500E-3", "12.5"),
        ("0.10000000000000000000", "0.1"),
        ("1e9", "1000000000"),
    ] {
        let flow = accepted(&app.with_input(&owner, CREATE_FLOW, &input(amount)).await, "createFlow")["flow"].take();
        assert_eq!(flow["price"], json!({ "amount": taken, "currency": "EUR" }), "{amount}");
        let document = format!(
            "mutation {{ createFlow(input: {{ name: \"Priced\", fields: [], price: {{ amount: {amount}, currency: \"EUR\" }} }}) {{ flow {{ price {{ amount }} }} userErrors {{ message }} }} }}"
        );
        let answer = app.ask(Some(&owner.key), &document, json!({})).await;
        assert_eq!(
            accepted(&answer, "createFlow")["flow"]["price"]["amount"],
            taken,
            "{document}"
        );
    }
    // Beyond what a Decimal holds: the input is named, and what to do.
    for amount in [
        "1e400",
        "1e-400",
        "0.10000000000000000000000000001",
        "123456789012345678901234567890",
    ] {
        let body = format!(
            r#"{{"query":{},"variables":{{"input":{}}}}}"#,
            json!(CREATE_FLOW),
            input(amount)
        );
        let (_, answer) = post(&app, &owner.key, body).await;
        let message = text(&answer["errors"][0]["message"]);
        assert!(
            message.contains("at \"input.price.amount\": a Decimal is") && message.contains("send a string"),
            "{answer:#}"
        );
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    }
    // A Decimal, and no price.
    for amount in ["12345678901234567890.12", "0.00001", "9007199254740993.5", "1e-28"] {
        let answer = app.with_input(&owner, CREATE_FLOW, &input(amount)).await;
        let errors = &answer["data"]["createFlow"]["userErrors"];
        assert_eq!(
            errors[0]["path"],
            json!(["input", "price", "amount"]),
            "{amount}: {answer:#}"
        );
    }

    let flow = app.flow(&owner, json!({})).await;
    let (partner, _) = app.partner(&owner, "Portal", json!({ "portal": {} }), json!({})).await;
    let price = json!({ "amount": "999999999.9999", "currency": "EUR" });
    let profile = app.profile(&owner, json!({ "basePrice": price })).await;
    app.assign(&owner, &profile, &partner, json!({})).await;
    app.step(
        &owner,
        &flow,
        "Out",
        json!({ "distribute": { "profileId": profile } }),
        Value::Null,
    )
    .await;
    for _ in 0..11 {
        app.submit(&owner, &flow, json!({ "first_name": "Ana" })).await;
    }
    let range = json!({ "from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z" });
    let data = app.data(&owner.token, REPORT, json!({ "range": range })).await;
    // A double would say 10999999999.9989 only by chance: it has no digit to spare.
    assert_eq!(
        data["deliveryReport"][0]["counts"],
        json!({ "delivered": 11, "revenue": [{ "amount": "10999999999.9989", "currency": "EUR" }] })
    );
});

both!(identifiers_are_the_text_of_a_whole_number, |app| {
    let owner = app.account("Acme").await;
    for number in [
        "7",
        "18446744073709551615",
        "-9223372036854775809",
        "123456789012345678901234",
    ] {
        let by_literal = format!("{{ lead(id: {number}) {{ id }} }}");
        let told = app.data(&owner.key, &by_literal, json!({})).await;
        assert_eq!(told, json!({ "lead": null }), "{number}");
        let query = json!("query($id: ID!) { lead(id: $id) { id } }");
        let body = format!(r#"{{"query":{query},"variables":{{"id":{number}}}}}"#);
        let (status, answer) = post(&app, &owner.key, body).await;
        assert_eq!((status, answer), (200, json!({ "data": { "lead": null } })), "{number}");
    }
    let refused = app.ask(Some(&owner.key), "{ lead(id: 1e400) { id } }", json!({})).await;
    assert!(
        text(&refused["errors"][0]["message"]).contains("an ID is a string or a whole number"),
        "{refused:#}"
    );
});
