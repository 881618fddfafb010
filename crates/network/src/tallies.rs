//! Writing what a process has counted, about once a second.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{attempts, docs_readers};
use leadmesh_core::app::App;
use leadmesh_core::error::Error;
use leadmesh_core::tally::Counted;

const EVERY: Duration = Duration::from_secs(1);

/// Writes until it is stopped. What is counted after that is for whoever stops the process to [`flush`].
pub async fn run(app: App, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        flush(&app).await;
    }
}

/// Writes what was counted. What cannot be written now is kept for the next time.
pub async fn flush(app: &App) {
    let counted = app.tally.take();
    if counted.is_empty() {
        return;
    }
    let Counted { refused, read } = counted;
    if let Err(error) = attempts::write(&app.db, &refused).await {
        give_back(
            app,
            "refused submissions",
            &error,
            Counted {
                refused,
                ..Counted::default()
            },
        );
    }
    if let Err(error) = docs_readers::write(&app.db, &read).await {
        give_back(
            app,
            "reads of docs",
            &error,
            Counted {
                read,
                ..Counted::default()
            },
        );
    }
}

fn give_back(app: &App, what: &str, error: &Error, counted: Counted) {
    tracing::debug!(?error, "cannot write counts of {what} now; trying again");
    app.tally.give_back(counted);
}
