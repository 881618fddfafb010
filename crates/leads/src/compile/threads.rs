//! Where flows with patterns are compiled: on threads of their own, as many at once as the machine has processors, and of one
//! account one at a time. So nobody's patterns hold up others, on the threads that serve requests or in the queue for these.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use entity::ids::AccountId;
use tokio::sync::Semaphore;

use leadmesh_core::error::{Error, Result};
use leadmesh_core::fair::{FairShares, ShareLimits};

/// Compilations at once, whatever the machine has.
const MOST: usize = 8;
/// Callers of one account that wait for its turn.
const WAITING: usize = 256;
/// How long a caller waits for it.
const PATIENCE: Duration = Duration::from_secs(10);
const NO_TURN: &str = "the rules of this flow are being prepared: nothing was done, try again in a moment";

struct Turns {
    all: Arc<Semaphore>,
    owners: FairShares,
}

static TURNS: LazyLock<Turns> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Turns {
        all: Arc::new(Semaphore::new(processors.min(MOST))),
        owners: FairShares::new(ShareLimits {
            places: 1,
            waiting: WAITING,
            patience: PATIENCE,
        }),
    }
});

/// Runs what compiles something of that account.
///
/// # Errors
/// `Unavailable` if its turn does not come.
pub(super) async fn run<T: Send + 'static>(
    account: AccountId,
    compile: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let share = TURNS.owners.of(account.0);
    let of_owner = share.place().await.map_err(|_used_up| Error::Unavailable(NO_TURN))?;
    let turn = tokio::time::timeout(PATIENCE, TURNS.all.clone().acquire_owned()).await;
    let turn = turn.map_err(|_elapsed| Error::Unavailable(NO_TURN))?;
    let turn = turn.map_err(anyhow::Error::from)?;
    // Given back when the thread is free again, also where nobody waits for it any more.
    let thread = tokio::task::spawn_blocking(move || {
        let _turns = (of_owner, turn, share);
        compile()
    });
    Ok(thread.await.map_err(anyhow::Error::from)?)
}
