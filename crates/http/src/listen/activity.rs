//! The activity of one connection, to distinguish a used one from an idle one.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The exchanges of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    /// Notified when an event stream begins.
    stream_began: Notify,
}

#[derive(Debug)]
struct State {
    exchanges: Vec<Weak<Exchange>>,
    /// When the last exchange ended; before the first one, when the connection began.
    quiet_since: Instant,
}

/// A request and its answer; it ends when the answer's body is dropped.
#[derive(Debug)]
pub(super) struct Exchange {
    activity: Arc<Activity>,
    /// When a part of the answer was handed over, until the next one is polled: a stalled reader polls none.
    handed_over: Mutex<Option<Instant>>,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                exchanges: Vec::new(),
                quiet_since: Instant::now(),
            }),
            stream_began: Notify::new(),
        }
    }

    pub(super) fn begin(self: &Arc<Self>) -> Arc<Exchange> {
        let exchange = Arc::new(Exchange {
            activity: self.clone(),
            handed_over: Mutex::new(None),
        });
        let mut state = lock(&self.state);
        state.exchanges.retain(|exchange| exchange.strong_count() > 0);
        state.exchanges.push(Arc::downgrade(&exchange));
        exchange
    }

    /// Waits until an event stream begins.
    pub(super) async fn stream_began(&self) {
        self.stream_began.notified().await;
    }

    /// Why the connection should be closed, if it should.
    pub(super) fn fault(&self, now: Instant, idle: Duration, stalled: Duration) -> Option<&'static str> {
        let state = lock(&self.state);
        let mut open = state.exchanges.iter().filter_map(Weak::upgrade).peekable();
        if open.peek().is_none() {
            return (now.duration_since(state.quiet_since) >= idle).then_some("no request came");
        }
        let mut waits = open.filter_map(|exchange| *lock(&exchange.handed_over));
        waits
            .any(|since| now.duration_since(since) >= stalled)
            .then_some("an answer was not read")
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        lock(&self.activity.state).quiet_since = Instant::now();
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of an answer. Keeps its exchange open and records when the reader stalls.
pub(super) struct TrackedBody {
    body: Body,
    exchange: Arc<Exchange>,
}

impl TrackedBody {
    pub(super) fn new(body: Body, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange }
    }

    /// The body of an event stream.
    pub(super) fn stream(body: Body, exchange: Arc<Exchange>) -> Self {
        exchange.activity.stream_began.notify_one();
        Self { body, exchange }
    }
}

impl http_body::Body for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        *lock(&self.exchange.handed_over) = None;
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(Some(Ok(_)))) {
            *lock(&self.exchange.handed_over) = Some(Instant::now());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::poll_fn;
    use http_body::Body as _;

    use super::*;

    const IDLE: Duration = Duration::from_mins(1);
    const STALLED: Duration = Duration::from_secs(200);

    fn fault(activity: &Activity, seconds: u64) -> Option<&'static str> {
        activity.fault(Instant::now() + Duration::from_secs(seconds), IDLE, STALLED)
    }

    #[tokio::test]
    async fn a_connection_is_idle_after_its_last_exchange_and_never_during_one() {
        let activity = Arc::new(Activity::new());
        assert_eq!(fault(&activity, 59), None);
        assert_eq!(fault(&activity, 61), Some("no request came"));
        let exchange = activity.begin();
        assert_eq!(fault(&activity, 10_000), None);
        drop(exchange);
        assert_eq!(fault(&activity, 59), None);
        assert_eq!(fault(&activity, 61), Some("no request came"));
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_told_from_a_stream_with_nothing_to_say() {
        let activity = Arc::new(Activity::new());
        let (sender, receiver) = futures::channel::mpsc::unbounded::<Result<Bytes, std::io::Error>>();
        let mut body = TrackedBody::new(Body::from_stream(receiver), activity.begin());
        let mut next =
            async || poll_fn(|context| Poll::Ready(Pin::new(&mut body).poll_frame(context).is_ready())).await;
        assert!(!next().await, "there is nothing to send");
        assert_eq!(fault(&activity, 10_000), None, "it may wait for as long as it likes");
        sender.unbounded_send(Ok(Bytes::from_static(b"event"))).unwrap();
        assert!(next().await);
        assert_eq!(fault(&activity, 199), None);
        assert_eq!(fault(&activity, 201), Some("an answer was not read"));
        assert!(!next().await, "the reader took it and waits for more");
        assert_eq!(fault(&activity, 10_000), None);
    }
}
