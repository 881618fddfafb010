//! A client of graphql-transport-ws for one subscription.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open subscription.
pub(crate) struct Stream(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Stream {
    /// Connects, introduces itself, subscribes.
    pub(crate) async fn open(address: SocketAddr, token: &str, query: &str, variables: Value) -> Self {
        let mut stream = Self::introduced(address, token).await;
        let ack = stream.message().await;
        assert_eq!(
            ack.as_ref().map(|ack| &ack["type"]),
            Some(&json!("connection_ack")),
            "{ack:?}"
        );
        stream.also("1", query, variables).await;
        stream
    }

    /// Connects and introduces itself; the answer to that is the first message.
    pub(crate) async fn introduced(address: SocketAddr, token: &str) -> Self {
        let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let mut stream = Self(socket);
        stream
            .send(json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {token}") } }))
            .await;
        stream
    }

    async fn send(&mut self, message: Value) {
        self.text(message.to_string()).await;
    }

    /// Sends a message as it is.
    pub(crate) async fn text(&mut self, message: String) {
        self.0.send(Message::text(message)).await.unwrap();
    }

    /// The next message; none when the socket was closed.
    pub(crate) async fn message(&mut self) -> Option<Value> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next())
                .await
                .expect("nothing came")?;
            match message {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The data of the next event.
    pub(crate) async fn event(&mut self) -> Value {
        let mut message = self.message().await.expect("the socket was closed");
        assert_eq!(message["type"], "next", "{message:#}");
        assert!(message["payload"].get("errors").is_none(), "{message:#}");
        message["payload"]["data"].take()
    }

    /// Passes over the next events.
    pub(crate) async fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.event().await;
        }
    }

    /// Reads to the end of the socket: what came before it, and the close code.
    pub(crate) async fn ended(mut self) -> (Vec<Value>, u16) {
        let mut before = Vec::new();
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next())
                .await
                .expect("it does not end");
            match message {
                Some(Ok(Message::Text(text))) => before.push(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => return (before, frame.code.into()),
                Some(Ok(_)) => {}
                other => panic!("ended without a code: {other:?}"),
            }
        }
    }

    /// Another operation on the same socket.
    pub(crate) async fn also(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    /// Ends an operation.
    pub(crate) async fn complete(&mut self, id: &str) {
        self.send(json!({ "type": "complete", "id": id })).await;
    }

    /// Leaves without a word, as a lost connection does.
    pub(crate) fn cut(self) {
        drop(self);
    }
}
