//! The three ledgers: what was acknowledged, what the database says, what the partners' endpoint has seen.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use super::load::Seen;
use super::world::World;
use crate::support::http_receiver::Received;
use crate::support::make::text;

/// How old a request's timestamp may be when it arrives; the machine may be very busy.
const FRESH: Duration = Duration::from_secs(20);

const PAGE: &str = "query($after: String) { deliveries(first: 50, after: $after) {
    nodes { id status attemptCount lead { id } attempts { number ok httpStatus } } pageInfo { hasNextPage endCursor } } }";

/// The ledgers at rest.
pub(super) struct Ledger {
    acknowledged: HashSet<String>,
    deliveries: HashMap<String, Delivery>,
    requests: HashMap<String, Vec<Arc<Received>>>,
    partners: usize,
}

/// What the database says.
#[derive(Debug)]
struct Delivery {
    lead: String,
    status: String,
    attempt_count: usize,
    attempts: usize,
    /// Attempts that nobody has seen the end of.
    interrupted: usize,
}

/// What was counted.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) leads: usize,
    pub(super) requests: usize,
    pub(super) repeats: usize,
}

impl Ledger {
    /// Waits for rest (Z), and reads.
    pub(super) async fn at_rest(world: &World, seen: &Seen) -> Self {
        world.rest().await;
        let mut requests: HashMap<String, Vec<Arc<Received>>> = HashMap::new();
        for request in world.receiver.requests() {
            assert_eq!(wrong_signature(&world.secrets, &request), None);
            requests
                .entry(request.header("webhook-id").unwrap().to_owned())
                .or_default()
                .push(request);
        }
        assert_eq!(wrong_timestamps(&requests), None);
        Self {
            acknowledged: seen.leads().map(str::to_owned).collect(),
            deliveries: read(world).await,
            requests,
            partners: world.secrets.len(),
        }
    }

    /// Checks L, D and A; S is checked of every request that is read. There may be so many repeats in all.
    pub(super) fn check(&self, most_repeats: usize) -> Figures {
        let stored: HashSet<String> = self.deliveries.values().map(|delivery| delivery.lead.clone()).collect();
        assert_eq!(stored, self.acknowledged, "leads stored and acknowledged differ");
        assert_eq!(
            self.deliveries.len(),
            stored.len() * self.partners,
            "deliveries are missing"
        );
        for (id, delivery) in &self.deliveries {
            let arrived = self.requests.get(id).map_or(0, Vec::len);
            assert_eq!(
                delivery.status, "DELIVERED",
                "{id}: {delivery:?}, arrived {arrived} times"
            );
            assert!(arrived >= 1, "{id} is said to be delivered and never arrived");
            assert_eq!(delivery.attempts, delivery.attempt_count, "{id}: {delivery:?}");
            let known = delivery.attempts - delivery.interrupted;
            assert!(
                (known..=delivery.attempts).contains(&arrived),
                "{id}: {delivery:?} arrived {arrived} times"
            );
        }
        for id in self.requests.keys() {
            assert!(self.deliveries.contains_key(id), "{id} arrived and is not on record");
        }
        let requests = self.requests.values().map(Vec::len).sum();
        let repeats = requests - self.deliveries.len();
        assert!(
            repeats <= most_repeats,
            "{repeats} repeats, where at most {most_repeats} were in flight"
        );
        Figures {
            leads: stored.len(),
            requests,
            repeats,
        }
    }

    /// How often each delivery to that path arrived.
    pub(super) fn arrivals(&self, path: &str) -> Vec<usize> {
        let to_path = |requests: &&Vec<Arc<Received>>| requests[0].path() == path;
        self.requests.values().filter(to_path).map(Vec::len).collect()
    }

    /// The longest time from that fault to a repeat of what was in flight then; none if nothing was repeated.
    pub(super) fn slowest_repeat(&self, fault: Instant) -> Option<Duration> {
        let pairs = self.requests.values().flat_map(|requests| requests.windows(2));
        pairs
            .filter(|pair| pair[0].at <= fault && pair[1].at > fault)
            .map(|pair| pair[1].at - fault)
            .max()
    }
}

/// The longest time without a request between two moments.
pub(super) fn longest_silence(world: &World, from: Instant, to: Instant) -> Duration {
    let between = world
        .receiver
        .requests()
        .iter()
        .map(|request| request.at)
        .filter(|at| *at > from && *at < to)
        .collect::<Vec<_>>();
    let ends: Vec<Instant> = std::iter::once(from).chain(between).chain([to]).collect();
    ends.windows(2)
        .map(|pair| pair[1].saturating_duration_since(pair[0]))
        .max()
        .unwrap_or_default()
}

async fn read(world: &World) -> HashMap<String, Delivery> {
    let (mut deliveries, mut after) = (HashMap::new(), Value::Null);
    loop {
        let mut data = world.data(PAGE, json!({ "after": after })).await;
        let page = data["deliveries"].take();
        deliveries.extend(
            page["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|node| (text(&node["id"]), delivery(node))),
        );
        if page["pageInfo"]["hasNextPage"] != true {
            return deliveries;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

fn delivery(node: &Value) -> Delivery {
    let attempts = node["attempts"].as_array().unwrap();
    let interrupted = |attempt: &&Value| attempt["ok"] == false && attempt["httpStatus"].is_null();
    Delivery {
        lead: text(&node["lead"]["id"]),
        status: text(&node["status"]),
        attempt_count: usize::try_from(node["attemptCount"].as_u64().unwrap()).unwrap(),
        attempts: attempts.len(),
        interrupted: attempts.iter().filter(interrupted).count(),
    }
}

/// What is wrong with the signature of a request, by Standard Webhooks 1.0, worked out here independently of the product.
pub(super) fn wrong_signature(secrets: &HashMap<String, String>, request: &Received) -> Option<String> {
    let header = |name| request.header(name).unwrap_or_default();
    let secret = secrets[request.path()].strip_prefix("whsec_").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(secret).unwrap());
    let mut signed = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).into_bytes();
    signed.extend_from_slice(&request.body);
    let expected = format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)));
    (header("webhook-signature") != expected).then(|| format!("{request:?} should have {expected}"))
}

/// Every request, repeats too, carries the time at which it was sent, not that of an earlier one. The first that does not.
pub(super) fn wrong_timestamps(requests: &HashMap<String, Vec<Arc<Received>>>) -> Option<String> {
    let (now, wall) = (Instant::now(), UNIX_EPOCH.elapsed().unwrap());
    let arrived = |request: &Received| (wall - (now - request.at)).as_secs();
    let sent = |request: &Received| request.header("webhook-timestamp").unwrap().parse::<u64>().unwrap();
    for request in requests.values().flatten() {
        let (sent, arrived) = (sent(request), arrived(request));
        if sent > arrived + 1 || sent + FRESH.as_secs() < arrived {
            return Some(format!("sent {sent}, arrived {arrived}"));
        }
    }
    let old = |pair: &&[Arc<Received>]| sent(&pair[1]) + 1 < arrived(&pair[0]);
    let mut pairs = requests.values().flat_map(|requests| requests.windows(2));
    let found = pairs.find(old);
    found.map(|pair| format!("a repeat carries an old timestamp: {pair:?}"))
}
