//! Coalesces concurrent loads into one query. The first caller starts a query; callers that arrive meanwhile wait and
//! share the next one. So a query answers only callers that asked before it began, nothing is cached, and any number
//! of callers cause only one query after the other.
//!
//! Queries run in a task of their own: a caller that is no longer polled, such as a socket whose client has stopped
//! reading, delays nobody else.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::error::{Error, Outage, Result};

/// The most keys of one query.
const BATCH: usize = 500;

type Answer<V> = std::result::Result<Option<V>, Failed>;
type Asked<K, V> = Vec<(K, oneshot::Sender<Answer<V>>)>;

/// The error of a query, for each of its callers.
#[derive(Clone, Copy, Debug)]
enum Failed {
    Unavailable(&'static str),
    Outage(Outage),
    Internal,
}

/// Loads values of one kind by key.
#[derive(Debug)]
pub struct BatchLoader<K, V> {
    queue: Arc<Mutex<Queue<K, V>>>,
}

#[derive(Debug)]
struct Queue<K, V> {
    waiting: Asked<K, V>,
    /// Whether a task is running queries.
    reading: bool,
}

impl<K, V> Default for BatchLoader<K, V> {
    fn default() -> Self {
        let queue = Queue {
            waiting: Vec::new(),
            reading: false,
        };
        Self {
            queue: Arc::new(Mutex::new(queue)),
        }
    }
}

impl<K, V> BatchLoader<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The value of a key, read after this call; none if it does not exist. `read` may run for other callers too, so
    /// every caller of one loader passes an equivalent one.
    pub async fn load<F, R>(&self, key: K, read: F) -> Result<Option<V>>
    where
        F: Fn(Vec<K>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<HashMap<K, V>>> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let begins = {
            let mut queue = lock(&self.queue);
            queue.waiting.push((key, sender));
            !std::mem::replace(&mut queue.reading, true)
        };
        if begins {
            tokio::spawn(read_until_nobody_waits(Reader(self.queue.clone()), read));
        }
        let told = answer.await.unwrap_or(Err(Failed::Internal));
        told.map_err(|failed| match failed {
            Failed::Unavailable(text) => Error::Unavailable(text),
            Failed::Outage(outage) => Error::Outage(outage),
            Failed::Internal => Error::Internal(anyhow::anyhow!("a reading for many failed")),
        })
    }
}

/// The running task. If it panics, its callers get an error and the next one starts a new task.
struct Reader<K, V>(Arc<Mutex<Queue<K, V>>>);

impl<K, V> Reader<K, V> {
    fn next(&self) -> Option<Asked<K, V>> {
        let mut queue = lock(&self.0);
        let count = queue.waiting.len().min(BATCH);
        queue.reading = count > 0;
        (count > 0).then(|| queue.waiting.drain(..count).collect())
    }
}

impl<K, V> Drop for Reader<K, V> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut queue = lock(&self.0);
            queue.reading = false;
            queue.waiting.clear();
        }
    }
}

async fn read_until_nobody_waits<K, V, F, R>(reader: Reader<K, V>, read: F)
where
    K: Clone + Eq + Hash,
    V: Clone,
    F: Fn(Vec<K>) -> R,
    R: Future<Output = Result<HashMap<K, V>>>,
{
    // Lets all callers woken by the same event join the first query.
    tokio::task::yield_now().await;
    while let Some(asked) = reader.next() {
        answer(asked, &read).await;
    }
}

/// Loads a batch. If the query fails, the batch is halved until the failing key stands alone.
async fn answer<K, V, F, R>(asked: Asked<K, V>, read: &F)
where
    K: Clone + Eq + Hash,
    V: Clone,
    F: Fn(Vec<K>) -> R,
    R: Future<Output = Result<HashMap<K, V>>>,
{
    let mut batches = vec![asked];
    while let Some(mut asked) = batches.pop() {
        let keys: HashSet<K> = asked.iter().map(|(key, _)| key.clone()).collect();
        let alone = keys.len() < 2;
        let told = match read(keys.into_iter().collect()).await {
            Ok(rows) => Ok(rows),
            Err(Error::Unavailable(text)) => Err(Failed::Unavailable(text)),
            Err(Error::Outage(outage)) => Err(Failed::Outage(outage)),
            Err(error) if alone => {
                tracing::error!(?error, "a row that streams wait for cannot be read");
                Err(Failed::Internal)
            }
            Err(_) => {
                batches.push(asked.split_off(asked.len() / 2));
                batches.push(asked);
                continue;
            }
        };
        for (key, asker) in asked {
            let found = told.as_ref().map(|rows| rows.get(&key).cloned());
            // A caller that is gone needs no answer.
            drop(asker.send(found.map_err(|failed| *failed)));
        }
    }
}

fn lock<K, V>(queue: &Mutex<Queue<K, V>>) -> MutexGuard<'_, Queue<K, V>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn those_who_ask_while_one_reads_are_read_for_together() {
        let gather = Arc::new(BatchLoader::<u32, u32>::default());
        let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let ask = |key: u32| {
            let (gather, begun, gate) = (gather.clone(), begun.clone(), gate.clone());
            tokio::spawn(async move {
                let read = move |keys: Vec<u32>| {
                    let (begun, gate) = (begun.clone(), gate.clone());
                    async move {
                        begun.fetch_add(1, Ordering::SeqCst);
                        gate.acquire().await.unwrap().forget();
                        Ok(keys
                            .into_iter()
                            .filter(|key| *key < 9)
                            .map(|key| (key, key * 2))
                            .collect())
                    }
                };
                gather.load(key, read).await.unwrap()
            })
        };
        let first = ask(1);
        while begun.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let others: Vec<_> = [2, 2, 3, 9].into_iter().map(ask).collect();
        while lock(&gather.queue).waiting.len() < 4 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(2);
        assert_eq!(first.await.unwrap(), Some(2));
        let answers: Vec<_> = join_all(others)
            .await
            .into_iter()
            .map(std::result::Result::unwrap)
            .collect();
        assert_eq!(answers, [Some(4), Some(4), Some(6), None]);
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn who_is_not_polled_any_more_holds_up_nobody() {
        let gather = Arc::new(BatchLoader::<u32, u32>::default());
        let ask = |key| {
            let gather = gather.clone();
            async move {
                let double = |keys: Vec<u32>| async move { Ok(keys.into_iter().map(|key| (key, key * 2)).collect()) };
                gather.load(key, double).await.unwrap()
            }
        };
        let (mut first, mut second) = (Box::pin(ask(1)), Box::pin(ask(2)));
        assert!(futures::poll!(&mut first).is_pending());
        assert!(futures::poll!(&mut second).is_pending());
        assert_eq!(ask(3).await, Some(6));
        drop(first);
        assert_eq!(ask(4).await, Some(8));
        assert_eq!(second.await, Some(4));
    }

    #[tokio::test]
    async fn a_reading_that_panics_is_told_and_followed_by_another() {
        let gather = BatchLoader::<u32, u32>::default();
        let broken = gather.load(1, |_| async { panic!("broken") }).await;
        assert!(matches!(broken, Err(Error::Internal(_))));
        let next = gather.load(2, |_| async { Ok([(2, 7)].into()) }).await;
        assert_eq!(next.unwrap(), Some(7));
    }

    #[tokio::test]
    async fn one_key_that_cannot_be_read_fails_alone() {
        let gather = Arc::new(BatchLoader::<u32, u32>::default());
        let asking = (0..20).map(|key| {
            let gather = gather.clone();
            async move {
                let read = |keys: Vec<u32>| async move {
                    if keys.contains(&13) {
                        return Err(Error::Internal(anyhow::anyhow!("damaged")));
                    }
                    Ok(keys.into_iter().map(|key| (key, key)).collect())
                };
                (key, gather.load(key, read).await.ok())
            }
        });
        for (key, answer) in join_all(asking).await {
            assert_eq!(answer, (key != 13).then_some(Some(key)));
        }
    }

    #[tokio::test]
    async fn a_failed_reading_is_told_to_all() {
        let gather = BatchLoader::<u32, u32>::default();
        let failed = gather.load(1, |_| async { Err(Error::Unavailable("away")) }).await;
        assert!(matches!(failed, Err(Error::Unavailable("away"))));
    }
}
