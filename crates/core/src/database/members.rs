//! The connections of a pool, as those who have a place in it get them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::DatabaseConnection;

/// What the limits of statements are measured against.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
/// Of a member without a statement.
const NONE: u64 = u64::MAX;

/// When the statement that a member runs is to be interrupted. `SQLite` has no time limit of its own, but asks every few thousand
/// steps whether to go on.
#[derive(Clone, Debug)]
pub(super) struct Limit(Arc<AtomicU64>);

impl Default for Limit {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(NONE)))
    }
}

impl Limit {
    /// A statement begins, which may take so long.
    fn begin(&self, allowed: Duration) {
        self.0.store(millis(BEGAN.elapsed() + allowed), Ordering::Relaxed);
    }

    fn end(&self) {
        self.0.store(NONE, Ordering::Relaxed);
    }

    /// Whether the statement may go on.
    pub(super) fn allows(&self) -> bool {
        let until = self.0.load(Ordering::Relaxed);
        until == NONE || millis(BEGAN.elapsed()) < until
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NONE - 1)
}

/// A connection that only one statement uses at a time, with the limit of that statement.
#[derive(Debug)]
pub(super) struct Single {
    pub(super) connection: DatabaseConnection,
    pub(super) limit: Limit,
}

/// Connections.
#[derive(Debug)]
pub(super) enum Members {
    /// Several, of which the library gives a free one. They have their limits in the database.
    Shared(DatabaseConnection),
    /// Each by itself, so that a statement can be interrupted without harm to another.
    Singles(Arc<Singles>),
}

/// Connections each by itself.
#[derive(Debug)]
pub(super) struct Singles {
    all: Vec<Single>,
    /// Places of those that are free. There is one for everybody who has a place in the pool.
    free: Mutex<Vec<usize>>,
    /// How long a statement may take.
    allowed: Duration,
}

/// A connection while it is used.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) connection: DatabaseConnection,
    _taken: Option<Taken>,
}

#[derive(Debug)]
struct Taken {
    of: Arc<Singles>,
    place: usize,
}

impl Members {
    pub(super) fn singles(all: Vec<Single>, allowed: Duration) -> Self {
        Self::Singles(Arc::new(Singles {
            free: Mutex::new((0..all.len()).collect()),
            all,
            allowed,
        }))
    }

    /// One connection, for a statement that begins now.
    pub(super) fn use_one(&self) -> Option<Used> {
        match self {
            Self::Shared(connections) => Some(Used {
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
                Some(Used {
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
