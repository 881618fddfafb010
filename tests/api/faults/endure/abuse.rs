//! One account does what it can to be a nuisance, and another one submits steadily: its leads may take twice as long as alone.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::books::{Books, BothAccounts};
use super::mood::{MOODY, Mood, Moods};
use super::steady::{Times, submit};
use crate::faults::ahead;
use crate::faults::company::Company;
use crate::faults::hanging::{STAGES, hang_up};
use crate::faults::load::{Answer, Clients, Load, Pace, Seen, Submitter, Try};
use crate::faults::process::{client, free_address};
use crate::faults::proxy::Proxy;
use crate::faults::stores::Stores;
use crate::faults::target::Target;
use crate::faults::world::World;
use crate::support::app::Mode;
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::{ana, merge, webhook, webhook_with};

/// Deliveries under way at once, in all and to one destination, as by default.
const CONCURRENCY: usize = 256;
const DESTINATION: &str = "64";
/// Points a second, as by default.
const RATES: [(&str, &str); 2] = [("LEADMESH_RATE_PRINCIPAL", "500"), ("LEADMESH_RATE_ACCOUNT", "1500")];
/// 2,000 hang-ups a minute.
const HANGING: usize = 20;
const HANG_UP_EVERY: Duration = Duration::from_millis(600);
/// Searches that run at the same time.
const SEARCHING: usize = 16;
/// Equal leads of a call.
const REPEATS: usize = 250;
/// After an answer that refuses, before the next try.
const REFUSED: Duration = Duration::from_millis(250);
/// How many times as long a lead may take as alone.
pub(super) const RATIO: f64 = 2.0;

const SEARCH: &str =
    "{ leads(filter: { search: \"Silva\" }, first: 100) { nodes { id outcome fields deliveries { id status } } } }";
const SUBMIT_LEADS: &str = "mutation($input: SubmitLeadsInput!) { submitLeads(input: $input) {
    receipts { id outcome } userErrors { code message } } }";
const RESUME: &str = "mutation($id: ID!) { resumeDestination(partnerId: $id) { userErrors { message } } }";

/// The nuisance.
pub(super) struct Abuse {
    stop: CancellationToken,
    hanging: Vec<JoinHandle<Vec<String>>>,
    searching: Vec<JoinHandle<()>>,
    repeating: Vec<JoinHandle<Vec<String>>>,
    submitting: Load,
    counted: Arc<Counted>,
}

#[derive(Default)]
struct Counted {
    searches: AtomicUsize,
    searches_refused: AtomicUsize,
    calls: AtomicUsize,
    calls_refused: AtomicUsize,
}

/// What came of it.
struct Acknowledged {
    /// Of the flow with partners.
    sent: Vec<Try>,
    /// Of the flow without.
    kept: HashSet<String>,
}

impl Abuse {
    /// The whole: alone for a fifth of the time, under the nuisance for the rest, and the ledgers. Answers how many times as long the
    /// neighbour's leads took, in the middle, from sending to the arrival.
    pub(super) async fn run(mode: Mode, time: Duration) -> f64 {
        println!("{mode:?}, {time:?}");
        let receiver = HttpReceiver::start().await;
        let (moods, dead) = (Moods::of(&receiver), free_address());
        let world = start(mode, receiver, dead).await;
        let neighbour = vec![("/b".to_owned(), webhook(&world.receiver.url("/b")))];
        let neighbour = Company::found(world.address(), "Neighbour", neighbour).await;
        let (steady, bad) = (
            neighbour.at(vec![world.address()]),
            world.company.at(vec![world.address()]),
        );
        let twins = json!({ "name": "Twins", "duplicateKeys": ["email"], "duplicateWindowDays": 30 });
        let twins = world.company.flow(twins).await;

        // Warm, as a server that has run for a while.
        let mut seen = for_a_while(&steady, "warm-", Duration::from_secs(5)).await;
        let alone = for_a_while(&steady, "alone-", time / 5).await;
        moods.set(Mood::Hangs);
        let abuse = Self::start(&bad, &twins);
        let beside = for_a_while(&steady, "beside-", time * 4 / 5).await;
        let acknowledged = abuse.finish(&bad).await;
        let (alone_times, beside_times) = (Times::of(&alone, &world.receiver), Times::of(&beside, &world.receiver));
        println!("alone:  {alone_times}\nbeside: {beside_times}");

        moods.set(Mood::Well);
        let _revived = Proxy::at(dead, world.receiver.address).await;
        for partner in &world.company.partners {
            world
                .changed("resumeDestination", RESUME, json!({ "id": partner.id }))
                .await;
        }
        let mut secrets = world.company.secrets();
        seen.0.extend(alone.0.into_iter().chain(beside.0));
        let neighbours = seen.leads().collect::<HashSet<_>>().len();
        let sent = Seen(acknowledged.sent);
        let badly = sent.leads().collect::<HashSet<_>>().len() * secrets.len();
        secrets.extend(neighbour.secrets());
        let expected = neighbours + badly;
        seen.0.extend(sent.0);
        seen.0.extend(acknowledged.kept.into_iter().map(receipt));
        check(&world, (&secrets, &moods, expected), &seen).await;
        let ratio = |beside: Duration, alone: Duration| beside.as_secs_f64() / alone.as_secs_f64().max(0.001);
        let whole = ratio(beside_times.whole[0], alone_times.whole[0]);
        let after = ratio(beside_times.after_receipt[0], alone_times.after_receipt[0]);
        println!("p50 beside to p50 alone: from sending to arrival {whole:.2}, from the receipt {after:.2}");
        whole
    }

    fn start(bad: &Target, twins: &str) -> Self {
        let (stop, counted) = (CancellationToken::new(), Arc::new(Counted::default()));
        let hanging = |client| tokio::spawn(hang_up_often(bad.clone(), client, stop.clone()));
        let searching = |_| tokio::spawn(search(bad.clone(), counted.clone(), stop.clone()));
        let repeating = [Twins::OfKey(bad.flow.clone()), Twins::OfValues(twins.to_owned())];
        let repeat = |twins| tokio::spawn(repeat(bad.clone(), twins, counted.clone(), stop.clone()));
        Self {
            hanging: (0..HANGING).map(hanging).collect(),
            searching: (0..SEARCHING).map(searching).collect(),
            repeating: repeating.into_iter().map(repeat).collect(),
            submitting: Load::of(
                bad,
                Clients {
                    name: "bad-",
                    count: 4,
                    pace: Pace::Every(Duration::from_millis(800)),
                },
            ),
            stop,
            counted,
        }
    }

    /// Ends it, and asks again for what may have been stored.
    async fn finish(self, bad: &Target) -> Acknowledged {
        self.stop.cancel();
        let mut sent = self.submitting.finish().await.0;
        let mut keys = Vec::new();
        for client in self.hanging {
            keys.extend(client.await.unwrap());
        }
        for client in self.searching {
            client.await.unwrap();
        }
        let mut kept = HashSet::new();
        for (number, client) in self.repeating.into_iter().enumerate() {
            let leads = client.await.unwrap();
            if number == 0 {
                let leads: HashSet<String> = leads.into_iter().collect();
                sent.extend(leads.into_iter().map(receipt));
            } else {
                kept.extend(leads);
            }
        }
        let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        println!(
            "{} hang-ups that may have submitted, {} searches and {} refused, {} calls of {REPEATS} equal leads and {} refused",
            keys.len(),
            count(&self.counted.searches),
            count(&self.counted.searches_refused),
            count(&self.counted.calls),
            count(&self.counted.calls_refused)
        );
        // Its own rate of requests holds for these too.
        for key in keys {
            Submitter::to(bad, 0).until_acknowledged(&key, &mut sent).await;
        }
        Acknowledged { sent, kept }
    }
}

async fn start(mode: Mode, receiver: HttpReceiver, dead: SocketAddr) -> World {
    let mut stores = Stores::start(mode, CONCURRENCY).await;
    stores.set("LEADMESH_DESTINATION_CONCURRENCY", DESTINATION);
    for (name, value) in RATES {
        stores.set(name, value);
    }
    let retry = json!({ "attempts": 20, "initialDelayMs": 500, "maxDelayMs": 4_000 });
    let more = json!({ "timeoutMs": 5_000, "retry": retry });
    let by = |address: SocketAddr, path: &str| webhook_with(&format!("http://{address}{path}"), more.clone());
    let deliveries = vec![
        ("/0".to_owned(), by(receiver.address, "/0")),
        (MOODY.to_owned(), by(receiver.address, MOODY)),
        ("/dead".to_owned(), by(dead, "/dead")),
    ];
    let roles: &[&str] = match mode {
        Mode::Server => &["serve", ahead::ROLE],
        Mode::Embedded => &["serve"],
    };
    World::start_with((stores, receiver), roles, deliveries).await
}

async fn check(world: &World, (secrets, moods, expected): (&HashMap<String, String>, &Moods, usize), seen: &Seen) {
    let sides = BothAccounts {
        secrets,
        moods,
        episodes: &[],
        expected,
    };
    let books = Books::at_rest(world, sides, seen).await;
    println!("{books}");
    let broken = books.broken();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(seen.wrong().is_empty(), "{:?}", seen.wrong());
    println!("L, D, S, A and Z hold");
}

async fn for_a_while(steady: &Target, name: &'static str, time: Duration) -> Seen {
    let load = submit(steady, name);
    tokio::time::sleep(time).await;
    load.finish().await
}

fn receipt(lead: String) -> Try {
    let now = Instant::now();
    Try {
        began: now,
        ended: now,
        answer: Answer::Receipt(lead),
    }
}

/// Answers the keys under which leads may be stored.
async fn hang_up_often(bad: Target, client: usize, stop: CancellationToken) -> Vec<String> {
    let mut keys = Vec::new();
    for time in 0.. {
        let next = tokio::time::Instant::now() + HANG_UP_EVERY;
        let stage = STAGES[(client + time) % STAGES.len()];
        let key = format!("gone-{client}-{time}");
        // Where the answer was refused there is none to break off.
        drop(hang_up(&bad, stage, &key).await);
        if stage.submits() {
            keys.push(key);
        }
        if stop.run_until_cancelled(tokio::time::sleep_until(next)).await.is_none() {
            break;
        }
    }
    keys
}

async fn search(bad: Target, counted: Arc<Counted>, stop: CancellationToken) {
    let caller = Caller::of((&bad.owner, &bad));
    while !stop.is_cancelled() {
        if caller.ask(SEARCH, json!({})).await.is_some() {
            counted.searches.fetch_add(1, Ordering::SeqCst);
        } else {
            counted.searches_refused.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(REFUSED).await;
        }
    }
}

/// What makes leads equal.
enum Twins {
    /// One idempotency key, in that flow.
    OfKey(String),
    /// Values that this flow takes for a duplicate.
    OfValues(String),
}

/// Answers the leads that were acknowledged.
async fn repeat(bad: Target, twins: Twins, counted: Arc<Counted>, stop: CancellationToken) -> Vec<String> {
    let (caller, mut leads) = (Caller::of((&bad.key, &bad)), Vec::new());
    let mut number = 0;
    while !stop.is_cancelled() {
        let mut fields = ana();
        merge(&mut fields, json!({ "email": format!("twin-{number}@example.com") }));
        let (flow, lead) = match &twins {
            Twins::OfKey(flow) => (
                flow,
                json!({ "fields": fields, "idempotencyKey": format!("twin-{number}") }),
            ),
            Twins::OfValues(flow) => (flow, json!({ "fields": fields })),
        };
        let input = json!({ "input": { "flowId": flow, "leads": vec![lead; REPEATS] } });
        if let Some(data) = caller.ask(SUBMIT_LEADS, input).await {
            let receipts = data["submitLeads"]["receipts"].as_array().unwrap();
            let errors = data["submitLeads"]["userErrors"].as_array().unwrap();
            // Its own changes may come too quickly for its own leads.
            assert!(errors.iter().all(|error| error["code"] == "UNAVAILABLE"), "{errors:?}");
            assert_eq!(receipts.len() + errors.len(), REPEATS);
            leads.extend(
                receipts
                    .iter()
                    .map(|receipt| receipt["id"].as_str().unwrap().to_owned()),
            );
            counted.calls.fetch_add(1, Ordering::SeqCst);
            number += 1;
        } else {
            counted.calls_refused.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(REFUSED).await;
        }
    }
    leads
}

struct Caller {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Caller {
    /// One with that token.
    fn of((token, target): (&str, &Target)) -> Self {
        Self {
            http: client(Duration::from_secs(60)),
            url: format!("http://{}/graphql", target.address(0)),
            token: token.to_owned(),
        }
    }

    /// The data; none where it was refused for now.
    async fn ask(&self, query: &str, variables: Value) -> Option<Value> {
        let request = self.http.post(&self.url).bearer_auth(&self.token);
        let answer = request
            .json(&json!({ "query": query, "variables": variables }))
            .send()
            .await;
        let mut answer: Value = answer.unwrap().json().await.unwrap();
        let code = &answer["errors"][0]["extensions"]["code"];
        if code.is_null() {
            return Some(answer["data"].take());
        }
        let refused = ["RATE_LIMITED", "UNAVAILABLE", "TIMEOUT"];
        assert!(refused.iter().any(|known| code == known), "{answer}");
        None
    }
}
