//! Settings of delivery by email.

use entity::delivery_config::{EmailConfig, EmailFormat, FieldMapping, FieldSelection};

use super::shared;
use crate::check::Checked;
use crate::known_fields::KnownFields;
use leadmesh_core::error::{Error, Result, UserError, UserErrorCode};
use leadmesh_core::identity::{email_address, texts};
use leadmesh_forms::templates::{Escape, FieldNames};

const MAX_RECIPIENTS: usize = 20;
/// In characters.
const MAX_SUBJECT: usize = 500;

/// Delivery by mail.
#[derive(Clone, Debug, Default)]
pub struct EmailInput {
    /// 1 to 20 addresses, all named in one message.
    pub recipients: Vec<String>,
    /// Template of the subject, at most 500 characters.
    pub subject: String,
    /// Template of the body, at most 64 KiB; none or blank means a table of the shared fields.
    pub body: Option<String>,
    /// Kind of body.
    pub format: EmailFormat,
    /// What the recipients get to see; none means all.
    pub fields: Option<FieldSelection>,
    /// Names shown in place of the fields' labels.
    pub mapping: Vec<FieldMapping>,
}

pub(super) fn check(input: EmailInput, known: KnownFields, path: &str) -> Result<EmailConfig> {
    let recipients = recipients(&input.recipients, &format!("{path}.recipients"))?;
    let subject = texts::line(&input.subject, MAX_SUBJECT, &format!("{path}.subject"))?;
    let body = input.body.filter(|body| !body.trim().is_empty()).unwrap_or_default();
    let fields = shared::selection(input.fields, &known, &format!("{path}.fields"))?;
    let checked = known.checked_by(&fields);
    let known = known.under(&fields);
    let known = FieldNames::new(&known);
    let escape = match input.format {
        EmailFormat::Text => Escape::None,
        EmailFormat::Html => Escape::Html,
    };
    let template = |source: &str, escape, setting: &str| {
        shared::template(source, escape, &checked, &known, &format!("{path}.{setting}"))
    };
    let checks = [
        shared::mapping(&input.mapping, &checked, &known, &format!("{path}.mapping")),
        template(&subject, Escape::None, "subject"),
        template(&body, escape, "body"),
    ];
    let broken: Vec<UserError> = checks
        .into_iter()
        .filter_map(std::result::Result::err)
        .flatten()
        .collect();
    if !broken.is_empty() {
        return Err(Error::User(broken));
    }
    Ok(EmailConfig {
        recipients,
        subject,
        body,
        format: input.format,
        fields,
        mapping: input.mapping,
    })
}

fn recipients(given: &[String], path: &str) -> Checked<Vec<String>> {
    let mut recipients: Vec<String> = Vec::new();
    if given.is_empty() {
        return Err(UserError::new(
            UserErrorCode::Required,
            path,
            "give at least one address",
        ));
    }
    if given.len() > MAX_RECIPIENTS {
        let message = "give 20 addresses at most";
        return Err(UserError::new(UserErrorCode::LimitReached, path, message));
    }
    for (index, text) in given.iter().enumerate() {
        let address = email_address::parse(text, &format!("{path}.{index}"))?;
        if !recipients.contains(&address) {
            recipients.push(address);
        }
    }
    Ok(recipients)
}

#[cfg(test)]
mod tests {
    use super::*;
    use entity::delivery_config::FieldSelectionMode;

    fn input() -> EmailInput {
        EmailInput {
            recipients: vec!["Ann@Example.com".into(), "ann@example.com".into()],
            subject: " New lead {{ lead.first_name }} ".into(),
            fields: Some(FieldSelection {
                mode: FieldSelectionMode::Only,
                fields: vec!["first_name".into()],
            }),
            ..EmailInput::default()
        }
    }

    /// A change, the rule that it breaks, and where.
    type Case = (fn(&mut EmailInput), UserErrorCode, &'static str);

    fn broken(input: EmailInput) -> Vec<(UserErrorCode, String)> {
        match check(input, KnownFields::default(), "input.delivery.email") {
            Err(Error::User(broken)) => {
                let told = broken.iter().map(|rule| (rule.code, rule.path.join(".")));
                told.collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn good_settings_come_out_tidy() {
        let config = check(input(), KnownFields::default(), "x").unwrap();
        assert_eq!(config.recipients, ["ann@example.com"]);
        assert_eq!(config.subject, "New lead {{ lead.first_name }}");
        assert_eq!(config.body, "");
    }

    #[test]
    fn what_is_wrong_is_told_where_it_stands() {
        let at = |setting: &str| format!("input.delivery.email.{setting}");
        let with = |change: fn(&mut EmailInput)| {
            let mut input = input();
            change(&mut input);
            broken(input)
        };
        let cases: [Case; 8] = [
            (|input| input.recipients.clear(), UserErrorCode::Required, "recipients"),
            (
                |input| input.recipients = vec!["a@b.co".into(); 21],
                UserErrorCode::LimitReached,
                "recipients",
            ),
            (
                |input| input.recipients.push("nobody".into()),
                UserErrorCode::Invalid,
                "recipients.2",
            ),
            (|input| input.subject = " ".into(), UserErrorCode::Required, "subject"),
            (
                |input| input.subject = "x".repeat(501),
                UserErrorCode::TooLong,
                "subject",
            ),
            (
                |input| input.subject = "{{ lead.".into(),
                UserErrorCode::InvalidTemplate,
                "subject",
            ),
            (
                |input| input.body = Some("{{ lead.nope }}".into()),
                UserErrorCode::UnknownField,
                "body",
            ),
            (
                |input| input.body = Some("x".repeat(70_000)),
                UserErrorCode::InvalidTemplate,
                "body",
            ),
        ];
        for (change, code, setting) in cases {
            assert_eq!(with(change), [(code, at(setting))]);
        }
    }

    #[test]
    fn a_template_may_not_name_what_is_not_shared() {
        let mut input = input();
        input.body = Some("{{ lead.ssn }}".into());
        input.fields = Some(FieldSelection {
            mode: FieldSelectionMode::Except,
            fields: vec!["ssn".into(), "first_name".into()],
        });
        let not_shared = |setting: &str| (UserErrorCode::FieldNotShared, format!("input.delivery.email.{setting}"));
        assert_eq!(broken(input), [not_shared("subject"), not_shared("body")]);
    }
}
