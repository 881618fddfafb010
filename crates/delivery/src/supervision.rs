//! Panics are bugs of this server, and must cost no more than the work in which they happen. Loops that a process needs go on after a
//! panic: each round is caught, or the loop is restarted. The process's hook logs a panic with its location; here it is counted.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;

use leadmesh_core::metrics::Metrics;

/// Before a loop that has panicked begins anew.
const PAUSE: Duration = Duration::from_secs(1);

/// Does some work; none if it has panicked, which is logged and counted. What the work was changing may be half done: callers pass only
/// work that bears that.
pub fn catch_panic<T>(
    metrics: &Metrics,
    what: &'static str,
    work: impl Future<Output = T>,
) -> impl Future<Output = Option<T>> {
    // An async function would hold the work twice in its future.
    AssertUnwindSafe(work).catch_unwind().map(move |done| {
        if done.is_err() {
            metrics.panicked();
            tracing::error!("{what} has panicked: a fault of Leadmesh, please report it; it goes on");
        }
        done.ok()
    })
}

/// Runs a loop until it ends by itself, and anew after each panic.
pub async fn restart_on_panic<F>(metrics: Metrics, what: &'static str, mut begin: impl FnMut() -> F)
where
    F: Future<Output = ()>,
{
    while catch_panic(&metrics, what, begin()).await.is_none() {
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_what_it_was_about_and_is_counted() {
        let metrics = Metrics::default();
        let panicking = async {
            tokio::task::yield_now().await;
            panic!("as if an index were out of bounds")
        };
        assert_eq!(catch_panic::<()>(&metrics, "a test", panicking).await, None);
        assert_eq!(catch_panic(&metrics, "a test", async { 1 }).await, Some(1));
        assert_eq!(metrics.panics(), 1);
    }

    #[tokio::test]
    async fn a_loop_begins_anew_after_a_panic_and_ends_when_it_ends() {
        let (metrics, mut begun) = (Metrics::default(), 0);
        restart_on_panic(metrics.clone(), "a test", || {
            begun += 1;
            let first = begun == 1;
            async move { assert!(!first, "the first time it panics") }
        })
        .await;
        assert_eq!((begun, metrics.panics()), (2, 1));
    }
}
