//! Reading for many at once. Whoever asks first reads; who asks meanwhile waits, and is then read for together with all others
//! that wait. So a reading answers only those who asked before it began, nothing is kept, and however many ask there are no
//! more readings than follow one another.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::error::{Error, Result};

/// Keys of one reading at most.
const BATCH: usize = 500;

type Answer<V> = std::result::Result<Option<V>, Failed>;
type Waiting<K, V> = Vec<(K, oneshot::Sender<Answer<V>>)>;

/// A reading that failed, as each of those who wait for it is told.
#[derive(Clone, Copy, Debug)]
enum Failed {
    Unavailable(&'static str),
    Internal,
}

/// Those who ask for rows of one kind.
#[derive(Debug)]
pub struct Gather<K, V> {
    waiting: Mutex<Waiting<K, V>>,
    turn: tokio::sync::Mutex<()>,
}

impl<K, V> Default for Gather<K, V> {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Gather<K, V> {
    /// What a key stands for, as it was read after this call; none if there is no such thing.
    pub async fn load<F, R>(&self, key: K, read: F) -> Result<Option<V>>
    where
        F: Fn(Vec<K>) -> R,
        R: Future<Output = Result<HashMap<K, V>>>,
    {
        loop {
            let (sender, mut answer) = oneshot::channel();
            self.lock().push((key.clone(), sender));
            tokio::select! {
                biased;
                // Whoever was to read has gone: ask again.
                told = &mut answer => if let Ok(told) = told {
                    return found(told);
                },
                _turn = self.turn.lock() => loop {
                    match answer.try_recv() {
                        Ok(told) => return found(told),
                        Err(TryRecvError::Empty) => self.lead(&read).await,
                        Err(TryRecvError::Closed) => break,
                    }
                },
            }
        }
    }

    async fn lead<F, R>(&self, read: &F)
    where
        F: Fn(Vec<K>) -> R,
        R: Future<Output = Result<HashMap<K, V>>>,
    {
        let asked: Waiting<K, V> = {
            let mut waiting = self.lock();
            let count = waiting.len().min(BATCH);
            waiting.drain(..count).collect()
        };
        let keys: HashSet<K> = asked.iter().map(|(key, _)| key.clone()).collect();
        let rows = read(keys.into_iter().collect()).await.map_err(|error| {
            tracing::debug!(?error, "a reading for many failed");
            Failed::of(&error)
        });
        for (key, asker) in asked {
            let told = rows
                .as_ref()
                .map(|rows| rows.get(&key).cloned())
                .map_err(|failed| *failed);
            // Who has gone needs no answer.
            drop(asker.send(told));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting<K, V>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failed {
    fn of(error: &Error) -> Self {
        match error {
            Error::Unavailable(text) => Self::Unavailable(text),
            _ => Self::Internal,
        }
    }
}

fn found<V>(told: Answer<V>) -> Result<Option<V>> {
    told.map_err(|failed| match failed {
        Failed::Unavailable(text) => Error::Unavailable(text),
        Failed::Internal => Error::Internal(anyhow::anyhow!("a reading for many failed")),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn those_who_ask_while_one_reads_are_read_for_together() {
        let gather = Arc::new(Gather::<u32, u32>::default());
        let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let ask = |key: u32| {
            let (gather, begun, gate) = (gather.clone(), begun.clone(), gate.clone());
            tokio::spawn(async move {
                let read = |keys: Vec<u32>| {
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
        while gather.lock().len() < 4 {
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
    async fn when_the_reader_goes_another_one_reads() {
        let gather = Arc::new(Gather::<u32, u32>::default());
        let stuck = {
            let gather = gather.clone();
            tokio::spawn(async move { gather.load(1, |_| std::future::pending()).await.map(drop) })
        };
        while gather.turn.try_lock().is_ok() || !gather.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        let waiting = {
            let gather = gather.clone();
            tokio::spawn(async move {
                gather
                    .load(2, |keys| async { Ok(keys.into_iter().map(|key| (key, 7)).collect()) })
                    .await
            })
        };
        tokio::task::yield_now().await;
        stuck.abort();
        assert_eq!(waiting.await.unwrap().unwrap(), Some(7));
    }

    #[tokio::test]
    async fn a_failed_reading_is_told_to_all() {
        let gather = Gather::<u32, u32>::default();
        let failed = gather.load(1, |_| async { Err(Error::Unavailable("away")) }).await;
        assert!(matches!(failed, Err(Error::Unavailable("away"))));
    }
}
