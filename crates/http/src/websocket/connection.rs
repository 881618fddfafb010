//! One socket and its task.
//!
//! The task never waits for one thing only: it reads, writes, polls the operations and keeps the timers in one
//! `select!`. A slow reader therefore still gets its pongs and can still end its streams. An idle socket costs two
//! small buffers and one task.

use std::borrow::Cow;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Error as SocketError;
use axum::extract::ws::{Message, WebSocket};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use super::operations::Operations;
use super::outbox::Outbox;
use super::protocol::{Close, Incoming, Outgoing};
use super::times::{Due, Times};
use super::{Connect, Event, Handler, Session, SocketLimits};

/// Pings after which a client that reads nothing is dropped: 200 seconds.
const STALLED_PINGS: u32 = 8;

/// Progress of the authentication.
enum Stage<P> {
    New(Connect<P>),
    Authenticating(BoxFuture<'static, Result<Session<P>, Close>>),
    Ready(Session<P>),
}

/// What happened next.
enum Step<P> {
    Received(Option<Result<Message, SocketError>>),
    Sent,
    Authenticated(Result<Session<P>, Close>),
    Event(Arc<str>, Event),
    Time,
    Revoked,
    Shutdown,
}

/// The end of the conversation: our close frame, or none if the client has gone.
type End = Option<Close>;

pub(super) struct Connection<P> {
    socket: WebSocket,
    limits: SocketLimits,
    shutdown: CancellationToken,
    prepare: fn(&[u8]) -> Cow<'_, [u8]>,
    stage: Stage<P>,
    operations: Operations,
    outbox: Outbox,
    /// Pings since anything was received.
    silent: u32,
    times: Times,
    timer: Pin<Box<Sleep>>,
    revoked: CancellationToken,
}

impl<P: DeserializeOwned + Send + 'static> Connection<P> {
    pub(super) fn new(socket: WebSocket, handler: Handler<P>) -> Self {
        let times = Times::new(&handler.limits, Instant::now(), handler.seat);
        Self {
            socket,
            limits: handler.limits,
            shutdown: handler.shutdown,
            prepare: handler.prepare,
            stage: Stage::New(handler.connect),
            operations: Operations::default(),
            outbox: Outbox::default(),
            silent: 0,
            timer: Box::pin(tokio::time::sleep_until(times.next())),
            times,
            revoked: CancellationToken::new(),
        }
    }

    pub(super) async fn run(mut self, understood: bool) {
        let end = if understood {
            self.serve().await
        } else {
            Some(Close::new(
                4406,
                "Subprotocol not acceptable: graphql-transport-ws is spoken here",
            ))
        };
        self.operations.stop_all();
        if let Some(close) = end {
            self.outbox.close(close.frame());
        }
        // Waits for the peer to close too: to it, a socket dropped earlier looks like a broken connection.
        let patience = self.limits.close;
        let goodbye = async { while !matches!(self.io().await, Step::Received(None | Some(Err(_)))) {} };
        if tokio::time::timeout(patience, goodbye).await.is_err() {
            tracing::debug!("a client did not answer the closing handshake");
        }
    }

    async fn serve(&mut self) -> End {
        loop {
            let step = self.step().await;
            if let Err(end) = self.handle(step) {
                return end;
            }
        }
    }

    async fn step(&mut self) -> Step<P> {
        let leaving = self.times.is_leaving();
        let Self {
            socket,
            outbox,
            operations,
            stage,
            timer,
            revoked,
            shutdown,
            ..
        } = self;
        let has_room = outbox.has_room();
        tokio::select! {
            step = poll_fn(|cx| poll_io(socket, outbox, cx)) => step,
            session = authenticated(stage) => Step::Authenticated(session),
            (id, event) = operations.next(), if has_room => Step::Event(id, event),
            () = timer.as_mut() => Step::Time,
            () = revoked.cancelled() => Step::Revoked,
            () = shutdown.cancelled(), if !leaving => Step::Shutdown,
        }
    }

    async fn io(&mut self) -> Step<P> {
        let Self { socket, outbox, .. } = self;
        poll_fn(|cx| poll_io(socket, outbox, cx)).await
    }

    fn handle(&mut self, step: Step<P>) -> Result<(), End> {
        match step {
            Step::Received(frame) => self.received(frame),
            Step::Sent => Ok(()),
            Step::Authenticated(Ok(session)) => self.acknowledge(session),
            Step::Authenticated(Err(close)) => Err(Some(close)),
            Step::Event(id, event) => self.send(id, event),
            Step::Time => self.on_timer(),
            Step::Revoked => Err(Some(Close::new(4403, "Forbidden: access was revoked"))),
            Step::Shutdown => {
                self.times.leave(Instant::now());
                self.rearm();
                Ok(())
            }
        }
    }

    fn received(&mut self, frame: Option<Result<Message, SocketError>>) -> Result<(), End> {
        self.silent = 0;
        match frame {
            None | Some(Ok(Message::Close(_))) => Err(None),
            Some(Err(error)) => {
                tracing::debug!(%error, "a socket broke");
                Err(Some(Close::new(1002, "Unreadable frame")))
            }
            Some(Ok(Message::Text(text))) if text.len() > self.limits.message => {
                Err(Some(Close::new(1009, "Message too big")))
            }
            Some(Ok(Message::Text(text))) => self.message(Incoming::parse(&text, self.prepare)?),
            Some(Ok(Message::Binary(_))) => Err(Some(Close::new(4400, "Invalid message: send text"))),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
        }
    }

    fn message(&mut self, message: Incoming<P>) -> Result<(), End> {
        match message {
            Incoming::ConnectionInit { payload } => self.authenticate(payload.unwrap_or_default()),
            Incoming::Subscribe { id, payload } => self.subscribe(id.into(), payload),
            Incoming::Complete { id } => {
                self.operations.stop(&id);
                self.outbox.discard(&id);
                Ok(())
            }
            Incoming::Ping { payload } => {
                self.outbox.pong(Outgoing::Pong { payload }.frame()?);
                Ok(())
            }
            Incoming::Pong => Ok(()),
        }
    }

    fn authenticate(&mut self, payload: Map<String, Value>) -> Result<(), End> {
        let Stage::New(connect) = std::mem::replace(&mut self.stage, Stage::Authenticating(pending().boxed())) else {
            return Err(Some(Close::new(4429, "Too many initialisation requests")));
        };
        self.stage = Stage::Authenticating(connect(payload));
        Ok(())
    }

    fn acknowledge(&mut self, session: Session<P>) -> Result<(), End> {
        self.times.acknowledge(session.expires_at);
        self.revoked = session.revoked.clone();
        self.stage = Stage::Ready(session);
        self.outbox.control(Outgoing::ConnectionAck.frame()?);
        self.rearm();
        Ok(())
    }

    fn subscribe(&mut self, id: Arc<str>, payload: P) -> Result<(), End> {
        let Stage::Ready(session) = &self.stage else {
            return Err(Some(Close::new(4401, "Unauthorized")));
        };
        if self.operations.contains(&id) {
            return Err(Some(Close::new(4409, format!("Subscriber for {id} already exists"))));
        }
        let limit = self.limits.operations;
        if self.operations.len() >= limit {
            if !self.outbox.has_room() {
                return Err(Some(Close::new(1013, "Too many operations")));
            }
            let message = format!("A socket runs at most {limit} operations at the same time; complete some of them.");
            let errors = json!([{"message": message, "extensions": {"code": "RATE_LIMITED"}}]);
            return self.send(id, Event::Error(errors.to_string()));
        }
        self.operations.start(id, (session.subscribe)(payload));
        Ok(())
    }

    fn send(&mut self, id: Arc<str>, event: Event) -> Result<(), End> {
        let message = match event {
            Event::Next(payload) => Outgoing::payload("next", &id, &payload)?,
            Event::Error(payload) => Outgoing::payload("error", &id, &payload)?,
            Event::Complete => Outgoing::Complete { id: &id }.frame()?,
        };
        self.outbox.result(id, message);
        Ok(())
    }

    fn on_timer(&mut self) -> Result<(), End> {
        let due = self.times.due(Instant::now());
        self.rearm();
        match due {
            Some(Due::Leave) => Err(Some(Close::new(1012, "Service restart"))),
            Some(Due::Init) => Err(Some(Close::new(4408, "Connection initialisation timeout"))),
            Some(Due::Expiry) => Err(Some(Close::new(4403, "Forbidden: the token has expired"))),
            Some(Due::Ping) if self.silent >= self.allowed_silence() => {
                Err(Some(Close::new(1001, "No answer to a ping")))
            }
            Some(Due::Ping) => {
                self.silent += 1;
                self.outbox.control(Message::Ping(Vec::new().into()));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Unanswered pings that are allowed. A client that does not read has not seen them yet.
    fn allowed_silence(&self) -> u32 {
        if self.outbox.is_stalled() { STALLED_PINGS } else { 1 }
    }

    fn rearm(&mut self) {
        self.timer.as_mut().reset(self.times.next());
    }
}

async fn authenticated<P>(stage: &mut Stage<P>) -> Result<Session<P>, Close> {
    match stage {
        Stage::Authenticating(session) => session.await,
        Stage::New(_) | Stage::Ready(_) => pending().await,
    }
}

/// Writes and reads, whichever is possible; neither waits for the other.
fn poll_io<P>(socket: &mut WebSocket, outbox: &mut Outbox, cx: &mut Context<'_>) -> Poll<Step<P>> {
    let sent = match outbox.poll_send(socket, cx) {
        Ok(sent) => sent,
        Err(error) => return Poll::Ready(Step::Received(Some(Err(error)))),
    };
    match socket.poll_next_unpin(cx) {
        Poll::Ready(frame) => Poll::Ready(Step::Received(frame)),
        Poll::Pending if sent => Poll::Ready(Step::Sent),
        Poll::Pending => Poll::Pending,
    }
}
