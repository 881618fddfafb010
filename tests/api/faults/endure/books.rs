//! The three ledgers at rest: what was acknowledged, what the database says, what receivers saw. Here what does not fit is counted and
//! told instead of ending the test at the first.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use entity::delivery::{self, DeliveryErrorCode, DeliveryStatus};
use entity::ids::{DeliveryId, LeadId};
use entity::{delivery_attempt, lead};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};

use super::field::Episode;
use super::mood::Moods;
use super::repeats::Repeats;
use crate::faults::ledger;
use crate::faults::load::Seen;
use crate::faults::world::World;
use crate::support::http_receiver::Received;

/// The longest until everything is settled once the load has ended: retries, and endpoints that are left alone.
const REST: Duration = Duration::from_secs(150);
/// How the message of an attempt begins that nobody saw the end of.
const INTERRUPTED: &str = "the worker stopped";
const OPEN: [DeliveryStatus; 3] = [
    DeliveryStatus::Queued,
    DeliveryStatus::Sending,
    DeliveryStatus::Retrying,
];

/// The ledgers.
pub(super) struct Books {
    acknowledged: HashSet<String>,
    leads: HashSet<String>,
    /// Of all partners.
    deliveries: HashMap<String, Delivery>,
    requests: HashMap<String, Vec<Arc<Received>>>,
    /// Deliveries that there should be.
    expected: usize,
    open: u64,
    rested_after: Duration,
    repeats: Repeats,
    /// Signatures and times that are wrong.
    unsigned: Vec<String>,
}

/// What is known beforehand.
#[derive(Clone, Copy)]
pub(super) struct BothAccounts<'a> {
    /// By the path of each partner's URL.
    pub(super) secrets: &'a HashMap<String, String>,
    pub(super) moods: &'a Moods,
    pub(super) episodes: &'a [Episode],
    /// Deliveries that there should be.
    pub(super) expected: usize,
}

/// What the database says.
#[derive(Debug)]
pub(super) struct Delivery {
    lead: String,
    status: DeliveryStatus,
    attempt_count: usize,
    attempts: usize,
    /// Attempts that nobody has seen the end of, or whose connection was never made.
    silent: usize,
    /// Attempts without an answer in time, or whose connection broke.
    pub(super) unanswered: usize,
}

impl Books {
    /// Waits for rest, and reads.
    pub(super) async fn at_rest(world: &World, sides: BothAccounts<'_>, seen: &Seen) -> Self {
        let began = Instant::now();
        let open = rest(world, REST).await;
        let rested_after = began.elapsed();
        let (mut requests, mut unsigned) = (HashMap::<String, Vec<Arc<Received>>>::new(), Vec::new());
        for request in world.receiver.requests() {
            unsigned.extend(ledger::wrong_signature(sides.secrets, &request));
            let id = request.header("webhook-id").unwrap_or_default().to_owned();
            requests.entry(id).or_default().push(request);
        }
        unsigned.extend(ledger::wrong_timestamps(&requests));
        let (leads, deliveries) = database(world).await;
        let mut books = Self {
            acknowledged: seen.leads().map(str::to_owned).collect(),
            leads,
            deliveries,
            requests,
            expected: sides.expected,
            open,
            rested_after,
            repeats: Repeats::default(),
            unsigned,
        };
        books.repeats = Repeats::of(&books, sides.moods, sides.episodes);
        books
    }

    /// With what the database says, and the requests in the order in which they came.
    pub(super) fn each(&self) -> impl Iterator<Item = (&Delivery, &[Arc<Received>])> {
        self.deliveries
            .iter()
            .map(|(id, delivery)| (delivery, self.requests.get(id).map_or(&[][..], Vec::as_slice)))
    }

    fn states(&self) -> BTreeMap<String, usize> {
        let mut states = BTreeMap::new();
        for delivery in self.deliveries.values() {
            *states.entry(format!("{:?}", delivery.status)).or_default() += 1;
        }
        states
    }

    /// What does not hold, each with an example.
    pub(super) fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut note = |what: &str, count: usize, example: String| {
            if count > 0 {
                broken.push(format!("{what}: {count}, such as {example}"));
            }
        };
        let lost: Vec<&String> = self.acknowledged.difference(&self.leads).collect();
        note(
            "L: acknowledged and not stored",
            lost.len(),
            format!("{:?}", lost.first()),
        );
        let unknown: Vec<&String> = self.leads.difference(&self.acknowledged).collect();
        note(
            "L: stored and not acknowledged",
            unknown.len(),
            format!("{:?}", unknown.first()),
        );
        let missing = self.expected.abs_diff(self.deliveries.len());
        note("L: deliveries missing or too many", missing, String::new());
        let all = || {
            self.deliveries
                .iter()
                .map(|(id, delivery)| (id, delivery, self.arrivals(id)))
        };
        let mut judge = |what: &str, wrong: &dyn Fn(&Delivery, usize) -> bool| {
            let found: Vec<_> = all()
                .filter(|(_, delivery, arrived)| wrong(delivery, *arrived))
                .collect();
            note(what, found.len(), format!("{:?}", found.first()));
        };
        judge("L: delivered and never arrived", &|delivery, arrived| {
            delivery.status == DeliveryStatus::Delivered && arrived == 0
        });
        judge("Z: not settled", &|delivery, _| OPEN.contains(&delivery.status));
        judge("A: attempts on record are not those counted", &|delivery, _| {
            delivery.attempts != delivery.attempt_count
        });
        judge(
            "A: attempts on record are not the requests seen",
            &|delivery, arrived| !(delivery.attempts - delivery.silent..=delivery.attempts).contains(&arrived),
        );
        let strangers: Vec<&String> = self
            .requests
            .keys()
            .filter(|id| !self.deliveries.contains_key(*id))
            .collect();
        note(
            "A: arrived and not on record",
            strangers.len(),
            format!("{:?}", strangers.first()),
        );
        note(
            "S: signatures or times",
            self.unsigned.len(),
            format!("{:?}", self.unsigned.first()),
        );
        note(
            "Z: left open",
            usize::try_from(self.open).unwrap(),
            format!("{:?}", self.states()),
        );
        broken.extend(self.repeats.broken());
        broken
    }

    fn arrivals(&self, id: &str) -> usize {
        self.requests.get(id).map_or(0, Vec::len)
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests: usize = self.requests.values().map(Vec::len).sum();
        writeln!(f, "acknowledged      {} leads", self.acknowledged.len())?;
        writeln!(
            f,
            "in the database   {} leads, {} deliveries: {:?}",
            self.leads.len(),
            self.deliveries.len(),
            self.states()
        )?;
        writeln!(
            f,
            "seen by receivers {requests} requests for {} deliveries",
            self.requests.len()
        )?;
        writeln!(
            f,
            "at rest after     {:.1} s, {} open",
            self.rested_after.as_secs_f64(),
            self.open
        )?;
        write!(f, "{}", self.repeats)
    }
}

/// Waits until nothing is pending or leased; how much still is after so long.
#[expect(clippy::disallowed_methods, reason = "a test looks at all deliveries")]
pub(super) async fn rest(world: &World, patience: Duration) -> u64 {
    let (database, deadline) = (world.stores.database().await, Instant::now() + patience);
    loop {
        let open = delivery::Entity::find()
            .filter(delivery::Column::Status.is_in(OPEN))
            .count(&database)
            .await
            .unwrap();
        if open == 0 || Instant::now() > deadline {
            return open;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "a test looks at all leads and deliveries")]
async fn database(world: &World) -> (HashSet<String>, HashMap<String, Delivery>) {
    let database = world.stores.database().await;
    let leads = lead::Entity::find().select_only().column(lead::Column::Id);
    let leads: Vec<LeadId> = leads.into_tuple().all(&database).await.unwrap();
    let rows = delivery::Entity::find().select_only().columns([
        delivery::Column::Id,
        delivery::Column::LeadId,
        delivery::Column::Status,
        delivery::Column::AttemptCount,
    ]);
    let rows: Vec<(DeliveryId, LeadId, DeliveryStatus, i32)> = rows.into_tuple().all(&database).await.unwrap();
    let mut deliveries = HashMap::new();
    for (id, lead, status, attempts) in rows {
        let delivery = Delivery {
            lead: lead.to_string(),
            status,
            attempt_count: usize::try_from(attempts).unwrap(),
            attempts: 0,
            silent: 0,
            unanswered: 0,
        };
        deliveries.insert(id.to_string(), delivery);
    }
    let attempts = delivery_attempt::Entity::find().select_only().columns([
        delivery_attempt::Column::DeliveryId,
        delivery_attempt::Column::HttpStatus,
        delivery_attempt::Column::ErrorCode,
        delivery_attempt::Column::Message,
    ]);
    type Attempt = (DeliveryId, Option<i32>, Option<DeliveryErrorCode>, Option<String>);
    let attempts: Vec<Attempt> = attempts.into_tuple().all(&database).await.unwrap();
    for (id, status, code, message) in attempts {
        let delivery = deliveries.get_mut(&id.to_string()).unwrap();
        delivery.attempts += 1;
        delivery.silent += usize::from(status.is_none());
        let interrupted = message.is_some_and(|message| message.starts_with(INTERRUPTED));
        let unanswered = matches!(code, Some(DeliveryErrorCode::Network | DeliveryErrorCode::Timeout));
        delivery.unanswered += usize::from(unanswered && !interrupted);
    }
    (leads.iter().map(LeadId::to_string).collect(), deliveries)
}

/// So that the sides of a ledger can be told from outside.
impl Delivery {
    pub(super) fn lead(&self) -> &str {
        &self.lead
    }
}

/// Whether a request was meant to be taken.
pub(super) fn taken(moods: &Moods, request: &Received) -> bool {
    moods.took(request.number)
}
