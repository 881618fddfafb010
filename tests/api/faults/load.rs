//! Clients that submit leads one after the other, and submit each again under the same key until it is acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::process::client;
use super::world::World;
use crate::support::make::ana;

const CLIENTS: usize = 16;
/// Between two leads of one client.
const PACE: Duration = Duration::from_millis(50);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(50);
/// For one try; for one lead in all its tries.
const TRY: Duration = Duration::from_secs(30);
const LEAD: Duration = Duration::from_secs(60);

const SUBMIT: &str = "mutation($input: SubmitLeadInput!) { submitLead(input: $input) { receipt { id outcome } userErrors { message } } }";

/// Clients at work.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Try>>>,
}

/// One request and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Try {
    pub(super) began: Instant,
    pub(super) ended: Instant,
    pub(super) answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Acknowledged as this lead.
    Receipt(String),
    /// To be tried again: 503, or `UNAVAILABLE` in an answer.
    Unavailable,
    /// No answer: nobody listens, or the connection broke.
    Nobody(String),
    /// None of what a client should ever get.
    Wrong(String),
}

/// What all clients have seen.
#[derive(Debug)]
pub(super) struct Seen(pub(super) Vec<Try>);

impl Load {
    /// Starts the clients.
    pub(super) fn start(world: &World) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number| {
            let submitter = Submitter::new(world);
            tokio::spawn(submitter.run(number, stop.clone()))
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { stop, clients }
    }

    /// Lets every client finish its lead.
    pub(super) async fn finish(self) -> Seen {
        self.stop.store(true, Ordering::SeqCst);
        let mut tries = Vec::new();
        for client in self.clients {
            tries.extend(client.await.unwrap());
        }
        Seen(tries)
    }
}

/// One client.
pub(super) struct Submitter {
    http: reqwest::Client,
    url: String,
    key: String,
    flow: String,
}

impl Submitter {
    pub(super) fn new(world: &World) -> Self {
        Self {
            http: client(TRY),
            url: format!("http://{}/graphql", world.address()),
            key: world.key.clone(),
            flow: world.flow.clone(),
        }
    }

    async fn run(self, client: usize, stop: Arc<AtomicBool>) -> Vec<Try> {
        let mut tries = Vec::new();
        for number in 0.. {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            self.until_acknowledged(&format!("{client}-{number}"), &mut tries).await;
            tokio::time::sleep(PACE).await;
        }
        tries
    }

    /// Submits a lead until there is a receipt.
    pub(super) async fn until_acknowledged(&self, key: &str, tries: &mut Vec<Try>) {
        let deadline = Instant::now() + LEAD;
        loop {
            let began = Instant::now();
            let answer = self.submit(key).await;
            let done = matches!(answer, Answer::Receipt(_));
            assert!(
                done || Instant::now() < deadline,
                "not acknowledged within {LEAD:?}: {answer:?}"
            );
            tries.push(Try {
                began,
                ended: Instant::now(),
                answer,
            });
            if done {
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn submit(&self, key: &str) -> Answer {
        let input = json!({ "flowId": self.flow, "fields": ana(), "idempotencyKey": key });
        let body = json!({ "query": SUBMIT, "variables": { "input": input } });
        let response = match self
            .http
            .post(&self.url)
            .bearer_auth(&self.key)
            .json(&body)
            .send()
            .await
        {
            Ok(response) => response,
            Err(error) if error.is_timeout() => return Answer::Wrong(format!("no answer within {TRY:?}")),
            Err(error) => return Answer::Nobody(error.to_string()),
        };
        let status = response.status();
        match response.json::<Value>().await {
            Err(error) => Answer::Nobody(error.to_string()),
            Ok(answer) if answer["errors"][0]["extensions"]["code"] == "UNAVAILABLE" => Answer::Unavailable,
            Ok(answer) => match answer["data"]["submitLead"]["receipt"]["id"].as_str() {
                Some(id) => Answer::Receipt(id.to_owned()),
                None => Answer::Wrong(format!("{status}: {answer}")),
            },
        }
    }
}

impl Seen {
    /// The leads that were acknowledged.
    pub(super) fn leads(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|one| match &one.answer {
            Answer::Receipt(id) => Some(id.as_str()),
            _ => None,
        })
    }

    /// Tries that were not answered with a receipt.
    pub(super) fn refused(&self) -> Vec<&Try> {
        self.0
            .iter()
            .filter(|one| !matches!(one.answer, Answer::Receipt(_)))
            .collect()
    }

    /// What no client should have seen.
    pub(super) fn wrong(&self) -> Vec<&Answer> {
        self.0
            .iter()
            .map(|one| &one.answer)
            .filter(|answer| matches!(answer, Answer::Wrong(_)))
            .collect()
    }

    /// The time within which so many in a hundred tries were answered.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let mut times: Vec<Duration> = self.0.iter().map(|one| one.ended - one.began).collect();
        times.sort_unstable();
        times[(times.len() - 1) * percent / 100]
    }
}
