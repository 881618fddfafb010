//! Writes that are detached from their requests: a client that hangs up, a closed socket or a time limit ends the wait, never
//! the write.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::error::{Error, Outage, Result, SHARE_RETRY};
use crate::fair::{FairShares, ShareLimits};

/// Writes that a process runs concurrently, and those of one owner among them.
const RUNNING: usize = 4_096;
const OF_OWNER: usize = 1_024;
/// Detached writes.
const LEFT: usize = 256;
/// Writes of one owner that wait for others of its own.
const WAITING: usize = 1_024;
/// How long a write waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is not committed by then is rolled back.
const DEADLINE: Duration = Duration::from_mins(1);

/// The writes that run in this process. Clones share them.
#[derive(Clone, Debug)]
pub struct Writes(Arc<Running>);

#[derive(Debug)]
struct Running {
    tasks: TaskTracker,
    places: Arc<Semaphore>,
    left: Arc<Semaphore>,
    owners: FairShares,
    deadline: Duration,
}

impl Default for Writes {
    fn default() -> Self {
        Self::new(RUNNING, DEADLINE)
    }
}

impl Writes {
    fn new(running: usize, deadline: Duration) -> Self {
        let owners = FairShares::new(ShareLimits {
            concurrent: OF_OWNER,
            max_waiting: WAITING,
            max_wait: PATIENCE,
        });
        Self(Arc::new(Running {
            tasks: TaskTracker::new(),
            places: Arc::new(Semaphore::new(running)),
            left: Arc::new(Semaphore::new(LEFT)),
            owners,
            deadline,
        }))
    }

    /// Runs a write to its end, even if this future is dropped. Fails before the beginning where too many run, of the process
    /// or of the owner; fails with an unknown end at the write's own deadline.
    pub async fn run<T, W>(&self, owner: Option<Uuid>, write: W) -> Result<T>
    where
        T: Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        let of_owner = match owner {
            Some(owner) => Some(
                self.0
                    .owners
                    .of(owner)
                    .acquire()
                    .await
                    .map_err(|_used_up| Error::RateLimited {
                        retry_after: SHARE_RETRY,
                    })?,
            ),
            None => None,
        };
        let turn = tokio::time::timeout(PATIENCE, self.0.places.clone().acquire_owned());
        let Ok(Ok(place)) = turn.await else {
            return Err(Error::Unavailable(
                "too many changes run on this server: nothing was changed, try again in a moment",
            ));
        };
        let deadline = self.0.deadline;
        let running = self.0.tasks.spawn(async move {
            let _places = (place, of_owner);
            tokio::time::timeout(deadline, write).await
        });
        match running.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_elapsed)) => {
                tracing::error!(?deadline, "a write was stopped at its deadline");
                Err(Error::Outage(Outage::EndUnknown))
            }
            Err(error) => Err(Error::Internal(error.into())),
        }
    }

    /// Runs a write that no request waits for. UNAVAILABLE where too many run, before the write began.
    pub fn leave<W>(&self, write: W) -> Result<()>
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let Ok(place) = self.0.left.clone().try_acquire_owned() else {
            return Err(Error::Unavailable(
                "too many requests wait on this server: nothing was begun, try again in a moment",
            ));
        };
        let deadline = self.0.deadline;
        self.0.tasks.spawn(async move {
            let _place = place;
            if tokio::time::timeout(deadline, write).await.is_err() {
                tracing::error!(?deadline, "a detached write was stopped at its deadline");
            }
        });
        Ok(())
    }

    pub fn running(&self) -> usize {
        self.0.tasks.len()
    }

    /// Waits until none runs, at most as long as one may take.
    pub async fn finish(&self) {
        self.0.tasks.close();
        if tokio::time::timeout(self.0.deadline, self.0.tasks.wait())
            .await
            .is_err()
        {
            tracing::error!(writes = self.running(), "some writes did not end in time");
        }
        self.0.tasks.reopen();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_write_goes_on_when_nobody_waits_for_it() {
        let writes = Writes::default();
        let (go, done) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (gone, ended) = (go.clone(), done.clone());
        let mut waiting = Box::pin(writes.run(None, async move {
            gone.notified().await;
            ended.store(true, Ordering::SeqCst);
        }));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(waiting);
        go.notify_one();
        writes.finish().await;
        assert!(done.load(Ordering::SeqCst));
        assert_eq!(writes.running(), 0);
    }

    #[tokio::test]
    async fn a_write_is_stopped_at_its_deadline_and_its_end_is_not_known() {
        let writes = Writes::new(1, Duration::from_millis(1));
        let stopped = writes.run(None, std::future::pending::<()>()).await;
        assert!(matches!(stopped, Err(Error::Outage(Outage::EndUnknown))), "{stopped:?}");
        assert!(writes.run(None, async {}).await.is_ok(), "its place is free again");
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_not_the_end_of_the_process() {
        let broken = Writes::default().run(None, async { panic!("broken") }).await;
        assert!(matches!(broken, Err::<(), _>(Error::Internal(_))), "{broken:?}");
    }
}
