//! Clients that submit leads one after the other, and submit each again under the same key until it is acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::process::client;
use super::target::Target;
use super::world::World;
use crate::support::make::ana;

const CLIENTS: usize = 16;
/// Between two leads of one client.
const PACE: Duration = Duration::from_millis(50);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(50);
/// Codes of answers after which the same may be tried again.
const AGAIN_CODES: [&str; 2] = ["UNAVAILABLE", "RATE_LIMITED"];
/// For one try; for one lead in all its tries.
const TRY: Duration = Duration::from_secs(30);
const LEAD: Duration = Duration::from_secs(60);

const SUBMIT: &str = "mutation($input: SubmitLeadInput!) { submitLead(input: $input) { receipt { id outcome } userErrors { message } } }";

/// Clients at work.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Try>>>,
}

/// How many clients, and how busy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clients {
    /// What their idempotency keys begin with.
    pub(super) name: &'static str,
    pub(super) count: usize,
    pub(super) pace: Pace,
}

/// When a client submits its next lead.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// So long after the receipt of the one before.
    Between(Duration),
    /// So long after the one before was begun, or at once where its receipt took longer.
    Every(Duration),
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
    /// To be tried again: 503, or one of [`AGAIN_CODES`] in an answer.
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
        let clients = Clients {
            name: "",
            count: CLIENTS,
            pace: Pace::Between(PACE),
        };
        Self::of(&world.target(), clients)
    }

    /// Starts clients of a test's own.
    pub(super) fn of(target: &Target, clients: Clients) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number| {
            let submitter = Submitter::to(target, number);
            let keys = format!("{}{number}", clients.name);
            tokio::spawn(submitter.run(keys, clients.pace, stop.clone()))
        };
        let clients = (0..clients.count).map(client).collect();
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
    /// Those it goes to in turn when one does not answer.
    urls: Vec<String>,
    key: String,
    flow: String,
}

impl Submitter {
    pub(super) fn new(world: &World) -> Self {
        Self::to(&world.target(), 0)
    }

    /// A client that prefers one of the addresses, by its number.
    pub(super) fn to(target: &Target, number: usize) -> Self {
        let addresses = (0..target.addresses.len()).map(|next| target.address(number + next));
        Self {
            http: client(TRY),
            urls: addresses.map(|address| format!("http://{address}/graphql")).collect(),
            key: target.key.clone(),
            flow: target.flow.clone(),
        }
    }

    async fn run(self, keys: String, pace: Pace, stop: Arc<AtomicBool>) -> Vec<Try> {
        let mut tries = Vec::new();
        for number in 0.. {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let began = tokio::time::Instant::now();
            self.until_acknowledged(&format!("{keys}-{number}"), &mut tries).await;
            match pace {
                Pace::Between(pause) => tokio::time::sleep(pause).await,
                Pace::Every(time) => tokio::time::sleep_until(began + time).await,
            }
        }
        tries
    }

    /// Submits a lead until there is a receipt.
    pub(super) async fn until_acknowledged(&self, key: &str, tries: &mut Vec<Try>) {
        let deadline = Instant::now() + LEAD;
        for url in self.urls.iter().cycle() {
            let began = Instant::now();
            let answer = self.submit(url, key).await;
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

    async fn submit(&self, url: &str, key: &str) -> Answer {
        let input = json!({ "flowId": self.flow, "fields": ana(), "idempotencyKey": key });
        let body = json!({ "query": SUBMIT, "variables": { "input": input } });
        let response = match self.http.post(url).bearer_auth(&self.key).json(&body).send().await {
            Ok(response) => response,
            Err(error) if error.is_timeout() => return Answer::Wrong(format!("no answer within {TRY:?}")),
            Err(error) => return Answer::Nobody(error.to_string()),
        };
        let status = response.status();
        match response.json::<Value>().await {
            Err(error) => Answer::Nobody(error.to_string()),
            Ok(answer)
                if AGAIN_CODES
                    .iter()
                    .any(|code| answer["errors"][0]["extensions"]["code"] == *code) =>
            {
                Answer::Unavailable
            }
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
