//! Where a soak takes place: the processes, their stores behind proxies, a company with two partners, one of which has moods.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::json;

use super::fault::Fault;
use super::memory::Memory;
use super::mood::{MOODY, Moods, WORK};
use crate::faults::ahead;
use crate::faults::load::{Seen, Submitter};
use crate::faults::proxy::Proxy;
use crate::faults::stores::{Service, Stores};
use crate::faults::target::Target;
use crate::faults::world::World;
use crate::support::app::Mode;
use crate::support::http_receiver::HttpReceiver;
use crate::support::make::webhook_with;

/// Deliveries that each process has under way at most.
pub(super) const CONCURRENCY: usize = 32;
/// Files that each process may open: few, so that a crowd of callers can take all connections.
const FILES: u64 = 512;
/// Clients that ask again for receipts.
const ASKING: usize = 16;

/// What happened, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Episode {
    pub(super) fault: Fault,
    pub(super) from: Instant,
    pub(super) until: Instant,
    /// Deliveries that may have been in flight, and may be repeated for that.
    pub(super) in_flight: usize,
}

/// Everything there is.
pub(super) struct Field {
    pub(super) mode: Mode,
    pub(super) world: World,
    pub(super) receivers: Proxy,
    /// In server mode.
    pub(super) database: Option<Proxy>,
    pub(super) redis: Option<Proxy>,
    pub(super) moods: Moods,
    pub(super) target: Target,
    pub(super) memory: Memory,
    pub(super) episodes: Vec<Episode>,
    /// Idempotency keys of leads whose clients have hung up.
    pub(super) hung_up: Vec<String>,
}

impl Field {
    /// Leads a second that one process can deliver to all partners.
    pub(super) fn deliverable(&self) -> f64 {
        let partners = u32::try_from(self.world.secrets.len()).unwrap();
        f64::from(u32::try_from(CONCURRENCY).unwrap()) / WORK.as_secs_f64() / f64::from(partners)
    }

    /// In server mode two processes that serve and deliver, and a worker whose clock is ahead; embedded there is one.
    pub(super) async fn start(mode: Mode) -> Self {
        let receiver = HttpReceiver::start().await;
        let receivers = Proxy::before(receiver.address).await;
        let moods = Moods::of(&receiver);
        let mut stores = Stores::start(mode, CONCURRENCY).await;
        stores.limit_files(FILES);
        let (mut database, mut redis) = (None, None);
        if mode == Mode::Server {
            database = Some(before(&mut stores, Service::Postgres).await);
            redis = Some(before(&mut stores, Service::Redis).await);
        }
        let roles: &[&str] = match mode {
            Mode::Server => &["serve", "serve", ahead::ROLE],
            Mode::Embedded => &["serve"],
        };
        let deliveries = ["/0", MOODY].map(|path| (path.to_owned(), delivery(receivers.address, path)));
        let world = World::start_with((stores, receiver), roles, deliveries.to_vec()).await;
        let serving = match mode {
            Mode::Server => vec![world.address_of(0), world.address_of(1)],
            Mode::Embedded => vec![world.address_of(0)],
        };
        Self {
            mode,
            target: world.company.at(serving),
            memory: Memory::watch(world.processes.iter().map(crate::faults::process::Process::pid)),
            world,
            receivers,
            database,
            redis,
            moods,
            episodes: Vec::new(),
            hung_up: Vec::new(),
        }
    }

    /// Starts a process that has ended.
    pub(super) async fn restart(&mut self, place: usize) {
        self.world.restart(place).await;
        self.memory.now_runs(place, self.world.processes[place].pid());
    }

    /// What may have been stored is asked for again: its receipt stands for it.
    pub(super) async fn ask_again(&mut self, seen: &mut Seen) {
        let keys = std::mem::take(&mut self.hung_up);
        let ask = |(number, key): (usize, String)| {
            let submitter = Submitter::to(&self.target, number);
            async move {
                let mut tries = Vec::new();
                submitter.until_acknowledged(&key, &mut tries).await;
                tries
            }
        };
        let mut asked = futures::stream::iter(keys.into_iter().enumerate())
            .map(ask)
            .buffer_unordered(ASKING);
        while let Some(tries) = asked.next().await {
            seen.0.extend(tries);
        }
    }
}

async fn before(stores: &mut Stores, service: Service) -> Proxy {
    let proxy = Proxy::before(stores.address(service)).await;
    stores.reach_at(service, proxy.address);
    proxy
}

/// Tries again soon, and for longer than any fault lasts.
fn delivery(receivers: SocketAddr, path: &str) -> serde_json::Value {
    let retry = json!({ "attempts": 20, "initialDelayMs": 500, "maxDelayMs": 4_000 });
    let timeout = Duration::from_secs(5).as_millis();
    let more = json!({ "timeoutMs": u64::try_from(timeout).unwrap(), "retry": retry });
    webhook_with(&format!("http://{receivers}{path}"), more)
}
