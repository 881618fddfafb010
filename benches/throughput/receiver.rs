//! The recipient of every webhook: notes which lead arrived for which partner, and when.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use entity::ids::LeadId;
use tokio::net::{TcpListener, TcpStream};

use crate::wire::Wire;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// How often it is looked whether all have arrived.
const LOOK: Duration = Duration::from_millis(5);
/// After so long without an arrival nothing more is expected.
const PATIENCE: Duration = Duration::from_secs(20);

/// One webhook request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) lead: LeadId,
    /// From the path, so that repetitions are told from other partners' requests.
    pub(crate) partner: u16,
    pub(crate) at: Instant,
}

/// Listens on a port of its own.
pub(crate) struct Receiver {
    address: SocketAddr,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
}

impl Receiver {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let receiver = Self {
            address: listener.local_addr()?,
            arrivals: Arc::default(),
        };
        let arrivals = receiver.arrivals.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // An end within a request is the server being stopped.
                tokio::spawn(receive(stream, arrivals.clone()));
            }
        });
        Ok(receiver)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for so many, or until nothing comes any more, and takes them.
    pub(crate) async fn take(&self, expected: usize) -> Vec<Arrival> {
        let (mut before, mut since) = (0, Instant::now());
        loop {
            let now = self.lock().len();
            if now >= expected || (now == before && since.elapsed() > PATIENCE) {
                return std::mem::take(&mut *self.lock());
            }
            if now > before {
                (before, since) = (now, Instant::now());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Takes what came after all were there.
    pub(crate) fn take_late(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(stream: TcpStream, arrivals: Arc<Mutex<Vec<Arrival>>>) -> anyhow::Result<()> {
    let mut wire = Wire::new(stream)?;
    while let Some(request) = wire.read().await? {
        let at = Instant::now();
        let lead = request.header("leadmesh-lead-id").context("a request without a lead")?;
        let partner = request.second_word().trim_start_matches('/').parse()?;
        let arrival = Arrival {
            lead: lead.parse()?,
            partner,
            at,
        };
        arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
        wire.write(ANSWER).await?;
    }
    Ok(())
}
