//! GraphQL over WebSocket: one socket, spoken to in `graphql-transport-ws`.

mod connection;
mod operations;
mod outbox;
mod protocol;
mod times;

use std::{sync::Arc, time::Duration};

use async_graphql::Executor;
use axum::{extract::ws::WebSocketUpgrade, http::request::Parts, response::Response};

use self::{
    connection::Connection,
    protocol::{Incoming, NAME},
};
use super::{graphql::Endpoint, session::Authenticate};

/// Bytes read from a socket at once: clients send little, and each socket has such a buffer all the time.
const READ_BUFFER: usize = 1024;

/// Whether a text is a message that a client may send. Public for the fuzzer.
pub fn is_message(text: &str) -> bool {
    Incoming::parse(text).is_ok()
}

/// What one socket may do, and how long it is waited for.
#[derive(Debug, Clone)]
pub struct SocketLimits {
    /// Until `connection_init`.
    pub init: Duration,
    /// Between pings; a client that lets one go by without a sign of life is dropped.
    pub ping: Duration,
    /// Sockets of this process.
    pub open: usize,
    /// Sockets and event streams of one person or key in this process.
    pub of_caller: usize,
    /// Sockets and event streams in this process of all who show no token at one address, and as many subscriptions.
    pub of_address: usize,
    /// Subscriptions of one person or key in this process.
    pub streams_of_caller: usize,
    /// Operations of one socket at the same time.
    pub operations: usize,
    /// Bytes of a message.
    pub message: usize,
    /// For the closing handshake.
    pub close: Duration,
    /// Over how long a shutdown spreads its goodbyes, so that the clients do not all come back at once.
    pub spread: Duration,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            init: Duration::from_secs(10),
            ping: Duration::from_secs(25),
            open: 20_000,
            of_caller: 100,
            of_address: 20,
            streams_of_caller: 1_000,
            operations: 100,
            message: 64 * 1024,
            close: Duration::from_secs(5),
            spread: Duration::from_secs(3),
        }
    }
}

/// Accepts a socket and serves it in a task of its own.
pub(super) fn accept<E: Executor, A: Authenticate>(
    endpoint: Arc<Endpoint<E, A>>,
    upgrade: WebSocketUpgrade,
    parts: Parts,
) -> Response {
    // tungstenite's own limit is only a backstop: it answers with an error instead of a close code.
    let backstop = endpoint.sockets.message.saturating_mul(4);
    let upgrade = upgrade
        .protocols([NAME])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(backstop)
        .max_frame_size(backstop);
    let understood = upgrade.selected_protocol().is_some();
    let seat = endpoint.open_sockets.len();
    let guard = endpoint.open_sockets.token();
    upgrade.on_upgrade(move |socket| async move {
        let connection = Connection::new(endpoint, socket, parts, seat);
        connection.run(understood).await;
        drop(guard);
    })
}
