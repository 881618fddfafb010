//! Waiting for what comes by itself.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::Instant;

/// Longest wait; on an idle machine most take milliseconds.
const PATIENCE: Duration = Duration::from_secs(40);
/// The first and the longest pause between two looks. Without pauses a test would take the processor from what it waits for.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(50)];

/// Reads until what is read is good, and returns it.
pub(crate) async fn eventually<T: Debug>(mut read: impl AsyncFnMut() -> T, good: impl Fn(&T) -> bool) -> T {
    let (deadline, [mut pause, longest]) = (Instant::now() + PATIENCE, PAUSES);
    loop {
        let found = read().await;
        if good(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "after {PATIENCE:?} still {found:#?}");
        tokio::time::sleep(pause).await;
        pause = longest.min(pause * 3 / 2);
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waits = async || if holds().await { None } else { Some(what) };
    eventually(waits, Option::is_none).await;
}
