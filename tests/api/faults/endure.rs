//! Fault 24: faults of all kinds, drawn by a seed, at random moments under load for minutes; then the three ledgers. And the load of
//! callers who mean harm, beside which another account must hardly notice anything.
//!
//! `scripts/endure` runs the long ones. The short ones are tests like others.

mod abuse;
mod books;
mod crowd;
mod fault;
mod field;
mod memory;
mod mood;
mod repeats;
mod steady;
mod strike;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use self::abuse::{Abuse, RATIO};
use self::books::{Books, BothAccounts};
use self::fault::Kinds;
use self::field::Field;
use super::load::{Clients, Load, Pace, Seen};
use crate::support::app::Mode;

/// Of the short runs, which draw from faults that are over within moments: other tests look at each of the longer ones.
const SEED: u64 = 24;
/// Clients that submit.
const CLIENTS: usize = 32;

/// A run.
#[derive(Clone, Copy, Debug)]
struct Plan {
    mode: Mode,
    seed: u64,
    kinds: Kinds,
    /// Under load.
    time: Duration,
    faults: usize,
    /// Submitting as fast as answers come, to know how much that is.
    peak: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_soak_keeps_the_ledgers_embedded() {
    soak(Plan {
        mode: Mode::Embedded,
        seed: SEED,
        kinds: Kinds::Brief,
        time: Duration::from_secs(10),
        faults: 4,
        peak: Duration::from_secs(2),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_soak_keeps_the_ledgers_server() {
    soak(Plan {
        mode: Mode::Server,
        seed: SEED,
        kinds: Kinds::Brief,
        time: Duration::from_secs(15),
        faults: 6,
        peak: Duration::from_secs(2),
    })
    .await;
}

/// As long, and with what seed and in what mode, as `scripts/endure` says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes many minutes: scripts/endure"]
async fn a_soak() {
    let seconds = setting("SECONDS").map_or(600, |text| text.parse().unwrap());
    let seed = setting("SEED").map_or_else(rand::random, |text| text.parse().unwrap());
    for mode in modes() {
        soak(Plan {
            mode,
            seed,
            kinds: Kinds::All,
            time: Duration::from_secs(seconds),
            // 25 in ten minutes.
            faults: usize::try_from(seconds / 24).unwrap().max(4),
            peak: Duration::from_secs(10),
        })
        .await;
    }
}

/// The same of the load of "Must show".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes many minutes: scripts/endure abuse"]
async fn an_abuse() {
    let seconds = setting("SECONDS").map_or(300, |text| text.parse().unwrap());
    let mut slow = Vec::new();
    for mode in modes() {
        let ratio = Abuse::run(mode, Duration::from_secs(seconds)).await;
        if ratio > RATIO {
            slow.push(format!("{mode:?}: the neighbour's leads take {ratio:.2} times as long"));
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
}

fn setting(name: &str) -> Option<String> {
    std::env::var(format!("LEADMESH_TEST_ENDURE_{name}")).ok()
}

fn modes() -> Vec<Mode> {
    match setting("MODE").as_deref() {
        Some("embedded") => vec![Mode::Embedded],
        Some("server") => vec![Mode::Server],
        _ => vec![Mode::Server, Mode::Embedded],
    }
}

async fn soak(plan: Plan) {
    println!("{plan:?}");
    let mut dice = StdRng::seed_from_u64(plan.seed);
    let mut field = Field::start(plan.mode).await;
    let fast = Load::of(
        &field.target,
        Clients {
            name: "peak-",
            count: CLIENTS,
            pace: Pace::Between(Duration::ZERO),
        },
    );
    tokio::time::sleep(plan.peak).await;
    let mut seen = fast.finish().await;
    let peak = f64::from(u32::try_from(seen.leads().count()).unwrap()) / plan.peak.as_secs_f64();
    // A release build takes more leads than so few deliveries at once can follow, and what never is at rest cannot be counted.
    let rate = (peak / 2.0).min(field.deliverable() / 2.0);
    let every = Duration::from_secs_f64(f64::from(u32::try_from(CLIENTS).unwrap()) / rate);
    println!("peak {peak:.0} leads/s, each of {CLIENTS} clients now submits one every {every:?}");

    let load = Load::of(
        &field.target,
        Clients {
            name: "soak-",
            count: CLIENTS,
            pace: Pace::Every(every),
        },
    );
    let began = Instant::now();
    let each = plan.time / u32::try_from(plan.faults).unwrap();
    for (number, fault) in fault::draw((plan.mode, plan.kinds), plan.faults, &mut dice)
        .into_iter()
        .enumerate()
    {
        let slot = began + each * u32::try_from(number).unwrap();
        let moment = slot + each.mul_f64(dice.random_range(0.0..0.3));
        tokio::time::sleep_until(moment.into()).await;
        let episode = strike::strike(&mut field, fault, &mut dice).await;
        println!(
            "{:6.1} s {fault:?} for {:.1} s",
            (episode.from - began).as_secs_f64(),
            (episode.until - episode.from).as_secs_f64()
        );
        field.episodes.push(episode);
    }
    tokio::time::sleep_until((began + plan.time).into()).await;
    let under_load = load.finish().await;
    println!("load ended after {:?}: {}", began.elapsed(), told(&under_load));
    seen.0.extend(under_load.0);
    field.ask_again(&mut seen).await;
    let leads: HashSet<&str> = seen.leads().collect();
    let sides = BothAccounts {
        secrets: &field.world.secrets,
        moods: &field.moods,
        episodes: &field.episodes,
        expected: leads.len() * field.world.secrets.len(),
    };
    let books = Books::at_rest(&field.world, sides, &seen).await;
    println!("{books}");
    let memory = field.memory.slope();
    println!("memory: {memory}");
    let mut broken = books.broken();
    if plan.time >= memory::LONG_ENOUGH {
        broken.extend(memory.broken());
    }
    assert!(broken.is_empty(), "seed {}:\n{}", plan.seed, broken.join("\n"));
    assert!(seen.wrong().is_empty(), "seed {}: {:?}", plan.seed, seen.wrong());
    println!("L, D, S, A and Z hold; seed {}", plan.seed);
}

fn told(seen: &Seen) -> String {
    format!(
        "{} receipts, {} tries without one, p50 {:?}, p99 {:?}",
        seen.leads().count(),
        seen.refused().len(),
        seen.percentile(50),
        seen.percentile(99)
    )
}
