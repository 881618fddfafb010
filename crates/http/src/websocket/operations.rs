//! The operations of one socket.
//!
//! Only a woken operation is polled, and a polled one goes to the end of the queue, so that a busy stream does not
//! delay others.

use std::sync::Arc;

use futures::StreamExt;
use futures::future::{AbortHandle, Abortable};
use futures::stream::{BoxStream, SelectAll};

use super::Event;

/// The events of an operation, each with the operation's id.
type Tagged = BoxStream<'static, (Arc<str>, Event)>;

#[derive(Default)]
pub(super) struct Operations {
    running: SelectAll<Abortable<Tagged>>,
    /// A socket has few operations, so a list is smaller than a map and not slower.
    handles: Vec<(Arc<str>, AbortHandle)>,
}

impl Operations {
    pub(super) fn len(&self) -> usize {
        self.handles.len()
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.handles.iter().any(|(of, _)| &**of == id)
    }

    pub(super) fn start(&mut self, id: Arc<str>, events: BoxStream<'static, Event>) {
        let (handle, registration) = AbortHandle::new_pair();
        self.handles.push((id.clone(), handle));
        let tagged = events.map(move |event| (id.clone(), event)).boxed();
        self.running.push(Abortable::new(tagged, registration));
    }

    /// Ends an operation. An unknown id is no error: its operation may just have ended.
    pub(super) fn stop(&mut self, id: &str) {
        if let Some(place) = self.handles.iter().position(|(of, _)| &**of == id) {
            self.handles.swap_remove(place).1.abort();
        }
    }

    /// The next event; pending while nothing runs. Cancel-safe.
    pub(super) async fn next(&mut self) -> (Arc<str>, Event) {
        loop {
            match self.running.next().await {
                None => std::future::pending().await,
                Some((id, event)) => {
                    if !matches!(event, Event::Next(_)) {
                        self.stop(&id);
                    }
                    return (id, event);
                }
            }
        }
    }

    pub(super) fn stop_all(&mut self) {
        *self = Self::default();
    }
}
