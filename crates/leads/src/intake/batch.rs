//! Writers. A writer takes all submissions that wait, stores them in one transaction, and answers. There is no timer: a batch collects
//! while the last one is committed, so a single caller waits for nobody, and many callers share one commit.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};
use tracing::Instrument;

use super::commit::{StoredBatch, commit_batch};
use super::fair_queue::FairQueue;
use super::job::{Answer, Job, MAX_WAITING};
use super::memory::MemoryPermit;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Outage};
use leadmesh_core::spans;

/// How often a batch is stored again because the database aborted it for the sake of another transaction.
const MAX_CONFLICT_RETRIES: u32 = 3;

/// Submissions that wait for a writer.
pub(super) struct WriterQueue {
    arriving: mpsc::Receiver<Job>,
    queue: FairQueue<Job>,
    /// Held by the writer that stores a bulk batch: the other one is there for accounts that submit few leads.
    bulk: Arc<Semaphore>,
}

struct Batch {
    jobs: Vec<Job>,
    /// Set for a bulk batch.
    bulk: Option<OwnedSemaphorePermit>,
}

impl WriterQueue {
    pub(super) fn new(arriving: mpsc::Receiver<Job>) -> Self {
        Self {
            arriving,
            queue: FairQueue::default(),
            bulk: Arc::new(Semaphore::new(1)),
        }
    }

    /// Waits for at least one job, then takes all that are there. None when no more jobs can come.
    async fn next_batch(&mut self) -> Option<Batch> {
        loop {
            self.collect();
            let permit = self.bulk.clone().try_acquire_owned().ok();
            let taken = self.queue.take(Instant::now(), permit.is_some(), footprint);
            if !taken.items.is_empty() {
                return Some(Batch {
                    jobs: taken.items,
                    bulk: permit.filter(|_| taken.bulk),
                });
            }
            drop(permit);
            if !self.wait().await {
                return None;
            }
        }
    }

    /// Queues the jobs that have arrived.
    fn collect(&mut self) {
        let now = Instant::now();
        while self.queue.len() < MAX_WAITING
            && let Ok(job) = self.arriving.try_recv()
        {
            self.queue.push(job.sender(), job, now);
        }
    }

    /// Waits for a job or, if jobs are queued, for the bulk permit. Answers whether there may be a batch.
    async fn wait(&mut self) -> bool {
        let queued = self.queue.len();
        let arriving = async {
            match self.arriving.recv().await {
                Some(job) => Some(job),
                None if queued == 0 => None,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            job = arriving, if queued < MAX_WAITING => {
                let some = job.is_some();
                if let Some(job) = job {
                    self.queue.push(job.sender(), job, Instant::now());
                }
                some
            }
            // Cannot fail: the semaphore is never closed.
            _free = self.bulk.acquire(), if queued > 0 => true,
        }
    }
}

fn footprint(job: &Job) -> usize {
    job.memory.as_ref().map_or(0, MemoryPermit::bytes)
}

/// Runs until nobody can submit any more and the queue is empty.
pub(super) async fn write(app: App, queue: Arc<Mutex<WriterQueue>>) {
    loop {
        let batch = queue.lock().await.next_batch().await;
        let Some(Batch { jobs, bulk }) = batch else { return };
        let began = Instant::now();
        store_batch(&app, jobs, MAX_CONFLICT_RETRIES).await;
        if let Some(permit) = bulk {
            pause_bulk(permit, began.elapsed());
        }
    }
}

/// Bulk batches pause for as long as the last one took: half of the time the database and the deciding tasks are free for others.
fn pause_bulk(permit: OwnedSemaphorePermit, time: Duration) {
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        drop(permit);
    });
}

/// Stores a batch and answers its jobs. One bad row fails a whole statement: then each half is stored by itself, until the bad lead
/// is alone. In a full batch of 256 leads it costs 16 further transactions instead of 256, and only its caller gets the error.
async fn store_batch(app: &App, mut batch: Vec<Job>, retries_left: u32) {
    app.metrics.batch(batch.len(), batch.iter().map(footprint).sum());
    // A panic in one batch must not end the writer.
    let span = spans::batch(batch.iter().map(|job| job.lead.id));
    let stored = AssertUnwindSafe(commit_batch(app, &mut batch)).catch_unwind();
    let stored = stored.instrument(span.clone()).await;
    if !matches!(stored, Ok(Ok(_))) {
        spans::failed(&span);
    }
    match stored.unwrap_or_else(|_panic| Err(panicked())) {
        Ok(stored) => notify(app, batch, stored),
        Err(Error::Outage(Outage::GaveWay)) if retries_left > 0 => {
            store_again(app, batch, retries_left - 1).await;
        }
        Err(Error::Outage(outage)) => {
            // Deliveries may have been claimed that nobody here will attempt: under a new lease they are taken over. Where nothing was
            // claimed the lease is kept, because giving it up repeats all deliveries that are under way.
            if outage == Outage::EndUnknown {
                app.queue.abandon_lease();
            }
            fail_all(batch, || Error::Outage(outage));
        }
        Err(Error::Unavailable(why)) => fail_all(batch, || Error::Unavailable(why)),
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
            for half in [batch, second] {
                store_again(app, half, retries_left).await;
            }
        }
    }
}

async fn store_again(app: &App, mut batch: Vec<Job>, retries_left: u32) {
    for job in &mut batch {
        job.decide(app);
    }
    Box::pin(store_batch(app, batch, retries_left)).await;
}

/// The panic hook has logged the panic. It may have come after the commit.
fn panicked() -> Error {
    tracing::error!("storing leads has panicked; its callers are told to repeat them");
    Error::Outage(Outage::EndUnknown)
}

fn fail_all(batch: Vec<Job>, why: impl Fn() -> Error) {
    for job in batch {
        drop(job.answer.send(Answer::Done(Err(why()))));
    }
}

/// After the commit: sends the receipts, then notifies workers and followers.
fn notify(app: &App, batch: Vec<Job>, stored: StoredBatch) {
    for (job, answer) in batch.into_iter().zip(stored.answers) {
        if let Answer::Done(Ok(receipt)) = &answer
            && !receipt.replayed
        {
            app.metrics.lead_stored(receipt.outcome);
        }
        drop(job.answer.send(answer));
    }
    for claimed in stored.claimed {
        app.queue.hand_over(claimed);
    }
    app.queue.wake(stored.waiting);
    app.hub.notify(&stored.heads);
}
