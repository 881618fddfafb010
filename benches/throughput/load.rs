//! One run: so many leads at such a pace, and what arrived of them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use entity::ids::LeadId;
use futures::future::try_join_all;

use crate::client::{Client, Sample};
use crate::receiver::Receiver;
use crate::seed::Target;

/// Connections among which leads of an even pace are shared out.
const CONNECTIONS: u32 = 16;

/// What is submitted.
pub(crate) struct Load {
    pub(crate) leads: usize,
    pub(crate) pace: Pace,
}

/// How fast.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// So many connections, each as fast as it is answered.
    Clients(usize),
    /// So many a second, whether or not those before are answered.
    PerSecond(u32),
}

/// What was seen.
pub(crate) struct Measured {
    /// From the first lead sent to the last receipt.
    pub(crate) accepting: Duration,
    /// From the first lead sent to the last arrival.
    pub(crate) delivering: Duration,
    /// From sending to the receipt, ascending.
    pub(crate) submit: Vec<Duration>,
    /// From sending to each arrival, ascending.
    pub(crate) arrival: Vec<Duration>,
    /// Deliveries that did not arrive.
    pub(crate) lost: usize,
    /// Deliveries that arrived again.
    pub(crate) repeated: usize,
}

/// Submits everything, and waits until everything has arrived.
pub(crate) async fn run(
    load: &Load,
    target: &Target,
    address: SocketAddr,
    receiver: &Receiver,
) -> anyhow::Result<Measured> {
    let first = target.reserve(load.leads);
    let samples = match load.pace {
        Pace::Clients(clients) => closed(load.leads, clients, first, (target, address)).await?,
        Pace::PerSecond(rate) => open(load.leads, rate, first, (target, address)).await?,
    };
    let arrivals = receiver.take(samples.len() * usize::from(target.partners)).await;
    // A repetition would come right behind.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let late = receiver.take_late();
    let begin = samples.iter().map(|sample| sample.sent).min().context("no leads")?;
    let last = |ends: &mut dyn Iterator<Item = Instant>| ends.max().map_or(Duration::ZERO, |end| end - begin);
    let sent: HashMap<LeadId, Instant> = samples.iter().map(|sample| (sample.lead, sample.sent)).collect();
    let mut times: HashMap<(LeadId, u16), usize> = HashMap::with_capacity(arrivals.len());
    let mut arrival = Vec::with_capacity(arrivals.len());
    for arrived in arrivals.iter().chain(&late) {
        let again = times.entry((arrived.lead, arrived.partner)).or_default();
        *again += 1;
        if *again == 1 {
            let sent = sent
                .get(&arrived.lead)
                .context("a lead arrived that nobody has submitted")?;
            arrival.push(arrived.at - *sent);
        }
    }
    arrival.sort_unstable();
    let mut submit: Vec<Duration> = samples.iter().map(|sample| sample.answered - sample.sent).collect();
    submit.sort_unstable();
    Ok(Measured {
        accepting: last(&mut samples.iter().map(|sample| sample.answered)),
        delivering: last(&mut arrivals.iter().map(|arrived| arrived.at)),
        lost: samples.len() * usize::from(target.partners) - arrival.len(),
        repeated: times.values().map(|count| count - 1).sum(),
        submit,
        arrival,
    })
}

async fn closed(
    leads: usize,
    clients: usize,
    first: usize,
    (target, address): (&Target, SocketAddr),
) -> anyhow::Result<Vec<Sample>> {
    let (next, end) = (AtomicUsize::new(first), first + leads);
    let senders = (0..clients).map(|_| async {
        let mut client = Client::connect(address, target).await?;
        let mut samples = Vec::with_capacity(leads / clients + 1);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= end {
                return anyhow::Ok(samples);
            }
            samples.push(client.submit(number, None).await?);
        }
    });
    Ok(try_join_all(senders).await?.into_iter().flatten().collect())
}

/// At an even pace, whether or not those before are answered.
pub(crate) async fn open(
    leads: usize,
    rate: u32,
    first: usize,
    (target, address): (&Target, SocketAddr),
) -> anyhow::Result<Vec<Sample>> {
    let begin = Instant::now() + Duration::from_millis(100);
    let senders = (0..CONNECTIONS).map(|place| async move {
        let mut client = Client::connect(address, target).await?;
        let mut samples = Vec::new();
        for (number, turn) in (first..first + leads)
            .zip(0u32..)
            .skip(usize::try_from(place)?)
            .step_by(usize::try_from(CONNECTIONS)?)
        {
            let due = begin + Duration::from_secs(1) * turn / rate;
            // A connection that is still busy has held the lead up; one that waited wakes up to a millisecond late by itself.
            let held_up = (Instant::now() > due).then_some(due);
            tokio::time::sleep_until(due.into()).await;
            samples.push(client.submit(number, held_up).await?);
        }
        anyhow::Ok(samples)
    });
    Ok(try_join_all(senders).await?.into_iter().flatten().collect())
}
