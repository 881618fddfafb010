//! The docs as a page to read: one file without a script, and nothing in it from anywhere else. Whatever an account wrote is
//! shown as text.

use std::fmt::Write;

use entity::field::FieldDef;
use leadmesh_forms::templates::escape_html;

use super::{SubmissionDocs, meaning, pretty, type_name};

/// What the page's style element holds. Who serves the page allows exactly this, by its hash.
pub const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}\
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #ccc;vertical-align:top}\
.wide{overflow-x:auto}\
code,pre{font:14px/1.4 ui-monospace,monospace}code{overflow-wrap:anywhere}pre{background:#f4f4f4;padding:.8rem;overflow-x:auto}\
.off{border-left:4px solid #b00020;padding:.4rem .8rem;background:#fdecee}\
@media(prefers-color-scheme:dark){body{color:#e8e8e8;background:#161616}pre{background:#242424}th,td{border-color:#444}.off{background:#3a1a1e}}";

/// A page of elements: everything that is put in goes through [`escaped`].
struct Page(String);

/// The page.
pub fn render(docs: &SubmissionDocs) -> String {
    let title = format!("Submitting leads to {}: {}", docs.recipient_name, docs.flow_name);
    let title = escape_html(&title);
    let mut page = Page(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
    ));
    page.summary(docs);
    page.heading("Authentication");
    page.text("p", &docs.authentication);
    page.fields(&docs.fields);
    page.acceptance(docs);
    page.submitting(docs);
    page.answers(docs);
    page.0.push_str("</body></html>\n");
    page.0
}

impl Page {
    /// An element with text in it.
    fn text(&mut self, element: &str, text: &str) {
        let _ = writeln!(self.0, "<{element}>{}</{element}>", escape_html(text));
    }

    fn heading(&mut self, text: &str) {
        self.text("h2", text);
    }

    fn listing(&mut self, text: &str) {
        let _ = writeln!(self.0, "<pre><code>{}</code></pre>", escape_html(text));
    }

    fn summary(&mut self, docs: &SubmissionDocs) {
        if !docs.enabled {
            self.0.push_str(
                "<p class=\"off\">At the moment no leads are taken here: every submission is rejected.</p>\n",
            );
        }
        let item = |name: &str, value: &str| format!("<li>{name}: <code>{}</code></li>\n", escape_html(value));
        let mut items = vec![
            item("Endpoint", &format!("POST {}", docs.endpoint)),
            item("Flow", &docs.flow_id.to_string()),
            item("Source", &docs.source_id.to_string()),
        ];
        items.extend(docs.price.iter().map(|price| item("Price of an accepted lead", price)));
        let _ = write!(self.0, "<ul>\n{}</ul>\n", items.concat());
    }

    fn fields(&mut self, fields: &[FieldDef]) {
        self.heading("Fields");
        self.0.push_str("<div class=\"wide\">\n<table>\n<tr><th>Name</th><th>Label</th><th>Type</th><th>Required</th><th>Example</th><th>Notes</th></tr>\n");
        for field in fields {
            let code = |text: &str| format!("<code>{}</code>", escape_html(text));
            let cells = [
                code(&field.name),
                escape_html(&field.label).into_owned(),
                code(&type_name(field)),
                (if field.required { "yes" } else { "no" }).to_owned(),
                code(field.example.as_deref().unwrap_or_default()),
                escape_html(&notes(field)).into_owned(),
            ];
            let _ = writeln!(self.0, "<tr><td>{}</td></tr>", cells.join("</td><td>"));
        }
        self.0.push_str("</table>\n</div>\n");
        self.text("p", "Fields that are not listed here are dropped with a warning.");
    }

    fn acceptance(&mut self, docs: &SubmissionDocs) {
        self.heading("Which leads are taken");
        match &docs.acceptance_rule_text {
            Some(rule) => self.text("p", &format!("A lead is taken if: {rule}.")),
            None => self.text("p", "There is no rule: every valid lead is taken."),
        }
        if !docs.duplicate_keys.is_empty() {
            let (keys, days) = (docs.duplicate_keys.join(", "), docs.duplicate_days);
            let text =
                format!("A lead with the same {keys} as one of the last {days} days is rejected as a duplicate.");
            self.text("p", &text);
        }
    }

    fn submitting(&mut self, docs: &SubmissionDocs) {
        self.heading("Submitting");
        self.text(
            "p",
            "Give every lead an idempotencyKey of its own: sent again with the same key, it is not taken twice, and the first \
             receipt comes back. With test the whole path is run and nothing is counted or paid; leave it out for real leads.",
        );
        self.listing(&docs.example_operation);
        self.text("p", "Variables:");
        self.listing(&pretty(&docs.example_variables));
        self.text("p", "As a command:");
        self.listing(&docs.example_curl);
    }

    fn answers(&mut self, docs: &SubmissionDocs) {
        self.heading("Answers");
        for response in &docs.example_responses {
            let (title, meaning) = meaning(response.outcome);
            self.text("h3", title);
            self.text("p", meaning);
            self.listing(&pretty(&response.body));
        }
    }
}

fn notes(field: &FieldDef) -> String {
    let choices: Vec<&str> = field.choices.iter().flatten().map(String::as_str).collect();
    let choices = (!choices.is_empty()).then(|| format!("One of {}.", choices.join(", ")));
    let encrypted = field.encrypted.then(|| "Encrypted by the recipient.".to_owned());
    let notes: Vec<String> = [field.description.clone(), choices, encrypted]
        .into_iter()
        .flatten()
        .collect();
    notes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_that_was_written_opens_an_element_or_ends_an_attribute(text in ".*") {
            prop_assert!(!escape_html(&text).contains(['<', '>', '"', '\'']));
        }
    }
}
