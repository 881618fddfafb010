//! A writer: takes all that waits, stores it at once, answers. There is no timer: the time that the last commit took is what
//! the next batch had to gather, so one caller waits for nobody and many share one commit.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};
use tracing::Instrument;

use super::fair_queue::FairQueue;
use super::room::Held;
use super::store::{Stored, store};
use super::{Answer, Job, WAITING};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Outage};
use leadmesh_core::spans;

/// How often a batch is stored anew because the database gave it up for the sake of another transaction.
const WAYS_GIVEN: u32 = 3;

/// What waits for a writer.
pub(super) struct Waiting {
    arriving: mpsc::Receiver<Job>,
    queue: FairQueue<Job>,
    /// Held by the writer that stores a batch of long rows: the other one is there for whoever submits few leads.
    long: Arc<Semaphore>,
}

/// What a writer stores at once.
struct Batch {
    jobs: Vec<Job>,
    long: Option<OwnedSemaphorePermit>,
}

impl Waiting {
    pub(super) fn new(arriving: mpsc::Receiver<Job>) -> Self {
        Self {
            arriving,
            queue: FairQueue::default(),
            long: Arc::new(Semaphore::new(1)),
        }
    }

    /// Waits for one job at least, and takes along what else is there. None when there will be none any more.
    async fn next_batch(&mut self) -> Option<Batch> {
        loop {
            self.gather();
            let long = self.long.clone().try_acquire_owned().ok();
            let taken = self.queue.take(Instant::now(), long.is_some(), held);
            if !taken.items.is_empty() {
                return Some(Batch {
                    jobs: taken.items,
                    long: long.filter(|_| taken.long),
                });
            }
            drop(long);
            if !self.wait().await {
                return None;
            }
        }
    }

    /// Takes what has arrived.
    fn gather(&mut self) {
        let now = Instant::now();
        while self.queue.len() < WAITING
            && let Ok(job) = self.arriving.try_recv()
        {
            self.queue.push(job.sender(), job, now);
        }
    }

    /// Waits for a job, or until long rows may be stored where there are any. Answers whether something is or may be there.
    async fn wait(&mut self) -> bool {
        let waits = self.queue.len();
        let arriving = async {
            match self.arriving.recv().await {
                Some(job) => Some(job),
                None if waits == 0 => None,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            job = arriving, if waits < WAITING => {
                let some = job.is_some();
                if let Some(job) = job {
                    self.queue.push(job.sender(), job, Instant::now());
                }
                some
            }
            // An error is impossible: nobody closes it.
            _free = self.long.acquire(), if waits > 0 => true,
        }
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
        let Some(Batch { jobs, long }) = batch else { return };
        let began = Instant::now();
        store_batch(&app, jobs, WAYS_GIVEN).await;
        if let Some(long) = long {
            rest(long, began.elapsed());
        }
    }
}

/// Long rows rest for as long as they were stored: half of the time the database, and whoever decides leads, is there for others.
fn rest(long: OwnedSemaphorePermit, time: Duration) {
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        drop(long);
    });
}

/// One bad row fails a whole statement: then the halves are stored by themselves, and so on, until it is alone. So a bad lead in a
/// full batch (256 leads) costs 16 further transactions, not 256, and its caller alone gets its error.
async fn store_batch(app: &App, mut batch: Vec<Job>, ways_left: u32) {
    app.metrics.batch(batch.len(), batch.iter().map(held).sum());
    // A fault in storing one batch must not end the writer: the next one is stored as if nothing had been.
    let span = spans::batch(batch.iter().map(|job| job.lead.id));
    let stored = AssertUnwindSafe(store(app, &mut batch)).catch_unwind();
    let stored = stored.instrument(span.clone()).await;
    if !matches!(stored, Ok(Ok(_))) {
        spans::failed(&span);
    }
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
