//! Statements that nobody waits for any more. A transaction that is dropped while a statement of its runs, as at the deadline of a
//! change, leaves a connection of `PostgreSQL` that is busy until that statement ends, which may take minutes, with all the locks that
//! it holds. Such a connection does not come back to its pool: it is closed, upon which the database stops the statement.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sea_orm::SqlxError;
use sea_orm::sqlx::{Connection, PgConnection};

/// How long a connection that comes back may take to become ready after a statement was abandoned. To undo what a transaction has
/// done takes next to no time.
const READY: Duration = Duration::from_secs(1);
/// For how long after a transaction was dropped whatever comes back is looked at. Its own connection comes at once.
const WATCHED: Duration = Duration::from_millis(500);

/// Whether transactions of a pool were dropped lately, be it within a statement or between two. Clones are of the same pool.
#[derive(Clone, Debug)]
pub(super) struct Abandoned(Arc<Watch>);

#[derive(Debug)]
struct Watch {
    began: Instant,
    /// Milliseconds after `began`.
    until: AtomicU64,
}

impl Default for Abandoned {
    fn default() -> Self {
        Self(Arc::new(Watch {
            began: Instant::now(),
            until: AtomicU64::new(0),
        }))
    }
}

impl Abandoned {
    /// A transaction is dropped; its connection has not come back yet.
    pub(super) fn note(&self) {
        self.0.until.store(self.elapsed(WATCHED), Ordering::SeqCst);
    }

    fn elapsed(&self, further: Duration) -> u64 {
        u64::try_from((self.0.began.elapsed() + further).as_millis()).unwrap_or(u64::MAX)
    }

    /// Refuses a connection that comes back and is still busy; the pool then closes it.
    pub(super) async fn judge(&self, connection: &mut PgConnection) -> Result<bool, SqlxError> {
        if self.elapsed(Duration::ZERO) >= self.0.until.load(Ordering::SeqCst) {
            return Ok(true);
        }
        match tokio::time::timeout(READY, connection.ping()).await {
            Ok(ready) => ready.map(|()| true),
            Err(_elapsed) => {
                // The pool logs it, and closes the connection without a farewell.
                let why = "the connection is closed, for nobody waits for its statement any more";
                Err(io::Error::new(io::ErrorKind::TimedOut, why).into())
            }
        }
    }
}
