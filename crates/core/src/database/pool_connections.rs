//! The connections of a pool, for the holders of its permits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::DatabaseConnection;

/// Time base of the limits of statements.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
/// No statement runs.
const NONE: u64 = u64::MAX;

/// When the running statement is to be interrupted. `SQLite` has no time limit of its own, but asks every few thousand steps
/// whether to go on.
#[derive(Clone, Debug)]
pub(super) struct Limit(Arc<AtomicU64>);

impl Default for Limit {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(NONE)))
    }
}

impl Limit {
    fn begin(&self, allowed: Duration) {
        self.0.store(millis(BEGAN.elapsed() + allowed), Ordering::Relaxed);
    }

    fn end(&self) {
        self.0.store(NONE, Ordering::Relaxed);
    }

    pub(super) fn allows(&self) -> bool {
        let until = self.0.load(Ordering::Relaxed);
        until == NONE || millis(BEGAN.elapsed()) < until
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NONE - 1)
}

/// A connection that one statement uses at a time, with the limit of that statement.
#[derive(Debug)]
pub(super) struct SingleConnection {
    pub(super) connection: DatabaseConnection,
    pub(super) limit: Limit,
}

#[derive(Debug)]
pub(super) enum PoolConnections {
    /// The library hands out a free connection; the database limits its statements.
    Shared(DatabaseConnection),
    /// Each by itself, so that a statement can be interrupted without harm to another.
    Singles(Arc<SingleConnections>),
}

#[derive(Debug)]
pub(super) struct SingleConnections {
    all: Vec<SingleConnection>,
    /// Indexes of free connections.
    free: Mutex<Vec<usize>>,
    allowed: Duration,
}

/// A connection in use.
#[derive(Debug)]
pub(super) struct PooledConnection {
    pub(super) connection: DatabaseConnection,
    _taken: Option<Taken>,
}

#[derive(Debug)]
struct Taken {
    of: Arc<SingleConnections>,
    place: usize,
}

impl PoolConnections {
    pub(super) fn singles(all: Vec<SingleConnection>, allowed: Duration) -> Self {
        Self::Singles(Arc::new(SingleConnections {
            free: Mutex::new((0..all.len()).collect()),
            all,
            allowed,
        }))
    }

    /// A connection for a statement that begins now.
    pub(super) fn use_one(&self) -> Option<PooledConnection> {
        match self {
            Self::Shared(connections) => Some(PooledConnection {
                connection: connections.clone(),
                _taken: None,
            }),
            Self::Singles(singles) => {
                let place = singles.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
                let taken = Taken {
                    of: singles.clone(),
                    place,
                };
                let single = singles.all.get(place)?;
                single.limit.begin(singles.allowed);
                Some(PooledConnection {
                    connection: single.connection.clone(),
                    _taken: Some(taken),
                })
            }
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(single) = self.of.all.get(self.place) {
            single.limit.end();
        }
        let mut free = self.of.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(self.place);
    }
}
