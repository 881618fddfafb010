//! The docs as Markdown. Texts of accounts are escaped, also against HTML.

use std::fmt::Write;

use super::{ExampleResponse, SubmissionDocs, meaning, pretty};
use entity::field::FieldDef;

pub(super) fn render(docs: &SubmissionDocs) -> String {
    let mut out = format!(
        "# Submitting leads to {}: {}\n\n",
        plain(&docs.recipient_name),
        plain(&docs.flow_name)
    );
    if !docs.enabled {
        out.push_str("**At the moment no leads are taken here:** every submission is rejected.\n\n");
    }
    let name = docs.source_name.as_deref();
    let name = name.map(|name| format!(" ({})", plain(name))).unwrap_or_default();
    let _ = write!(
        out,
        "- Endpoint: `POST {}`\n- Flow: `{}`\n- Source: `{}`{name}\n- These docs as they are now: `GET {}`\n",
        docs.endpoint, docs.flow_id, docs.source_id, docs.page
    );
    if let Some(price) = &docs.price {
        let _ = writeln!(out, "- Price of an accepted lead: {price}");
    }
    let _ = write!(out, "\n## Authentication\n\n{}\n\n", plain(&docs.authentication));
    out.push_str(&fields(&docs.fields));
    out.push_str(&acceptance(docs));
    out.push_str(&submitting(docs));
    out.push_str(&responses(&docs.example_responses));
    out
}

fn fields(fields: &[FieldDef]) -> String {
    let mut out =
        "## Fields\n\n| Name | Label | Type | Required | Example | Notes |\n| --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
    for field in fields {
        let cells = [
            code(&field.name),
            plain(&field.label),
            type_name(field),
            (if field.required { "yes" } else { "no" }).to_owned(),
            code(field.example.as_deref().unwrap_or_default()),
            notes(field),
        ];
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out.push_str("\nFields that are not listed here are dropped with a warning.\n\n");
    out
}

fn type_name(field: &FieldDef) -> String {
    code(&super::type_name(field))
}

fn notes(field: &FieldDef) -> String {
    let choices = field
        .choices
        .iter()
        .flatten()
        .map(|choice| code(choice))
        .collect::<Vec<_>>();
    let choices = Some(format!("One of {}.", choices.join(", "))).filter(|_| !choices.is_empty());
    let description = field.description.as_deref().map(plain);
    let encrypted = field.encrypted.then(|| "Encrypted by the recipient.".to_owned());
    let notes: Vec<String> = [description, choices, encrypted].into_iter().flatten().collect();
    notes.join(" ")
}

fn acceptance(docs: &SubmissionDocs) -> String {
    let rule = docs.acceptance_rule_text.as_deref().map(plain);
    let rule = rule.map_or("There is no rule: every valid lead is taken.".to_owned(), |rule| {
        format!("A lead is taken if: {rule}.")
    });
    format!("## Which leads are taken\n\n{rule}\n\n{}", duplicates(docs))
}

fn duplicates(docs: &SubmissionDocs) -> String {
    if docs.duplicate_keys.is_empty() {
        return String::new();
    }
    let keys: Vec<String> = docs.duplicate_keys.iter().map(|key| code(key)).collect();
    format!(
        "A lead with the same {} as one of the last {} days is rejected as a duplicate.\n\n",
        keys.join(", "),
        docs.duplicate_days
    )
}

fn submitting(docs: &SubmissionDocs) -> String {
    let variables = pretty(&docs.example_variables);
    format!(
        "## Submitting\n\nGive every lead an `idempotencyKey` of its own: sent again with the same key, it is not taken twice, \
         and the first receipt comes back. With `test` the whole path is run and nothing is counted or paid; leave it out for \
         real leads.\n\n```graphql\n{}```\n\nVariables:\n\n```json\n{variables}\n```\n\nAs a command:\n\n```sh\n{}\n```\n\n",
        docs.example_operation, docs.example_curl
    )
}

fn responses(responses: &[ExampleResponse]) -> String {
    let mut out = "## Answers\n".to_owned();
    for response in responses {
        let (title, meaning) = meaning(response.outcome);
        let _ = write!(
            out,
            "\n### {title}\n\n{meaning}\n\n```json\n{}\n```\n",
            pretty(&response.body)
        );
    }
    out
}

/// One line of text without markup (`CommonMark` 0.31, section 2.4).
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            _ if letter.is_control() => out.push(' '),
            _ if "\\`*_{}[]<>()#|~&!".contains(letter) => out.extend(['\\', letter]),
            _ => out.push(letter),
        }
    }
    out
}

/// A code span for a table, where a bar ends the cell even within code.
fn code(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let space = if longest > 0 { " " } else { "" };
    match text.trim() {
        "" => String::new(),
        _ => format!("{fence}{space}{}{space}{fence}", text.replace('|', "\\|")),
    }
}
