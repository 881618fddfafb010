//! Renders payloads on a few threads of their own, so that templates never delay the threads that serve requests.
//!
//! A rendering cannot be interrupted; its [`Budget`] bounds its steps. A process that stops waits for renderings under way, which takes
//! less than a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::error::{Error, Result};
use leadmesh_forms::templates::Budget;

/// Most renderings at a time, however many processors there are.
const MAX_THREADS: usize = 8;
const BUSY: &str = "other payloads are being rendered: nothing was done, try again";

/// Renders on threads of their own. Clones share their permits.
#[derive(Clone, Debug)]
pub struct Rendering {
    permits: Arc<Semaphore>,
    bytes: usize,
}

impl Rendering {
    /// Renders deliveries of at most `bytes` bytes, as many at a time as the machine has processors.
    pub fn new(bytes: u32) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            permits: Arc::new(Semaphore::new(processors.min(MAX_THREADS))),
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        }
    }

    /// What one delivery may cost.
    pub fn budget(&self) -> Budget {
        Budget::of_bytes(self.bytes)
    }

    /// Renders on its own thread.
    ///
    /// # Errors
    /// `Unavailable` if it does not end within that time.
    pub async fn run<T: Send + 'static>(
        &self,
        within: Duration,
        render: impl FnOnce(&Budget) -> T + Send + 'static,
    ) -> Result<T> {
        let (permits, budget) = (self.permits.clone(), self.budget());
        let rendered = async move {
            let permit = permits.acquire_owned().await.map_err(anyhow::Error::from)?;
            // The permit is held until the thread is free, even if the caller has given up.
            let thread = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                render(&budget)
            });
            Ok(thread.await.map_err(anyhow::Error::from)?)
        };
        match tokio::time::timeout(within, rendered).await {
            Ok(rendered) => rendered,
            Err(_) => Err(Error::Unavailable(BUSY)),
        }
    }
}
