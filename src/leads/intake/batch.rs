//! A writer: takes all that waits, stores it at once, answers. There is no timer: the time that the last commit took is what
//! the next batch had to gather, so one caller waits for nobody and many share one commit.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use tokio::sync::{Mutex, mpsc};

use super::fair_queue::FairQueue;
use super::room::Held;
use super::store::{Stored, store};
use super::{Answer, Job, WAITING};
use crate::app::App;
use crate::error::{Error, Outage};

/// How often a batch is stored anew because the database gave it up for the sake of another transaction.
const WAYS_GIVEN: u32 = 3;

/// What waits for a writer.
pub(super) struct Waiting {
    arriving: mpsc::Receiver<Job>,
    queue: FairQueue<Job>,
}

impl Waiting {
    pub(super) fn new(arriving: mpsc::Receiver<Job>) -> Self {
        Self {
            arriving,
            queue: FairQueue::default(),
        }
    }

    /// Waits for one job at least, and takes along what else is there. Empty when there will be none any more.
    async fn next_batch(&mut self) -> Vec<Job> {
        let mut arrived = Vec::new();
        if self.queue.len() == 0 {
            self.arriving.recv_many(&mut arrived, WAITING).await;
        }
        while self.queue.len() + arrived.len() < WAITING
            && let Ok(job) = self.arriving.try_recv()
        {
            arrived.push(job);
        }
        let now = Instant::now();
        for job in arrived {
            self.queue.push(job.sender(), job, now);
        }
        self.queue.take(now, held)
    }
}

/// Bytes that a job holds.
fn held(job: &Job) -> usize {
    job.held.as_ref().map_or(0, Held::bytes)
}

/// Runs until nobody can submit any more and everything that waited is stored.
pub(super) async fn write(app: App, waiting: Arc<Mutex<Waiting>>) {
    loop {
        let batch = waiting.lock().await.next_batch().await;
        if batch.is_empty() {
            return;
        }
        store_batch(&app, batch, WAYS_GIVEN).await;
    }
}

/// One bad row fails a whole statement: then the halves are stored by themselves, and so on, until it is alone. So a bad lead in a
/// full batch (256 leads) costs 16 further transactions, not 256, and its caller alone gets its error.
async fn store_batch(app: &App, mut batch: Vec<Job>, ways_left: u32) {
    app.metrics.batch(batch.len(), batch.iter().map(held).sum());
    // A fault in storing one batch must not end the writer: the next one is stored as if nothing had been.
    let stored = AssertUnwindSafe(store(app, &mut batch)).catch_unwind().await;
    match stored.unwrap_or_else(|_panic| Err(panicked())) {
        Ok(stored) => tell(app, batch, stored),
        Err(Error::Outage(Outage::GaveWay)) if ways_left > 0 => {
            for job in &mut batch {
                job.decide_again(app);
            }
            Box::pin(store_batch(app, batch, ways_left - 1)).await;
        }
        Err(Error::Outage(outage)) => {
            // Deliveries may have been claimed that nobody here will attempt: with another lease, they are taken over. Where
            // nothing was claimed the lease is kept: giving it up would repeat whatever is under way.
            if outage == Outage::EndUnknown {
                app.queue.abandon_lease();
            }
            answer_all(batch, || Error::Outage(outage));
        }
        Err(Error::Unavailable(why)) => answer_all(batch, || Error::Unavailable(why)),
        Err(error) if batch.len() == 1 => {
            if let Some(job) = batch.pop() {
                drop(job.answer.send(Answer::Done(Err(error))));
            }
        }
        Err(error) => {
            tracing::warn!(
                leads = batch.len(),
                ?error,
                "a batch could not be stored; each half is now stored by itself"
            );
            let second = batch.split_off(batch.len() / 2);
            for mut half in [batch, second] {
                for job in &mut half {
                    job.decide_again(app);
                }
                Box::pin(store_batch(app, half, ways_left)).await;
            }
        }
    }
}

/// The panic itself has told its place already. It may have come after the commit.
fn panicked() -> Error {
    tracing::error!("storing leads has panicked; its callers are told to repeat them");
    Error::Outage(Outage::EndUnknown)
}

fn count(app: &App, answer: &Answer) {
    if let Answer::Done(Ok(receipt)) = answer
        && !receipt.replayed
    {
        app.metrics.lead_stored(receipt.outcome);
    }
}

fn answer_all(batch: Vec<Job>, why: impl Fn() -> Error) {
    for job in batch {
        drop(job.answer.send(Answer::Done(Err(why()))));
    }
}

/// After the commit: receipts first, then whoever follows from them.
fn tell(app: &App, batch: Vec<Job>, stored: Stored) {
    for (job, answer) in batch.into_iter().zip(stored.answers) {
        count(app, &answer);
        drop(job.answer.send(answer));
    }
    for claimed in stored.claimed {
        app.queue.hand_over(claimed);
    }
    app.queue.wake(stored.waiting);
    app.hub.tell(&stored.heads);
}
