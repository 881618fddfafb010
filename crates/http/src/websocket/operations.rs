//! The operations that run on one socket.
//!
//! They are polled by waking: only an operation that has something is looked at, and one that has been looked at goes
//! to the end of the line, so a busy stream does not keep others waiting.

use std::sync::Arc;

use async_graphql::{Executor, Response, ServerError, Value, parser::types::OperationType};
use futures::{
    FutureExt, StreamExt,
    future::{AbortHandle, Abortable},
    stream::{self, BoxStream, SelectAll},
};

use crate::graphql::{Endpoint, Parameters};
use crate::quota::Permit;
use crate::request_id::RequestId;
use crate::session::{Authenticate, Session};
use leadmesh_graphql::mask;

/// What an operation has to tell its client.
pub(super) enum Event {
    Next(Response),
    /// The request is refused; nothing follows.
    Error(Vec<ServerError>),
    Complete,
}

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

/// Runs an operation, from its checks to its end.
pub(super) fn events<E: Executor, A: Authenticate>(
    endpoint: Arc<Endpoint<E, A>>,
    session: Arc<Session>,
    parameters: Parameters,
    id: RequestId,
) -> BoxStream<'static, Event> {
    let begin = async move {
        let prepared = match endpoint.prepare(parameters, &session).await {
            Ok(prepared) => prepared,
            Err(errors) => return listed([Event::Error(errors)]),
        };
        if prepared.kind == OperationType::Subscription {
            return match session.hold_stream(&endpoint.sockets) {
                Ok(permit) => subscription(kept(endpoint.stream(prepared, id), permit))
                    .flatten_stream()
                    .boxed(),
                Err(error) => listed([Event::Error(vec![error])]),
            };
        }
        let response = endpoint.run(prepared, &id).await;
        if mask::is_request_error(&response) {
            return listed([Event::Error(response.errors)]);
        }
        listed([Event::Next(response), Event::Complete])
    };
    // In a box of its own, which goes when the operation has begun.
    begin.boxed().flatten_stream().boxed()
}

fn listed<const N: usize>(events: [Event; N]) -> BoxStream<'static, Event> {
    stream::iter(events).boxed()
}

/// A stream that gives its place back when it ends.
fn kept(responses: BoxStream<'static, Response>, permit: Option<Permit>) -> BoxStream<'static, Response> {
    let kept = stream::unfold((responses, permit), |(mut responses, permit)| async move {
        Some((responses.next().await?, (responses, permit)))
    });
    kept.boxed()
}

/// The events of a subscription. A stream that answers nothing but errors and ends at once was never made: the library
/// reports a subscription that is refused as if it were an event.
async fn subscription(mut responses: BoxStream<'static, Response>) -> BoxStream<'static, Event> {
    let Some(first) = responses.next().await else {
        return listed([Event::Complete]);
    };
    let mut begin = vec![first];
    if begin.iter().all(|first| first.data == Value::Null) {
        match responses.next().now_or_never() {
            Some(None) => {
                return listed([Event::Error(begin.into_iter().flat_map(|first| first.errors).collect())]);
            }
            Some(Some(second)) => begin.push(second),
            None => {}
        }
    }
    let end = stream::once(async { Event::Complete });
    stream::iter(begin).chain(responses).map(Event::Next).chain(end).boxed()
}
