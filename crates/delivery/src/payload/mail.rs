//! Mails.

use entity::delivery_config::{EmailConfig, EmailFormat};
use entity::field::FieldDef;
use serde_json::{Map, Value};

use super::html_text::html_to_text;
use super::{Budget, Columns, Envelope, PayloadError};
use leadmesh_forms::templates::{
    Escape, FieldNames, Template, TemplateProblem, check, check_fields, escape_html, is_absent, value_text,
};

/// Most characters of a subject. In UTF-8 they stay below the 998 octets of a line in RFC 5322, section 2.1.1.
const MAX_SUBJECT_CHARS: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// One line, free of control characters, not empty.
    pub subject: String,
    /// The plain-text body, or the alternative to `html`.
    pub text: String,
    /// The HTML body, if the settings want one.
    pub html: Option<String>,
}

/// A mail's settings, ready to render leads. May be shared between threads.
#[derive(Debug)]
pub struct PreparedEmail {
    columns: Columns,
    subject: Template,
    body: Option<Template>,
    format: EmailFormat,
}

impl PreparedEmail {
    pub fn new(config: &EmailConfig, definitions: &[FieldDef]) -> Result<Self, PayloadError> {
        let subject = subject_template(config)?;
        let body = body_template(config)?;
        let columns = Columns::new(&config.fields, &config.mapping, definitions);
        Ok(Self {
            columns,
            subject,
            body,
            format: config.format,
        })
    }

    /// Everything in the settings' fields, renamings and templates that must be refused when they are saved.
    pub fn check(config: &EmailConfig, definitions: &[FieldDef]) -> Vec<TemplateProblem> {
        let names = FieldNames::new(definitions);
        let mut problems = check_fields(&config.fields, &config.mapping, &names);
        let templates = [
            ("subject", subject_template(config).map(Some)),
            ("body", body_template(config)),
        ];
        for (setting, template) in templates {
            match template {
                Ok(Some(template)) => {
                    let found = check(&template, &names, &config.fields);
                    problems.extend(found.into_iter().map(|problem| problem.within(setting)));
                }
                Ok(None) => {}
                Err(error) => problems.push(error.into()),
            }
        }
        problems
    }

    /// Renders the mail for one lead. The subject of a test delivery begins with `[Test]`.
    /// Subject, body and the plain text beside an HTML body count together.
    ///
    /// # Errors
    /// If a template fails on the lead's values, or the budget is used up.
    pub fn render(
        &self,
        lead: &Map<String, Value>,
        envelope: &Envelope,
        budget: &Budget,
    ) -> Result<Mail, PayloadError> {
        let values = self.columns.template_values(lead);
        let subject = self
            .subject
            .render(&values, budget)
            .map_err(PayloadError::template("subject"))?;
        let subject = one_line(&subject, envelope.test);
        let body = match &self.body {
            Some(body) => Some(body.render(&values, budget).map_err(PayloadError::template("body"))?),
            None => None,
        };
        let (text, html) = match (self.format, body) {
            (EmailFormat::Text, Some(text)) => (text, None),
            (EmailFormat::Text, None) => (self.list(lead, budget)?, None),
            (EmailFormat::Html, Some(html)) => {
                let text = html_to_text(&html);
                budget.write(text.len())?;
                (text, Some(html))
            }
            (EmailFormat::Html, None) => (self.list(lead, budget)?, Some(self.table(lead, &subject, budget)?)),
        };
        Ok(Mail { subject, text, html })
    }

    fn shown<'a>(&'a self, lead: &'a Map<String, Value>) -> impl Iterator<Item = (&'a str, String)> {
        let present = self.columns.values(lead).filter(|(_, value)| !is_absent(value));
        present.map(|(column, value)| (column.label.as_str(), value_text(value).replace("\r\n", "\n")))
    }

    /// `Label: value`, a line each. Further lines of a value are indented, so that none can pass for a field.
    fn list(&self, lead: &Map<String, Value>, budget: &Budget) -> Result<String, PayloadError> {
        let mut list = String::new();
        for (label, value) in self.shown(lead) {
            let before = list.len();
            list.extend([label, ": ", &value.replace(['\n', '\r'], "\n    "), "\n"]);
            budget.write(list.len() - before)?;
        }
        Ok(list)
    }

    fn table(&self, lead: &Map<String, Value>, caption: &str, budget: &Budget) -> Result<String, PayloadError> {
        let mut rows = String::new();
        for (label, value) in self.shown(lead) {
            let row = row(label, &value);
            budget.write(row.len())?;
            rows.push_str(&row);
        }
        let caption = escape_html(caption);
        Ok(format!(
            "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"><title>{caption}</title></head>\n<body>\n\
             <table style=\"border-collapse:collapse;font-family:sans-serif\">\n\
             <caption style=\"text-align:left;font-weight:bold;padding:4px 0\">{caption}</caption>\n\
             <tbody>\n{rows}</tbody>\n</table>\n</body>\n</html>\n"
        ))
    }
}

fn row(label: &str, value: &str) -> String {
    let (label, value) = (escape_html(label), escape_html(value).replace('\n', "<br>"));
    let style = "text-align:left;vertical-align:top;padding:4px 12px 4px 0";
    format!("<tr><th scope=\"row\" style=\"{style}\">{label}</th><td style=\"{style}\">{value}</td></tr>\n")
}

fn subject_template(config: &EmailConfig) -> Result<Template, PayloadError> {
    Template::parse(&config.subject, Escape::None).map_err(PayloadError::template("subject"))
}

/// The body's template; none for a blank one.
fn body_template(config: &EmailConfig) -> Result<Option<Template>, PayloadError> {
    if config.body.trim().is_empty() {
        return Ok(None);
    }
    let escape = match config.format {
        EmailFormat::Text => Escape::None,
        EmailFormat::Html => Escape::Html,
    };
    Template::parse(&config.body, escape)
        .map(Some)
        .map_err(PayloadError::template("body"))
}

/// Makes a header's worth of a text: control characters and line separators count as spaces, runs of spaces as one.
fn one_line(subject: &str, test: bool) -> String {
    let spaced = subject.replace(char::is_control, " ");
    let words = test.then_some("[Test]").into_iter().chain(spaced.split_whitespace());
    let line = words.collect::<Vec<_>>().join(" ");
    let line: String = line.chars().take(MAX_SUBJECT_CHARS).collect();
    if line.is_empty() {
        "New lead".to_owned()
    } else {
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_line_of_at_most_200_characters_and_never_empty() {
        assert_eq!(
            one_line("Ana\r\nBcc: x@y.test\u{0}\u{85}\u{2028}!", false),
            "Ana Bcc: x@y.test !"
        );
        assert_eq!(one_line(" \r\n ", false), "New lead");
        assert_eq!(one_line("Lead", true), "[Test] Lead");
        assert_eq!(one_line(&"ü".repeat(500), false).chars().count(), 200);
        assert!(one_line(&"😀".repeat(500), true).len() < 998);
    }
}
