//! Writes the deferred counters of a process, about once a second.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{docs_readers, refused_submissions};
use leadmesh_core::app::App;
use leadmesh_core::deferred_counters::Counts;
use leadmesh_core::error::Error;

const EVERY: Duration = Duration::from_secs(1);

/// Writes until stopped. At the end the process calls [`flush`] once more.
pub async fn run(app: App, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        flush(&app).await;
    }
}

/// Writes the counts. What cannot be written now is kept for the next time.
pub async fn flush(app: &App) {
    let counted = app.counters.take();
    if counted.is_empty() {
        return;
    }
    let Counts { refused, read } = counted;
    if let Err(error) = refused_submissions::write(&app.db, &refused).await {
        give_back(
            app,
            "refused submissions",
            &error,
            Counts {
                refused,
                ..Counts::default()
            },
        );
    }
    if let Err(error) = docs_readers::write(&app.db, &read).await {
        give_back(
            app,
            "reads of docs",
            &error,
            Counts {
                read,
                ..Counts::default()
            },
        );
    }
}

fn give_back(app: &App, what: &str, error: &Error, counted: Counts) {
    tracing::debug!(?error, "cannot write counts of {what} now; trying again");
    app.counters.give_back(counted);
}
