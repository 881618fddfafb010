//! Submits a batch of rows.

use std::time::Duration;

use anyhow::{Context, bail};
use entity::ids::{FlowId, SourceId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::rows::Row;
use crate::commands::api::{Api, CallError};

const SUBMIT: &str = "
mutation Import($input: SubmitLeadsInput!) {
  submitLeads(input: $input) {
    receipts { id outcome replayed reasons { code field message } warnings { code field message } }
    userErrors { code message path }
  }
}";
/// Pauses before a batch is sent again: idempotency keys make that safe.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];
/// Stands in place of an outcome when a row has no lead.
pub(super) const ERROR: &str = "ERROR";

pub(super) struct Target {
    pub(super) api: Api,
    pub(super) flow: FlowId,
    pub(super) source: Option<SourceId>,
    pub(super) test: bool,
}

/// The result of a row.
pub(super) struct Answered {
    pub(super) row: u64,
    pub(super) key: String,
    /// From the receipt, or `ERROR`.
    pub(super) outcome: String,
    /// None if there is no lead.
    pub(super) lead: Option<String>,
    pub(super) reasons: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) replayed: bool,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "submitLeads")]
    payload: Payload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    receipts: Vec<Receipt>,
    user_errors: Vec<UserError>,
}

impl Payload {
    /// Whether some of the rows could not be stored now.
    fn is_left_undone(&self) -> bool {
        let again = |error: &UserError| matches!(error.code.as_str(), "UNAVAILABLE" | "OUTCOME_UNKNOWN");
        self.user_errors.iter().any(again)
    }
}

#[derive(Deserialize)]
struct Receipt {
    id: String,
    outcome: String,
    replayed: bool,
    reasons: Vec<Reason>,
    warnings: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    code: String,
    field: Option<String>,
    message: String,
}

#[derive(Deserialize)]
struct UserError {
    #[serde(default)]
    code: String,
    message: String,
    path: Vec<String>,
}

impl Target {
    /// Submits the valid rows, and answers for each row in order.
    pub(super) async fn submit(&self, rows: Vec<Row>) -> anyhow::Result<Vec<Answered>> {
        let mut leads = Vec::new();
        let mut answered = Vec::with_capacity(rows.len());
        let mut indexes = Vec::new();
        for row in rows {
            let reasons = match row.fields {
                Ok(fields) => {
                    indexes.push(answered.len());
                    leads.push(json!({"fields": fields, "idempotencyKey": row.key}));
                    Vec::new()
                }
                Err(why) => vec![why],
            };
            answered.push(Answered::error(row.number, row.key, reasons));
        }
        if !leads.is_empty() {
            let results = results(self.call(leads).await?, indexes.len())?;
            for (index, result) in indexes.into_iter().zip(results) {
                if let Some(answer) = answered.get_mut(index) {
                    answer.take(result);
                }
            }
        }
        Ok(answered)
    }

    async fn call(&self, leads: Vec<Value>) -> anyhow::Result<Payload> {
        let input = json!({"flowId": self.flow, "sourceId": self.source, "test": self.test, "leads": leads});
        let variables = json!({"input": input});
        let mut pauses = PAUSES.iter();
        loop {
            match self.api.call(SUBMIT, &variables).await {
                Ok(data) => {
                    let data: Data = serde_json::from_value(data).context("the answer cannot be parsed")?;
                    match pauses.next().filter(|_| data.payload.is_left_undone()) {
                        Some(pause) => tokio::time::sleep(*pause).await,
                        None => return Ok(data.payload),
                    }
                }
                Err(CallError::Again(why)) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => bail!("{why}: gave up after {} tries", PAUSES.len() + 1),
                },
                Err(CallError::Refused { code, message }) => bail!("{}", advice(&code, &message)),
            }
        }
    }
}

fn advice(code: &str, message: &str) -> String {
    match code {
        "UNAUTHENTICATED" => format!("the key is not accepted ({message}): check --key"),
        "FORBIDDEN" => format!("the key may not submit leads ({message}): use one with the scope LEADS_SUBMIT"),
        _ => message.to_owned(),
    }
}

/// A receipt or an error for each of `count` leads. Receipts come in order, without those that have an error, whose path names
/// the index. An error without an index concerns the whole call.
fn results(payload: Payload, count: usize) -> anyhow::Result<Vec<Result<Receipt, String>>> {
    let mut errors = std::collections::HashMap::new();
    for error in payload.user_errors {
        let index = match error.path.as_slice() {
            [input, leads, index, ..] if input == "input" && leads == "leads" => index.parse::<usize>().ok(),
            _ => None,
        };
        let Some(index) = index else { bail!("{}", error.message) };
        errors.entry(index).or_insert(error.message);
    }
    let mut receipts = payload.receipts.into_iter();
    let answers = (0..count).map(|index| match errors.remove(&index) {
        Some(message) => Ok(Err(message)),
        None => receipts.next().map(Ok).context("the answer has too few receipts"),
    });
    answers.collect()
}

impl Answered {
    fn error(row: u64, key: String, reasons: Vec<String>) -> Self {
        Self {
            row,
            key,
            outcome: ERROR.to_owned(),
            lead: None,
            reasons,
            warnings: Vec::new(),
            replayed: false,
        }
    }

    fn take(&mut self, result: Result<Receipt, String>) {
        match result {
            Err(message) => self.reasons = vec![message],
            Ok(receipt) => {
                self.outcome = receipt.outcome;
                self.lead = Some(receipt.id);
                self.replayed = receipt.replayed;
                self.reasons = receipt.reasons.into_iter().map(Reason::text).collect();
                self.warnings = receipt.warnings.into_iter().map(Reason::text).collect();
            }
        }
    }
}

impl Reason {
    fn text(self) -> String {
        let field = self.field.map(|field| format!(" {field}")).unwrap_or_default();
        format!("{}{field}: {}", self.code, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(errors: &Value) -> Payload {
        let receipt =
            |id: &str| json!({"id": id, "outcome": "ACCEPTED", "replayed": false, "reasons": [], "warnings": []});
        let payload = json!({"receipts": [receipt("a"), receipt("b")], "userErrors": errors});
        serde_json::from_value(payload).unwrap()
    }

    #[test]
    fn receipts_and_errors_find_their_rows() {
        let errors = json!([{"message": "no", "path": ["input", "leads", "1", "fields"]}]);
        let texts: Vec<String> = results(payload(&errors), 3)
            .unwrap()
            .into_iter()
            .map(|result| result.map_or_else(|error| error, |receipt| receipt.id))
            .collect();
        assert_eq!(texts, ["a", "no", "b"]);
    }

    #[test]
    fn an_error_of_the_whole_call_stops_the_import() {
        let errors = json!([{"message": "no such flow", "path": ["input", "flowId"]}]);
        assert_eq!(results(payload(&errors), 2).err().unwrap().to_string(), "no such flow");
        assert!(results(payload(&json!([])), 3).is_err(), "a receipt is missing");
    }
}
