//! Where payloads are rendered: on threads of their own, few at once, so that templates never hold up what serves everybody.
//!
//! A rendering cannot be interrupted; it ends by itself, for its [`Budget`] bounds its steps. A process that is told to stop waits
//! for those under way, which takes less than a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::error::{Error, Result};
use leadmesh_forms::templates::Budget;

/// Renderings at once, whatever the machine has.
const MOST: usize = 8;
const NO_TURN: &str = "other payloads are being rendered: nothing was done, try again";

/// The way to the threads.
#[derive(Clone, Debug)]
pub struct Rendering {
    turns: Arc<Semaphore>,
    bytes: usize,
}

impl Rendering {
    /// Renders deliveries of at most so many bytes, as many at once as the machine has processors.
    pub fn new(bytes: u32) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            turns: Arc::new(Semaphore::new(processors.min(MOST))),
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        }
    }

    /// What one delivery may cost.
    pub fn budget(&self) -> Budget {
        Budget::of_bytes(self.bytes)
    }

    /// Renders on a thread of its own.
    ///
    /// # Errors
    /// `Unavailable` if its turn does not come, or the end of it, within that time.
    pub async fn run<T: Send + 'static>(
        &self,
        within: Duration,
        render: impl FnOnce(&Budget) -> T + Send + 'static,
    ) -> Result<T> {
        let (turns, budget) = (self.turns.clone(), self.budget());
        let rendered = async move {
            let turn = turns.acquire_owned().await.map_err(anyhow::Error::from)?;
            // The turn is given back when the thread is free again, also where nobody waits for it any more.
            let thread = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                render(&budget)
            });
            Ok(thread.await.map_err(anyhow::Error::from)?)
        };
        match tokio::time::timeout(within, rendered).await {
            Ok(rendered) => rendered,
            Err(_) => Err(Error::Unavailable(NO_TURN)),
        }
    }
}
