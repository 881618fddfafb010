//! The stream of leads, submitted through the API.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::bail;
use entity::ids::FlowId;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::Arguments;
use super::board::{Board, BoardEvent, Submitted};
use super::company::Company;
use super::people::{Lead, People};
use crate::commands::api::{Api, CallError};

const SUBMIT: &str = "
mutation Demo($input: SubmitLeadInput!) {
  submitLead(input: $input) {
    receipt { id outcome replayed reasons { message } }
    userErrors { message }
  }
}";
/// Between two pictures of the progress.
const FRAME: Duration = Duration::from_millis(250);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    receipt: Option<Receipt>,
    user_errors: Vec<Message>,
}

#[derive(Deserialize)]
struct Receipt {
    id: String,
    outcome: String,
    replayed: bool,
    reasons: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

/// Submits one lead ahead of the stream, for the requests that are shown; answers its identifier.
pub(super) async fn first_lead(api: &Api, company: &Company, board: &mut Board) -> anyhow::Result<String> {
    let lead = People::new(rand::random()).next();
    let submitted = submit(api, company.state.flow, lead, board.begin()).await;
    let Some(id) = submitted.lead.clone() else {
        bail!("the first lead was not taken: {}", submitted.text);
    };
    board.news().send(BoardEvent::Submitted(submitted))?;
    Ok(id)
}

/// Submits at the chosen rate and shows the results, until it is cancelled.
pub(super) async fn submit_and_show(
    arguments: &Arguments,
    api: &Api,
    company: &Company,
    board: &mut Board,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut people = People::new(rand::random());
    let mut pace = interval(Duration::from_secs(1) / arguments.rate);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut frames = interval(FRAME);
    // The first lead is submitted already.
    let mut left = arguments.leads.saturating_sub(1);
    loop {
        tokio::select! {
            _ = pace.tick(), if left > 0 => {
                left -= 1;
                submit_in_background(api, company, board, people.next());
            }
            news = board.next() => board.take(news, out)?,
            _ = frames.tick() => board.show(left == 0, out)?,
        }
    }
}

fn submit_in_background(api: &Api, company: &Company, board: &mut Board, lead: Lead) {
    let (api, flow, news) = (api.clone(), company.state.flow, board.news());
    let number = board.begin();
    tokio::spawn(async move {
        let submitted = submit(&api, flow, lead, number).await;
        // Sending fails only after the demo has stopped.
        let _nobody_listens = news.send(BoardEvent::Submitted(submitted));
    });
}

async fn submit(api: &Api, flow: FlowId, lead: Lead, number: u32) -> Submitted {
    let started = Instant::now();
    let (id, outcome, text) = match call(api, flow, &lead).await {
        Ok(Payload {
            receipt: Some(receipt), ..
        }) if receipt.replayed => {
            let text = "same key, same receipt, nothing sent again";
            (None, "REPEATED".to_owned(), text.to_owned())
        }
        Ok(Payload {
            receipt: Some(receipt), ..
        }) => {
            let accepted = receipt.outcome == "ACCEPTED";
            (accepted.then_some(receipt.id), receipt.outcome, join(receipt.reasons))
        }
        Ok(payload) => (None, "ERROR".to_owned(), join(payload.user_errors)),
        Err(error) => (None, "ERROR".to_owned(), error.to_string()),
    };
    Submitted {
        number,
        name: lead.name,
        lead: id,
        outcome,
        text,
        started,
    }
}

async fn call(api: &Api, flow: FlowId, lead: &Lead) -> Result<Payload, CallError> {
    let input = json!({"flowId": flow, "fields": lead.fields, "idempotencyKey": lead.key});
    let mut data = api.call(SUBMIT, &json!({"input": input})).await?;
    let payload = data.get_mut("submitLead").map(Value::take).unwrap_or_default();
    serde_json::from_value(payload).map_err(|error| CallError::Refused {
        code: String::new(),
        message: format!("the answer cannot be parsed: {error}"),
    })
}

fn join(messages: Vec<Message>) -> String {
    let texts: Vec<String> = messages.into_iter().map(|message| message.message).collect();
    texts.join("; ")
}
