//! Refused settings of webhooks, and their paths.

use clap::Parser;
use entity::delivery_config::FieldSelectionMode;
use serde_json::json;

use super::*;
use leadmesh_core::config::{Secret, Settings};

const PATH: &str = "input.delivery.webhook";

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    settings: Settings,
}

fn config(allowed: &[&str]) -> Config {
    let mut settings = CommandLine::parse_from(["test"]).settings;
    settings.allow_destinations = allowed.iter().map(|net| net.parse().unwrap()).collect();
    Config {
        settings,
        public_url: String::new(),
        database_url: String::new(),
        master_key: Secret([0; 32]),
        previous_master_key: None,
        token_secret: Secret([0; 32]),
        mail: None,
        origins: leadmesh_core::config::origins::Origins::Only(Vec::new()),
    }
}

/// The settings, or which rules they break and where.
type Told = std::result::Result<WebhookConfig, Vec<(UserErrorCode, String)>>;

fn checked(input: WebhookInput, allowed: &[&str]) -> Told {
    match check(input, &config(allowed), KnownFields::default(), PATH) {
        Ok((config, _)) => Ok(config),
        Err(Error::User(broken)) => {
            let told = broken.iter().map(|rule| (rule.code, rule.path.join(".")));
            Err(told.collect())
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn refused(input: WebhookInput, code: UserErrorCode, setting: &str) {
    let shown = format!("{input:?}");
    assert_eq!(
        checked(input, &[]),
        Err(vec![(code, format!("{PATH}.{setting}"))]),
        "{shown}"
    );
}

#[test]
fn an_address_alone_gets_every_default() {
    let config = checked(WebhookInput::to("https://crm.example.com/leads?x=1"), &[]).unwrap();
    assert_eq!(config.url, "https://crm.example.com/leads?x=1");
    assert_eq!(
        (config.timeout_ms, config.retry.attempts, config.sign),
        (15_000, 6, true)
    );
    assert_eq!(config.fields, FieldSelection::default());
}

#[test]
fn addresses_are_absolute_and_carry_no_password() {
    for url in [
        "",
        "crm.example.com/leads",
        "ftp://crm.example.com",
        "https://",
        "https://ann:pw@crm.example.com",
        "https://ann@crm.example.com",
        "javascript:alert(1)",
    ] {
        refused(WebhookInput::to(url), UserErrorCode::Invalid, "url");
    }
    let long = format!("https://crm.example.com/{}", "a".repeat(2_000));
    refused(WebhookInput::to(long), UserErrorCode::TooLong, "url");
}

#[test]
fn plain_http_takes_consent() {
    refused(
        WebhookInput::to("http://crm.example.com"),
        UserErrorCode::InsecureUrl,
        "url",
    );
    let mut input = WebhookInput::to("http://crm.example.com");
    input.allow_insecure_http = true;
    assert!(checked(input, &[]).is_ok());
}

#[test]
fn forbidden_destinations_are_refused_in_every_spelling_unless_the_operator_allows_them() {
    for host in [
        "127.0.0.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.1.2.3",
        "169.254.169.254",
        "localhost",
        "LOCALHOST.",
        "app.localhost",
    ] {
        refused(
            WebhookInput::to(format!("https://{host}/in")),
            UserErrorCode::DestinationBlocked,
            "url",
        );
    }
    for url in ["https://127.0.0.1/in", "https://localhost:8080/in"] {
        assert!(checked(WebhookInput::to(url), &["127.0.0.0/8"]).is_ok(), "{url}");
    }
}

#[test]
fn a_custom_shape_names_only_what_is_shared() {
    let shaped = |template: Value, fields: &[&str]| {
        let mut input = WebhookInput::to("https://crm.example.com");
        input.template = Some(template);
        input.fields = Some(FieldSelection {
            mode: FieldSelectionMode::Except,
            fields: fields.iter().map(ToString::to_string).collect(),
        });
        input
    };
    let shape = json!({"contact": {"ssn": "{{ lead.ssn }}"}});
    refused(
        shaped(shape.clone(), &["ssn"]),
        UserErrorCode::FieldNotShared,
        "template",
    );
    refused(shaped(shape, &["other"]), UserErrorCode::UnknownField, "template");
    refused(
        shaped(json!({"a": "{{ lead."}), &["x"]),
        UserErrorCode::InvalidTemplate,
        "template",
    );
    refused(
        shaped(json!({"a": "x".repeat(66_000)}), &["x"]),
        UserErrorCode::InvalidTemplate,
        "template",
    );
    assert!(checked(shaped(json!({"src": "leadmesh"}), &["x"]), &[]).is_ok());
}

#[test]
fn numbers_renamings_and_selections_stay_within_their_bounds() {
    let with = |change: fn(&mut WebhookInput)| {
        let mut input = WebhookInput::to("https://crm.example.com");
        change(&mut input);
        input
    };
    refused(
        with(|input| input.timeout_ms = Some(999)),
        UserErrorCode::Invalid,
        "timeoutMs",
    );
    refused(
        with(|input| input.timeout_ms = Some(60_001)),
        UserErrorCode::Invalid,
        "timeoutMs",
    );
    let rename = with(|input| {
        input.mapping = vec![FieldMapping {
            from: "nope".into(),
            to: "x".into(),
        }];
    });
    refused(rename, UserErrorCode::UnknownField, "mapping");
    let twice = with(|input| {
        let renamed = |from: &str| FieldMapping {
            from: from.into(),
            to: "x".into(),
        };
        input.mapping = vec![renamed("a"), renamed("b")];
        input.fields = Some(FieldSelection {
            mode: FieldSelectionMode::Only,
            fields: vec!["a".into(), "b".into()],
        });
    });
    refused(twice, UserErrorCode::Invalid, "mapping");
    let nothing = with(|input| {
        input.fields = Some(FieldSelection {
            mode: FieldSelectionMode::Only,
            fields: vec![],
        });
    });
    refused(nothing, UserErrorCode::Required, "fields.fields");
}
