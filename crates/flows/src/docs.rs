//! The instructions for submitting to one source of one flow, generated from both. Pure.
//!
//! Fields have the sender's names. Examples of encrypted fields are generated, because the owner's may be real values.

mod curl;
mod example;
pub mod html;
mod markdown;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use entity::field::FieldDef;
use entity::ids::{AccountId, FlowId, SourceId};
use entity::lead::LeadOutcome;
use entity::source::SourceKind;
use entity::{account, flow, source};
use serde_json::{Map, Value, json};

use super::mapping::wire_name;
use super::price::Price;
use leadmesh_core::error::Result;
use leadmesh_forms::rules::{self, Rule};

pub const OPERATION: &str = "mutation SubmitLead($input: SubmitLeadInput!) {
  submitLead(input: $input) {
    receipt {
      id
      outcome
      reasons { code field message }
      warnings { code field message }
      price { amount currency }
      replayed
    }
    userErrors { code message path }
  }
}
";

/// Instructions for submitting to one source of one flow.
#[derive(Clone, Debug, PartialEq)]
pub struct SubmissionDocs {
    pub flow_id: FlowId,
    pub flow_name: String,
    pub source_id: SourceId,
    /// Name of the source; hidden from other accounts.
    pub source_name: Option<String>,
    /// Account of the flow.
    pub recipient: AccountId,
    pub recipient_name: String,
    /// Whether leads are accepted now.
    pub enabled: bool,
    /// Address for submissions.
    pub endpoint: String,
    /// Address of the current docs.
    pub page: String,
    /// Price of an accepted lead, such as `12.50 USD`.
    pub price: Option<String>,
    /// Fields of the duplicate check, by the sender's names.
    pub duplicate_keys: Vec<String>,
    /// Days of the duplicate check.
    pub duplicate_days: i32,
    /// How to authenticate, as text.
    pub authentication: String,
    /// Fields, by the sender's names.
    pub fields: Vec<FieldDef>,
    /// The rules of the flow and the source, as text.
    pub acceptance_rule_text: Option<String>,
    /// GraphQL document.
    pub example_operation: String,
    /// Its variables: a test lead.
    pub example_variables: Value,
    /// Command line that submits it, with the key in `$LEADMESH_API_KEY`.
    pub example_curl: String,
    /// Example answer for each outcome.
    pub example_responses: Vec<ExampleResponse>,
    /// All of it as Markdown.
    pub markdown: String,
    /// The last change of the flow or the source.
    pub updated_at: DateTime<Utc>,
}

/// Answer of the server.
#[derive(Clone, Debug, PartialEq)]
pub struct ExampleResponse {
    pub outcome: LeadOutcome,
    pub body: Value,
}

/// Inputs of the docs.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub flow: &'a flow::Model,
    /// One of its sources; enabled if its sender may submit now.
    pub source: &'a source::Model,
    /// The flow's account.
    pub recipient: &'a account::Model,
    /// Base address of the server, without a slash at the end.
    pub public_url: &'a str,
}

/// Generates the docs.
pub fn generate(subject: Subject<'_>) -> Result<SubmissionDocs> {
    let Subject { flow, source, .. } = subject;
    let fields = sent_fields(flow, source);
    let rule = rule_of(flow, source)?;
    let variables = variables(subject, rule.as_ref());
    let endpoint = format!("{}/graphql", subject.public_url);
    let mut docs = SubmissionDocs {
        flow_id: flow.id,
        flow_name: flow.name.clone(),
        source_id: source.id,
        source_name: (source.kind == SourceKind::Own).then(|| source.name.clone()),
        recipient: subject.recipient.id,
        recipient_name: subject.recipient.name.clone(),
        enabled: flow.enabled && source.enabled,
        authentication: authentication(source.kind, &subject.recipient.name),
        acceptance_rule_text: rule.map(|rule| rules::text(&rule, &flow.fields.0)),
        example_operation: OPERATION.to_owned(),
        example_curl: curl::command(&endpoint, OPERATION, &variables),
        example_variables: variables,
        example_responses: responses(subject, &fields),
        page: format!("{}/docs/{}", subject.public_url, source.id),
        price: price_of(flow, source).map(|price| format!("{} {}", price.amount(), price.currency)),
        duplicate_keys: duplicate_keys(flow, source),
        duplicate_days: flow.duplicate_window_days.unwrap_or_default(),
        endpoint,
        fields,
        markdown: String::new(),
        updated_at: flow.updated_at,
    };
    docs.markdown = markdown::render(&docs);
    Ok(docs)
}

fn authentication(kind: SourceKind, recipient: &str) -> String {
    let whose = match kind {
        SourceKind::Own => Cow::Owned(format!("an API key of {recipient}")),
        SourceKind::Account | SourceKind::Seller => Cow::Borrowed("an API key of your own account"),
    };
    format!("Send {whose} that has the scope LEADS_SUBMIT, in the header \"Authorization: Bearer <API key>\".")
}

/// The flow's fields that the sender has a name for, under that name.
fn sent_fields(flow: &flow::Model, source: &source::Model) -> Vec<FieldDef> {
    let sent = |field: &FieldDef| {
        let name = wire_name(&source.mapping.0, &field.name)?;
        Some(FieldDef {
            name: name.to_owned(),
            example: Some(example::text(field)),
            ..field.clone()
        })
    };
    flow.fields.0.iter().filter_map(sent).collect()
}

/// The rules of the flow and the source, combined.
fn rule_of(flow: &flow::Model, source: &source::Model) -> Result<Option<Rule>> {
    let stored = [&flow.acceptance_rule, &source.acceptance_rule];
    let parsed = stored
        .into_iter()
        .flatten()
        .map(|rule| serde_json::from_value(rule.clone()));
    let mut rules = parsed.collect::<std::result::Result<Vec<Rule>, _>>()?;
    Ok(match rules.len() {
        0 | 1 => rules.pop(),
        _ => Some(Rule::All(rules)),
    })
}

/// A test lead. The idempotency key changes with the docs, because the same key with other fields would be refused.
fn variables(subject: Subject<'_>, rule: Option<&Rule>) -> Value {
    let Subject { flow, source, .. } = subject;
    let values = example::lead(&flow.fields.0, rule);
    let sent = flow.fields.0.iter().filter_map(|field| {
        let name = wire_name(&source.mapping.0, &field.name)?;
        Some((name.to_owned(), values.get(&field.name)?.clone()))
    });
    json!({"input": {
        "flowId": flow.id,
        "sourceId": source.id,
        "fields": sent.collect::<Map<String, Value>>(),
        "idempotencyKey": format!("example-{}-{}", source.id, flow.version),
        "test": true,
    }})
}

fn responses(subject: Subject<'_>, fields: &[FieldDef]) -> Vec<ExampleResponse> {
    let Subject { flow, source, .. } = subject;
    let price = price_of(flow, source);
    let price = price.map_or(
        Value::Null,
        |price| json!({"amount": price.amount().to_string(), "currency": price.currency}),
    );
    let refused = match fields.iter().find(|field| field.required) {
        Some(field) => {
            json!({"code": "REQUIRED", "field": field.name, "message": format!("{} is required", field.label)})
        }
        None => json!({"code": "NOT_ACCEPTED", "field": null, "message": "the lead does not fit the acceptance rule"}),
    };
    let failed =
        json!({"code": "ERROR", "field": null, "message": "the lead could not be handled: send it again later"});
    [
        (LeadOutcome::Accepted, json!([]), price),
        (LeadOutcome::Rejected, json!([refused]), Value::Null),
        (LeadOutcome::Failed, json!([failed]), Value::Null),
    ]
    .into_iter()
    .map(|(outcome, reasons, price)| ExampleResponse {
        outcome,
        body: json!({"data": {"submitLead": {
            "receipt": {
                "id": "lead_01h2xcejqtf2nbrexx3vqjhp41",
                "outcome": outcome,
                "reasons": reasons,
                "warnings": [],
                "price": price,
                "replayed": false,
            },
            "userErrors": [],
        }}}),
    })
    .collect()
}

/// Keys that the sender has no name for are left out.
fn duplicate_keys(flow: &flow::Model, source: &source::Model) -> Vec<String> {
    let keys = flow
        .duplicate_keys
        .0
        .iter()
        .filter(|_| flow.duplicate_window_days.is_some());
    let sent = keys.filter_map(|key| wire_name(&source.mapping.0, key));
    sent.map(str::to_owned).collect()
}

/// Meaning of each outcome for the sender.
fn meaning(outcome: LeadOutcome) -> (&'static str, &'static str) {
    match outcome {
        LeadOutcome::Accepted => ("ACCEPTED", "The lead was taken."),
        LeadOutcome::Rejected => (
            "REJECTED",
            "The lead was refused for every reason that is listed. Do not send it again unchanged.",
        ),
        LeadOutcome::Failed => ("FAILED", "The lead could not be handled."),
    }
}

/// Name in the API.
fn type_name(field: &FieldDef) -> String {
    match serde_json::to_value(field.field_type) {
        Ok(Value::String(name)) => name,
        _ => String::new(),
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Price of an accepted lead.
fn price_of(flow: &flow::Model, source: &source::Model) -> Option<Price> {
    Price::from_columns(source.price_e4, source.price_currency.clone())
        .or_else(|| Price::from_columns(flow.price_e4, flow.price_currency.clone()))
}

#[cfg(test)]
mod tests;
