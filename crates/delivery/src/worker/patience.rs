//! Claims and the database: outages are waited for, and claims whose outcome is unknown are given up.

use std::time::Duration;

use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};

/// Tries while the database is away, and the time between them.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(250);

/// Gives up the lease if the outcome of a claim is unknown: rows may be claimed that this process does not know of, since only the
/// answer was lost. Under another lease they are taken over. Otherwise the lease is kept, since giving it up repeats all attempts
/// that are under way.
pub(super) fn abandon_unknown(app: &App, error: &Error) {
    if !error.changed_nothing() {
        app.queue.abandon_lease();
    }
}

/// Works on rows that are claimed already. Retries during an outage, since claimed rows must not be left half processed.
pub(super) async fn retry_outages<T, R>(work: impl Fn() -> R) -> Result<T>
where
    R: Future<Output = Result<T>>,
{
    let mut left = TRIES;
    loop {
        match work().await {
            Err(error) if left > 0 && error.is_temporary() => {
                tracing::warn!(?error, "cannot read what was claimed; trying again");
                left -= 1;
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}
