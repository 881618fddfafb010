//! What open subscriptions cost: so many sockets over so many portals, while leads come in at an even pace. Each lead goes into one
//! portal and must be told once on each of its sockets.

mod seed;
mod sockets;

use std::collections::HashMap;
use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use crate::client::Sample;
use crate::load;
use crate::processes::resident;
use crate::report::quantiles;
use crate::server::{Mode, Place, Running};
use crate::{Arguments, modes};
use seed::Portals;
use sockets::{Arrival, Sockets};

/// Leads before anything is measured, and sockets that follow them: what the first of them cost, such as connections to the
/// database, is not the cost of each.
const WARM_UP: usize = 200;
const FIRST_SOCKETS: usize = 100;
/// Until memory that was used for opening sockets has settled.
const SETTLE: Duration = Duration::from_secs(3);
/// Longest wait for the last events after the last receipt.
const LATEST: Duration = Duration::from_secs(20);

/// Measures it in each mode.
pub(crate) async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let mut broken = 0;
    for mode in modes(arguments)? {
        broken += run(arguments, mode).await?;
    }
    anyhow::ensure!(broken == 0, "{broken} events were lost or told twice");
    Ok(())
}

async fn run(arguments: &Arguments, mode: Mode) -> anyhow::Result<usize> {
    sockets::check_limit(arguments.sockets)?;
    anyhow::ensure!(
        arguments.portals > 0 && 100 % arguments.portals == 0,
        "--portals has to divide 100"
    );
    let place = Place::new(mode, arguments.postgres.as_deref(), arguments.redis.as_deref()).await?;
    let portals = seed::seed(&place, arguments.portals).await?;
    let server = Running::start(&place, arguments.binary.as_deref()).await?;
    let address = server.address();
    let rate = arguments.stream_rate;
    let first = Sockets::open(address, &portals.tokens, FIRST_SOCKETS).await?;
    let warm_up = submit(&portals, address, (WARM_UP, rate)).await?;
    let told = warm_up.len() * (FIRST_SOCKETS / portals.tokens.len());
    drop(first.take(told, LATEST).await);
    tokio::time::sleep(SETTLE).await;
    let alone = submit(&portals, address, (leads(arguments), rate)).await?;
    let before = resident(server.id());

    let sockets = Sockets::open(address, &portals.tokens, arguments.sockets).await?;
    tokio::time::sleep(SETTLE).await;
    let open = resident(server.id());
    let samples = submit(&portals, address, (leads(arguments), rate)).await?;
    let each = arguments.sockets / portals.tokens.len();
    let arrivals = sockets.take(samples.len() * each, LATEST).await;
    let busy = resident(server.id());

    let told = compare(&samples, &arrivals, each)?;
    let per_socket = |bytes: Option<u64>| {
        let sockets = u64::try_from(arguments.sockets).ok()?;
        Some(bytes?.saturating_sub(before?) / sockets.max(1))
    };
    let line = json!({
        "mode": mode,
        "sockets": arguments.sockets,
        "portals": portals.tokens.len(),
        "leadsPerSecond": rate,
        "leads": samples.len(),
        "events": arrivals.len(),
        "submitAloneMs": quantiles(&submitted(&alone)),
        "submitMs": quantiles(&submitted(&samples)),
        "eventMs": quantiles(&told.since_sent),
        "afterReceiptMs": quantiles(&told.since_receipt),
        "bytesPerIdleSocket": per_socket(open),
        "bytesPerBusySocket": per_socket(busy),
        "lost": told.lost,
        "repeated": told.repeated,
    });
    writeln!(stdout(), "{line}")?;
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&arguments.json)?;
    writeln!(file, "{line}")?;
    Ok(told.lost + told.repeated)
}

fn leads(arguments: &Arguments) -> usize {
    usize::try_from(arguments.stream_rate * arguments.stream_seconds).unwrap_or(usize::MAX)
}

async fn submit(portals: &Portals, address: SocketAddr, (leads, rate): (usize, u32)) -> anyhow::Result<Vec<Sample>> {
    let first = portals.target.reserve(leads);
    load::open(leads, rate, first, (&portals.target, address)).await
}

fn submitted(samples: &[Sample]) -> Vec<Duration> {
    let mut times: Vec<Duration> = samples.iter().map(|sample| sample.answered - sample.sent).collect();
    times.sort_unstable();
    times
}

/// What sockets were told, against what was submitted.
struct Told {
    since_sent: Vec<Duration>,
    since_receipt: Vec<Duration>,
    lost: usize,
    repeated: usize,
}

fn compare(samples: &[Sample], arrivals: &[Arrival], each: usize) -> anyhow::Result<Told> {
    let by_number: HashMap<usize, &Sample> = samples.iter().map(|sample| (sample.number, sample)).collect();
    let mut times: HashMap<(usize, usize), usize> = HashMap::with_capacity(arrivals.len());
    let (mut since_sent, mut since_receipt) = (Vec::new(), Vec::new());
    for arrival in arrivals {
        let sample = by_number
            .get(&arrival.number)
            .context("a socket was told of a lead that nobody has submitted")?;
        let again = times.entry((arrival.socket, arrival.number)).or_default();
        *again += 1;
        if *again == 1 {
            since_sent.push(arrival.at - sample.sent);
            // An event may well overtake the receipt.
            since_receipt.push(arrival.at.saturating_duration_since(sample.answered));
        }
    }
    since_sent.sort_unstable();
    since_receipt.sort_unstable();
    Ok(Told {
        lost: (samples.len() * each).saturating_sub(times.len()),
        repeated: times.values().map(|count| count - 1).sum(),
        since_sent,
        since_receipt,
    })
}
