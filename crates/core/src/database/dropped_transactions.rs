//! Connections of dropped transactions. A transaction that is dropped while a statement runs, such as at a time limit, leaves a
//! `PostgreSQL` connection busy, with all its locks, until the statement ends, which may take minutes. Such a connection is closed
//! instead of returned to its pool, upon which the database stops the statement.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sea_orm::SqlxError;
use sea_orm::sqlx::{Connection, PgConnection};

/// How long a returning connection may take to become ready after its transaction was dropped. A rollback takes next to no
/// time.
const READY: Duration = Duration::from_secs(1);
/// How long after a dropped transaction returning connections are checked. Its own returns immediately.
const WATCHED: Duration = Duration::from_millis(500);

/// Whether transactions of a pool were dropped lately. Clones share the state.
#[derive(Clone, Debug)]
pub(super) struct DroppedTransactions(Arc<Watch>);

#[derive(Debug)]
struct Watch {
    began: Instant,
    /// Milliseconds after `began`.
    until: AtomicU64,
}

impl Default for DroppedTransactions {
    fn default() -> Self {
        Self(Arc::new(Watch {
            began: Instant::now(),
            until: AtomicU64::new(0),
        }))
    }
}

impl DroppedTransactions {
    /// A transaction is dropped; its connection has not come back yet.
    pub(super) fn note(&self) {
        self.0.until.store(self.elapsed(WATCHED), Ordering::SeqCst);
    }

    fn elapsed(&self, further: Duration) -> u64 {
        u64::try_from((self.0.began.elapsed() + further).as_millis()).unwrap_or(u64::MAX)
    }

    /// Refuses a returning connection that is still busy; the pool then closes it.
    pub(super) async fn judge(&self, connection: &mut PgConnection) -> Result<bool, SqlxError> {
        if self.elapsed(Duration::ZERO) >= self.0.until.load(Ordering::SeqCst) {
            return Ok(true);
        }
        match tokio::time::timeout(READY, connection.ping()).await {
            Ok(ready) => ready.map(|()| true),
            Err(_elapsed) => {
                // The pool logs the error and closes the connection.
                let why = "the connection is closed, because nothing waits for its statement any more";
                Err(io::Error::new(io::ErrorKind::TimedOut, why).into())
            }
        }
    }
}
