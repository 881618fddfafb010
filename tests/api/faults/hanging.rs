//! Clients that hang up, at any stage of a request.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::target::Target;
use crate::support::make::{SUBMIT, ana};

const CHANGE: &str = "mutation($input: UpdatePartnerInput!) { updatePartner(input: $input) { partner { id } } }";
/// Longest time from the last byte that is sent to the hang-up, in microseconds.
const LATEST: u64 = 12_000;

/// Where a client hangs up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    Headers,
    Body,
    AfterBody,
    HalfClosed,
    Answer,
    Http2,
    Events,
    Socket,
    Change,
}

pub(super) const STAGES: [Stage; 9] = [
    Stage::Headers,
    Stage::Body,
    Stage::AfterBody,
    Stage::HalfClosed,
    Stage::Answer,
    Stage::Http2,
    Stage::Events,
    Stage::Socket,
    Stage::Change,
];

impl Stage {
    /// Whether a lead may be stored although nobody waits for its receipt.
    pub(super) fn submits(self) -> bool {
        !matches!(self, Self::Headers | Self::Body | Self::Change)
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_micros(rand::random_range(0..LATEST))).await;
}

/// Submits a lead under that key, or makes a change, and hangs up. Fails where nobody listens.
pub(super) async fn hang_up(target: &Target, stage: Stage, key: &str) -> io::Result<()> {
    let address = target.address(key.len() + usize::from(*key.as_bytes().last().unwrap()));
    let input = json!({ "input": { "flowId": target.flow, "fields": ana(), "idempotencyKey": key } });
    match stage {
        Stage::Http2 => {
            over_http2(address, &target.key, &input).await;
            Ok(())
        }
        Stage::Socket => over_socket(address, &target.key, &input)
            .await
            .map_err(io::Error::other),
        Stage::Change => {
            // Begins its transaction in its request.
            let input = json!({ "input": { "id": target.partner, "name": format!("Partner {key}") } });
            let (head, body) = request((&target.owner, CHANGE), &input, "application/json");
            let socket = send(address, &[&head, &body]).await?;
            pause().await;
            drop(socket);
            Ok(())
        }
        _ => over_http1((address, &target.key), stage, &input).await,
    }
}

async fn over_http2(address: SocketAddr, key: &str, input: &Value) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let request = client
        .post(format!("http://{address}/graphql"))
        .bearer_auth(key)
        .json(&json!({ "query": SUBMIT, "variables": input }));
    // Ends the stream, and with its client the connection.
    tokio::select! {
        _ = request.send() => {}
        () = pause() => {}
    }
}

async fn over_socket(
    address: SocketAddr,
    key: &str,
    input: &Value,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let mut request = format!("ws://{address}/graphql").into_client_request()?;
    let protocol = "graphql-transport-ws".parse().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
    let token = json!({ "authorization": format!("Bearer {key}") });
    let init = json!({ "type": "connection_init", "payload": token });
    socket.send(Message::text(init.to_string())).await?;
    // Acknowledged, or closed by a server that stops.
    socket.next().await;
    let payload = json!({ "query": SUBMIT, "variables": input });
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": payload });
    socket.send(Message::text(subscribe.to_string())).await?;
    pause().await;
    Ok(())
}

async fn over_http1((address, key): (SocketAddr, &str), stage: Stage, input: &Value) -> io::Result<()> {
    let accept = match stage {
        Stage::Events => "text/event-stream",
        _ => "application/json",
    };
    let (head, body) = request((key, SUBMIT), input, accept);
    let (half_head, half_body) = (&head[..head.len() / 2], &body[..body.len() / 2]);
    let mut socket = match stage {
        Stage::Headers => send(address, &[half_head]).await?,
        Stage::Body => send(address, &[&head, half_body]).await?,
        _ => send(address, &[&head, &body]).await?,
    };
    if matches!(stage, Stage::HalfClosed) {
        socket.shutdown().await?;
    }
    if matches!(stage, Stage::Answer) {
        let mut first = [0; 16];
        socket.read_exact(&mut first).await?;
    } else {
        pause().await;
    }
    drop(socket);
    Ok(())
}

fn request((token, query): (&str, &str), input: &Value, accept: &str) -> (String, String) {
    let body = json!({ "query": query, "variables": input }).to_string();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nAccept: {accept}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        token,
        body.len()
    );
    (head, body)
}

async fn send(address: SocketAddr, parts: &[&str]) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(address).await?;
    for part in parts {
        socket.write_all(part.as_bytes()).await?;
    }
    Ok(socket)
}
