//! A writer: takes all that waits, stores it at once, answers. There is no timer: the time that the last commit took is what
//! the next batch had to gather, so one caller waits for nobody and many share one commit.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::sync::{Mutex, mpsc};

use super::room::Held;
use super::store::{Stored, store};
use super::{Answer, Job};
use crate::app::App;
use crate::error::{Error, Outage};

/// Leads stored in one transaction.
const BATCH: usize = 256;
/// Bytes that they hold, but for the last one: a lead that fills a batch is still in it.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// How often a batch is stored anew because the database gave it up for the sake of another transaction.
const WAYS_GIVEN: u32 = 3;

/// Runs until nobody can submit any more and everything that waited is stored.
pub(super) async fn write(app: App, waiting: Arc<Mutex<mpsc::Receiver<Job>>>) {
    let mut batch = Vec::new();
    while gather(&waiting, &mut batch, held).await {
        store_batch(&app, std::mem::take(&mut batch), WAYS_GIVEN).await;
    }
}

/// Bytes that a job holds.
fn held(job: &Job) -> usize {
    job.held.as_ref().map_or(0, Held::bytes)
}

/// Waits for one job and takes along what else is there, up to a batch; false when there will be none any more.
async fn gather<J>(waiting: &Mutex<mpsc::Receiver<J>>, batch: &mut Vec<J>, held: impl Fn(&J) -> usize) -> bool {
    let mut waiting = waiting.lock().await;
    let mut next = waiting.recv().await;
    let mut bytes: usize = 0;
    while let Some(job) = next {
        bytes = bytes.saturating_add(held(&job));
        batch.push(job);
        if batch.len() >= BATCH || bytes >= BATCH_BYTES {
            break;
        }
        next = waiting.try_recv().ok();
    }
    !batch.is_empty()
}

/// One bad row fails a whole statement: then the halves are stored by themselves, and so on, until it is alone. So a bad lead in a
/// full batch costs 16 further transactions, not 256, and its caller alone gets its error.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of the batches in which jobs of these sizes are taken.
    async fn batches(jobs: &[usize]) -> Vec<Vec<usize>> {
        let (sender, waiting) = mpsc::channel(1_000);
        for job in jobs {
            sender.send(*job).await.unwrap();
        }
        drop(sender);
        let waiting = Mutex::new(waiting);
        let (mut all, mut batch) = (Vec::new(), Vec::new());
        while gather(&waiting, &mut batch, |job| *job).await {
            all.push(std::mem::take(&mut batch));
        }
        all
    }

    #[tokio::test]
    async fn a_batch_is_bounded_in_leads_and_in_bytes() {
        let small = batches(&[1; 600]).await;
        assert_eq!(small.iter().map(Vec::len).collect::<Vec<_>>(), [256, 256, 88]);
        let large = batches(&[BATCH_BYTES / 4; 10]).await;
        assert_eq!(large.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
        assert_eq!(
            batches(&[1, 3 * BATCH_BYTES, 1]).await,
            [vec![1, 3 * BATCH_BYTES], vec![1]]
        );
        assert!(batches(&[]).await.is_empty());
    }
}
