//! `graphql-transport-ws` over a WebSocket: the protocol alone, without a schema. The server gives it a way to authenticate
//! and gets a stream of events for each operation.

mod connection;
mod operations;
mod outbox;
mod protocol;
mod times;

use std::borrow::Cow;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use connection::Connection;
pub use protocol::Close;
use protocol::{Incoming, NAME};

/// Bytes of the read buffer. Clients send little, and every open socket has such a buffer.
const READ_BUFFER: usize = 1024;

/// Limits of a socket.
#[derive(Debug, Clone)]
pub struct SocketLimits {
    /// Time until `connection_init`.
    pub init: Duration,
    /// Time between pings. A client that answers none before the next one is dropped.
    pub ping: Duration,
    /// Concurrent operations.
    pub operations: usize,
    /// Bytes of a message.
    pub message: usize,
    /// Time for the closing handshake.
    pub close: Duration,
    /// Time over which a shutdown spreads the closing of sockets, so that clients do not all reconnect simultaneously.
    pub spread: Duration,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            init: Duration::from_secs(10),
            ping: Duration::from_secs(25),
            operations: 100,
            message: 64 * 1024,
            close: Duration::from_secs(5),
            spread: Duration::from_secs(3),
        }
    }
}

/// What the protocol needs from the server for one socket. `P` is the payload of `subscribe`.
pub struct Handler<P> {
    /// Limits of the socket.
    pub limits: SocketLimits,
    /// Cancelled when the process shuts down; closes the socket.
    pub shutdown: CancellationToken,
    /// Number of the socket among the open ones; decides when it leaves in a shutdown.
    pub seat: usize,
    /// Prepares the text of a message for the JSON parser.
    pub prepare: fn(&[u8]) -> Cow<'_, [u8]>,
    /// Authenticates by the payload of `connection_init`.
    pub connect: Connect<P>,
}

/// Turns the payload of `connection_init` into a session, or says why the socket is closed.
pub type Connect<P> = Box<dyn FnOnce(Map<String, Value>) -> BoxFuture<'static, Result<Session<P>, Close>> + Send>;

/// An authenticated socket.
pub struct Session<P> {
    /// Starts an operation. Owns what lives as long as the session.
    pub subscribe: Box<dyn Fn(P) -> BoxStream<'static, Event> + Send>,
    /// When the right to use the socket expires.
    pub expires_at: Option<Instant>,
    /// Cancelled when the right is lost before that.
    pub revoked: CancellationToken,
}

/// An event of an operation, with its payload as JSON.
pub enum Event {
    /// A result.
    Next(String),
    /// The operation is refused, with a list of errors; nothing follows.
    Error(String),
    /// The operation has ended.
    Complete,
}

/// Whether a text is a message that a client may send.
pub fn is_message<P: DeserializeOwned>(text: &str, prepare: fn(&[u8]) -> Cow<'_, [u8]>) -> bool {
    Incoming::<P>::parse(text, prepare).is_ok()
}

/// Accepts a socket and serves it in a task of its own, which holds `guard`.
pub fn accept<P, G>(upgrade: WebSocketUpgrade, handler: Handler<P>, guard: G) -> Response
where
    P: DeserializeOwned + Send + 'static,
    G: Send + 'static,
{
    // tungstenite's own limit is only a backstop: it answers with an error instead of a close code.
    let backstop = handler.limits.message.saturating_mul(4);
    let upgrade = upgrade
        .protocols([NAME])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(backstop)
        .max_frame_size(backstop);
    let understood = upgrade.selected_protocol().is_some();
    upgrade.on_upgrade(move |socket| async move {
        Connection::new(socket, handler).run(understood).await;
        drop(guard);
    })
}
