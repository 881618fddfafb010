use super::*;
use chrono::{DateTime, Utc};
use entity::account::Plan;
use entity::cap_usage::Caps;
use entity::delivery_config::FieldMapping;
use entity::field::FieldType;
use entity::flow::{FieldDefs, Names};
use entity::source::Mappings;
use uuid::Uuid;

use leadmesh_forms::fields::{TypedValue, TypingContext, type_value};

fn at() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

fn field(name: &str, field_type: FieldType) -> FieldDef {
    FieldDef {
        name: name.into(),
        label: name.to_uppercase(),
        field_type,
        required: false,
        encrypted: false,
        choices: None,
        example: None,
        description: None,
    }
}

fn fields() -> Vec<FieldDef> {
    vec![
        FieldDef {
            required: true,
            ..field("email", FieldType::Email)
        },
        FieldDef {
            example: Some("78".into()),
            ..field("age", FieldType::Integer)
        },
        field("state", FieldType::State),
        FieldDef {
            encrypted: true,
            example: Some("856-45-6789".into()),
            ..field("ssn", FieldType::Text)
        },
        FieldDef {
            choices: Some(vec!["Buy".into(), "Rent".into()]),
            description: Some("Pick | choose\n<b>one</b>".into()),
            ..field("plan", FieldType::Choice)
        },
    ]
}

fn flow() -> flow::Model {
    flow::Model {
        id: FlowId(Uuid::from_u128(1)),
        account_id: AccountId(Uuid::from_u128(2)),
        name: "Solar".into(),
        description: None,
        enabled: true,
        is_inbox: false,
        version: 7,
        fields: FieldDefs(fields()),
        acceptance_rule: Some(json!({"condition": {"field": "state", "operator": "IN", "value": ["CA", "NV"]}})),
        duplicate_keys: Names(vec!["email".into()]),
        duplicate_window_days: Some(30),
        caps: Caps::default(),
        price_e4: Some(125_000),
        price_currency: Some("USD".into()),
        created_at: at(),
        updated_at: at(),
        deleted_at: None,
    }
}

fn source(mapping: &[(&str, &str)]) -> source::Model {
    let renaming = |(from, to): &(&str, &str)| FieldMapping {
        from: (*from).into(),
        to: (*to).into(),
    };
    source::Model {
        id: SourceId(Uuid::from_u128(3)),
        account_id: AccountId(Uuid::from_u128(2)),
        flow_id: FlowId(Uuid::from_u128(1)),
        kind: SourceKind::Own,
        name: "Web form".into(),
        enabled: true,
        acceptance_rule: Some(json!({"condition": {"field": "age", "operator": "GREATER_THAN", "value": 80}})),
        mapping: Mappings(mapping.iter().map(renaming).collect()),
        caps: Caps::default(),
        price_e4: None,
        price_currency: None,
        sender_account_id: None,
        connection_id: None,
        invitation_id: None,
        position: 0,
        created_at: at(),
        deleted_at: None,
    }
}

fn recipient() -> account::Model {
    account::Model {
        id: AccountId(Uuid::from_u128(2)),
        name: "Sun *Power*".into(),
        plan: Plan::Paid,
        website: None,
        timezone: "UTC".into(),
        contact_email: None,
        contact_verified_at: None,
        contact_counts: false,
        listed: false,
        notify_by_mail: true,
        config_version: 0,
        created_at: at(),
        updated_at: at(),
    }
}

fn docs(flow: &flow::Model, source: &source::Model) -> SubmissionDocs {
    let subject = Subject {
        flow,
        source,
        recipient: &recipient(),
        public_url: "https://leads.test",
    };
    generate(subject).unwrap()
}

#[test]
fn the_sender_sees_its_own_names_everywhere() {
    let docs = docs(&flow(), &source(&[("Mail Address", "email"), ("plan", "state")]));
    let names: Vec<&str> = docs.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(
        names,
        ["Mail Address", "age", "plan", "ssn"],
        "the flow's own plan has no name left"
    );
    let sent = &docs.example_variables["input"]["fields"];
    assert_eq!(sent["Mail Address"], "ana@example.com");
    assert!(sent.get("email").is_none());
    assert!(docs.markdown.contains("| `Mail Address` |"));
    assert!(
        docs.markdown
            .contains("with the same `Mail Address` as one of the last 30 days")
    );
    assert_eq!(
        docs.example_responses[1].body["data"]["submitLead"]["receipt"]["reasons"][0]["field"],
        "Mail Address"
    );
}

#[test]
fn the_example_lead_fits_both_rules() {
    let docs = docs(&flow(), &source(&[]));
    let sent = &docs.example_variables["input"]["fields"];
    assert_eq!(sent["state"], "CA");
    assert_eq!(sent["age"], 81);
    assert_eq!(
        docs.acceptance_rule_text.as_deref(),
        Some("STATE is one of CA, NV and AGE is more than 80")
    );
}

#[test]
fn examples_of_encrypted_fields_are_made_up() {
    let docs = docs(&flow(), &source(&[]));
    assert!(!format!("{docs:?}").contains("856-45-6789"));
}

#[test]
fn an_example_is_given_for_every_outcome_with_the_price_of_an_accepted_lead() {
    let docs = docs(&flow(), &source(&[]));
    let told = docs.example_responses.iter().map(|response| {
        let receipt = &response.body["data"]["submitLead"]["receipt"];
        (receipt["outcome"].clone(), receipt["price"].clone())
    });
    let price = json!({"amount": "12.5", "currency": "USD"});
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (json!("ACCEPTED"), price),
            (json!("REJECTED"), Value::Null),
            (json!("FAILED"), Value::Null)
        ]
    );
}

#[test]
fn a_disabled_flow_or_source_is_told() {
    let off = flow::Model {
        enabled: false,
        ..flow()
    };
    let docs = docs(&off, &source(&[]));
    assert!(!docs.enabled && docs.markdown.contains("every submission is rejected"));
}

#[test]
fn what_accounts_write_makes_no_markup() {
    let markdown = docs(&flow(), &source(&[("a|b`c", "age")])).markdown;
    assert!(markdown.starts_with("# Submitting leads to Sun \\*Power\\*: Solar\n"));
    assert!(markdown.contains("Pick \\| choose \\<b\\>one\\</b\\> One of `Buy`, `Rent`."));
    assert!(markdown.contains("| `` a\\|b`c `` |"));
}

#[test]
fn every_made_up_example_is_valid_for_its_type() {
    let every = [
        FieldType::Text,
        FieldType::Email,
        FieldType::Phone,
        FieldType::Url,
        FieldType::Number,
        FieldType::Integer,
        FieldType::Boolean,
        FieldType::Date,
        FieldType::Datetime,
        FieldType::PostalCode,
        FieldType::State,
        FieldType::Country,
        FieldType::IpAddress,
        FieldType::Json,
    ];
    let fields: Vec<FieldDef> = every
        .map(|field_type| field(&format!("{field_type:?}"), field_type))
        .into();
    let lead = example::lead(&fields, None);
    for field in &fields {
        let typed = type_value(field, &lead[&field.name], &TypingContext::default());
        assert!(matches!(typed, TypedValue::Valid(_)), "{}: {typed:?}", field.name);
    }
}

#[test]
fn the_owners_example_keeps_its_type() {
    let age = FieldDef {
        example: Some("78".into()),
        ..field("age", FieldType::Integer)
    };
    let zip = FieldDef {
        example: Some("02134".into()),
        ..field("zip", FieldType::PostalCode)
    };
    let lead = example::lead(&[age, zip], None);
    assert_eq!((&lead["age"], &lead["zip"]), (&json!(78), &json!("02134")));
}

#[test]
fn another_account_gets_its_own_key_and_not_the_owners_name_for_it() {
    let sender = source::Model {
        kind: SourceKind::Account,
        name: "Slow payer".into(),
        ..source(&[])
    };
    let docs = docs(&flow(), &sender);
    assert!(docs.authentication.contains("an API key of your own account"));
    assert!(!format!("{docs:?}{}", html::render(&docs)).contains("Slow payer"));
}

#[test]
fn the_page_shows_what_accounts_write_as_text() {
    let page = html::render(&docs(&flow(), &source(&[("a<b>", "age")])));
    assert!(page.contains("<td><code>a&lt;b&gt;</code></td>"));
    assert!(
        page.contains("<div class=\"wide\">\n<table>") && html::STYLE.contains(".wide{overflow-x:auto}"),
        "on a phone the table scrolls, not the page"
    );
    assert!(page.contains("Pick | choose\n&lt;b&gt;one&lt;/b&gt; One of Buy, Rent."));
    assert!(page.contains("<li>Price of an accepted lead: <code>12.5 USD</code></li>"));
    assert_eq!(
        page.matches("<pre>").count(),
        6,
        "an operation, its variables, a command, and three answers"
    );
}
