//! Threads on which flows with patterns are compiled: as many as the machine has processors, and one at a time for each account, so
//! that one account's patterns delay neither requests nor other accounts.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use entity::ids::AccountId;
use tokio::sync::Semaphore;

use leadmesh_core::error::{Error, Result};
use leadmesh_core::fair::{FairShares, ShareLimits};

/// The most threads, whatever the machine has.
const MAX_THREADS: usize = 8;
/// The most callers of one account that wait.
const MAX_WAITING: usize = 256;
const MAX_WAIT: Duration = Duration::from_secs(10);
const BUSY: &str = "the rules of this flow are being prepared: nothing was done, try again in a moment";

static THREADS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Arc::new(Semaphore::new(processors.min(MAX_THREADS)))
});

static ACCOUNTS: LazyLock<FairShares> = LazyLock::new(|| {
    FairShares::new(ShareLimits {
        concurrent: 1,
        max_waiting: MAX_WAITING,
        max_wait: MAX_WAIT,
    })
});

/// Runs a compilation for an account.
///
/// # Errors
/// `Unavailable` when no thread becomes free in time.
pub(super) async fn run<T: Send + 'static>(
    account: AccountId,
    compile: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let share = ACCOUNTS.of(account.0);
    let of_account = share.acquire().await.map_err(|_exhausted| Error::Unavailable(BUSY))?;
    let permit = tokio::time::timeout(MAX_WAIT, THREADS.clone().acquire_owned()).await;
    let permit = permit.map_err(|_elapsed| Error::Unavailable(BUSY))?;
    let permit = permit.map_err(anyhow::Error::from)?;
    // The permits move into the thread: they are released when it is free, even if the caller has gone.
    let thread = tokio::task::spawn_blocking(move || {
        let _permits = (of_account, permit, share);
        compile()
    });
    Ok(thread.await.map_err(anyhow::Error::from)?)
}
