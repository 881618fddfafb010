//! One socket and its task.
//!
//! The task never waits for one thing alone: it reads, writes, runs the socket's operations and keeps its times in one
//! `select!`. A slow reader therefore still gets its pongs and can still end its streams. Two small buffers and one task
//! are all an idle socket takes.

use std::{
    future::{pending, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_graphql::Executor;
use axum::{
    Error as SocketError,
    extract::ws::{Message, WebSocket},
    http::request::Parts,
};
use futures::{FutureExt, StreamExt, future::BoxFuture};
use serde_json::{Map, Value};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use super::{
    operations::{Event, Operations, events},
    outbox::Outbox,
    protocol::{Close, Incoming, Outgoing, not_bearer, token},
    times::{Due, Times},
};
use crate::graphql::{self, Endpoint, Parameters};
use crate::quota::Permit;
use crate::request_id::RequestId;
use crate::session::{AuthRequest, Authenticate, NotBearer, Session, bearer};
use leadmesh_core::error::Error;
use leadmesh_graphql::mask::{self, code};

/// Pings for which a client that reads nothing is waited for: 200 seconds.
const STALLED_PINGS: u32 = 8;

/// How far the introduction has come.
enum Stage {
    New(Box<Parts>),
    Authenticating(BoxFuture<'static, Result<Session, Error>>),
    Ready(Arc<Session>),
}

/// What happened next.
enum Step {
    Received(Option<Result<Message, SocketError>>),
    Sent,
    Authenticated(Result<Session, Error>),
    Event(Arc<str>, Event),
    Time,
    Revoked,
    Shutdown,
}

/// The conversation is over: with a close frame from us, or because the client has gone.
type End = Option<Close>;

pub(super) struct Connection<E, A> {
    endpoint: Arc<Endpoint<E, A>>,
    socket: WebSocket,
    stage: Stage,
    operations: Operations,
    outbox: Outbox,
    id: RequestId,
    /// Pings since anything was received.
    silent: u32,
    times: Times,
    timer: Pin<Box<Sleep>>,
    revoked: CancellationToken,
    permit: Option<Permit>,
}

impl<E: Executor, A: Authenticate> Connection<E, A> {
    pub(super) fn new(endpoint: Arc<Endpoint<E, A>>, socket: WebSocket, parts: Parts, seat: usize) -> Self {
        let times = Times::new(&endpoint.sockets, Instant::now(), seat);
        Self {
            timer: Box::pin(tokio::time::sleep_until(times.next())),
            endpoint,
            socket,
            id: graphql::request_id(&parts),
            stage: Stage::New(Box::new(parts)),
            operations: Operations::default(),
            outbox: Outbox::default(),
            silent: 0,
            times,
            revoked: CancellationToken::new(),
            permit: None,
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
        // Until the peer has closed too: a socket that is dropped earlier looks to it like a broken connection.
        let allowed_silence = self.endpoint.sockets.close;
        let goodbye = async { while !matches!(self.io().await, Step::Received(None | Some(Err(_)))) {} };
        if tokio::time::timeout(allowed_silence, goodbye).await.is_err() {
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

    async fn step(&mut self) -> Step {
        let leaving = self.times.is_leaving();
        let Self {
            socket,
            outbox,
            operations,
            stage,
            timer,
            revoked,
            endpoint,
            ..
        } = self;
        let has_room = outbox.has_room();
        tokio::select! {
            step = poll_fn(|cx| poll_io(socket, outbox, cx)) => step,
            session = authenticated(stage) => Step::Authenticated(session),
            (id, event) = operations.next(), if has_room => Step::Event(id, event),
            () = timer.as_mut() => Step::Time,
            () = revoked.cancelled() => Step::Revoked,
            () = endpoint.shutdown.cancelled(), if !leaving => Step::Shutdown,
        }
    }

    async fn io(&mut self) -> Step {
        let Self { socket, outbox, .. } = self;
        poll_fn(|cx| poll_io(socket, outbox, cx)).await
    }

    fn handle(&mut self, step: Step) -> Result<(), End> {
        match step {
            Step::Received(frame) => self.received(frame),
            Step::Sent => Ok(()),
            Step::Authenticated(Ok(session)) => self.acknowledge(session),
            Step::Authenticated(Err(error)) => Err(Some(rejection(error, &self.id))),
            Step::Event(id, event) => self.send(id, &event),
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
            Some(Ok(Message::Text(text))) if text.len() > self.endpoint.sockets.message => {
                Err(Some(Close::new(1009, "Message too big")))
            }
            Some(Ok(Message::Text(text))) => self.message(Incoming::parse(&text)?),
            Some(Ok(Message::Binary(_))) => Err(Some(Close::new(4400, "Invalid message: send text"))),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
        }
    }

    fn message(&mut self, message: Incoming) -> Result<(), End> {
        match message {
            Incoming::ConnectionInit { payload } => self.authenticate(&payload.unwrap_or_default()),
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

    fn authenticate(&mut self, payload: &Map<String, Value>) -> Result<(), End> {
        let Stage::New(parts) = std::mem::replace(&mut self.stage, Stage::Authenticating(pending().boxed())) else {
            return Err(Some(Close::new(4429, "Too many initialisation requests")));
        };
        let sent = match token(payload)? {
            Some(token) => Some(token.to_owned()),
            None => bearer(&parts.headers)
                .map_err(|NotBearer| not_bearer())?
                .map(str::to_owned),
        };
        let endpoint = self.endpoint.clone();
        self.stage = Stage::Authenticating(Box::pin(async move {
            let peer = graphql::peer(&parts);
            let caller = AuthRequest {
                token: sent.as_deref(),
                headers: &parts.headers,
                peer,
                socket: true,
            };
            endpoint.authenticate.authenticate(caller).await
        }));
        Ok(())
    }

    fn acknowledge(&mut self, session: Session) -> Result<(), End> {
        self.permit = session
            .hold_connection(&self.endpoint.sockets)
            .map_err(|error| Some(Close::new(1013, format!("Try again later: {}", error.message))))?;
        self.times.acknowledge(session.expires_at);
        self.revoked = session.revoked.clone();
        self.stage = Stage::Ready(Arc::new(session));
        self.outbox.control(Outgoing::ConnectionAck.frame()?);
        self.rearm();
        Ok(())
    }

    fn subscribe(&mut self, id: Arc<str>, parameters: Parameters) -> Result<(), End> {
        let Stage::Ready(session) = &self.stage else {
            return Err(Some(Close::new(4401, "Unauthorized")));
        };
        if self.operations.contains(&id) {
            return Err(Some(Close::new(4409, format!("Subscriber for {id} already exists"))));
        }
        let most = self.endpoint.sockets.operations;
        if self.operations.len() >= most {
            if !self.outbox.has_room() {
                return Err(Some(Close::new(1013, "Too many operations")));
            }
            let message = format!("A socket runs at most {most} operations at the same time; complete some of them.");
            return self.send(id, &Event::Error(vec![mask::coded(code::RATE_LIMITED, message, None)]));
        }
        let events = events(self.endpoint.clone(), session.clone(), parameters, self.id.clone());
        self.operations.start(id, events);
        Ok(())
    }

    fn send(&mut self, id: Arc<str>, event: &Event) -> Result<(), End> {
        let message = match event {
            Event::Next(response) => Outgoing::Next {
                id: &id,
                payload: response,
            }
            .bounded_frame(&id)?,
            Event::Error(errors) => Outgoing::Error {
                id: &id,
                payload: errors,
            }
            .frame()?,
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

    /// Pings that may go by in silence. A client that does not read has not seen them yet.
    fn allowed_silence(&self) -> u32 {
        if self.outbox.is_stalled() { STALLED_PINGS } else { 1 }
    }

    fn rearm(&mut self) {
        self.timer.as_mut().reset(self.times.next());
    }
}

async fn authenticated(stage: &mut Stage) -> Result<Session, Error> {
    match stage {
        Stage::Authenticating(session) => session.await,
        Stage::New(_) | Stage::Ready(_) => pending().await,
    }
}

/// Writes and reads, whichever is possible; neither waits for the other.
fn poll_io(socket: &mut WebSocket, outbox: &mut Outbox, cx: &mut Context<'_>) -> Poll<Step> {
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

/// The close frame for a client that may not in, or not now.
fn rejection(error: Error, id: &RequestId) -> Close {
    let refused = mask::refused(error, id.as_str());
    match mask::code_of(&refused) {
        Some(code::UNAUTHENTICATED | code::FORBIDDEN) => Close::new(4403, format!("Forbidden: {}", refused.message)),
        _ => Close::new(1013, format!("Try again later: {}", refused.message)),
    }
}
