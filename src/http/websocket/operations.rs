//! The operations that run on one socket.
//!
//! They are polled by waking: only an operation that has something is looked at, and one that has been looked at goes
//! to the end of the line, so a busy stream does not keep others waiting.

use std::sync::Arc;

use futures::StreamExt;
use futures::future::{AbortHandle, Abortable};
use futures::stream::{BoxStream, SelectAll};

use super::Event;

/// The events of an operation, with its id.
type Tagged = BoxStream<'static, (Arc<str>, Event)>;

#[derive(Default)]
pub(super) struct Operations {
    running: SelectAll<Abortable<Tagged>>,
    /// Few per socket, so a list is smaller and no slower than a map.
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

    /// Ends an operation at once; an unknown id is no error, its operation may just have ended.
    pub(super) fn stop(&mut self, id: &str) {
        if let Some(place) = self.handles.iter().position(|(of, _)| &**of == id) {
            self.handles.swap_remove(place).1.abort();
        }
    }

    /// The next event; pending for ever while nothing runs. May be dropped and called again without loss.
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
