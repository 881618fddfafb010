//! A server on a port of its own, and clients for it.

use std::{
    net::SocketAddr,
    sync::{Arc, Once},
    time::Duration,
};

use async_graphql::Data;
use futures::{SinkExt, StreamExt};
use leadmesh_core::error::Error;
use leadmesh_graphql::registry::Registry;
use leadmesh_http::graphql::Endpoint;
use leadmesh_http::listen::{ListenLimits, serve};
use leadmesh_http::session::{AuthRequest, Authenticate, Session};
use reqwest::{
    Response,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use tokio_util::sync::CancellationToken;

use super::schema::{Actor, Probe, TestSchema, build};
use crate::support::wait::eventually;

pub(super) const GRAPHQL: &str = "application/graphql-response+json";

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it should have happened by now")
}

/// Tokens say what becomes of them.
#[derive(Clone, Default)]
pub(super) struct Tokens {
    pub(super) revoked: CancellationToken,
}

impl Authenticate for Tokens {
    async fn authenticate(&self, caller: AuthRequest<'_>) -> Result<Session, Error> {
        assert!(caller.peer.is_some(), "the peer's address is known");
        let name = match caller.token {
            Some("limited") => {
                return Err(Error::RateLimited { retry_after: 7 });
            }
            Some("broken") => return Err(Error::Internal(anyhow::anyhow!("secret cause"))),
            Some("slow") => std::future::pending().await,
            Some("bad") => return Err(Error::Unauthenticated("the token is not valid")),
            other => other.map(str::to_owned),
        };
        let actor = name.clone();
        let mut session = Session::new(move || {
            let mut data = Data::default();
            data.extend(actor.clone().map(Actor));
            data
        });
        session.introspection = name.is_some();
        session.expires_at = (name.as_deref() == Some("short")).then(|| Instant::now() + Duration::from_millis(50));
        session.revoked = self.revoked.clone();
        Ok(session)
    }
}

trait Extend {
    fn extend(&mut self, actor: Option<Actor>);
}

impl Extend for Data {
    fn extend(&mut self, actor: Option<Actor>) {
        if let Some(actor) = actor {
            self.insert(actor);
        }
    }
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) probe: Probe,
    pub(super) tokens: Tokens,
    pub(super) shutdown: CancellationToken,
    pub(super) serving: JoinHandle<()>,
    client: reqwest::Client,
}

impl Server {
    /// Waits until so many streams are open.
    pub(super) async fn streams(&self, number: usize) {
        eventually(async || self.probe.streams(), |open| *open == number).await;
    }

    pub(super) async fn start() -> Self {
        Self::with(|_, _| {}).await
    }

    /// A server whose limits are `adjusted`.
    pub(super) async fn with(adjust: impl FnOnce(&mut Endpoint<TestSchema, Tokens>, &mut ListenLimits)) -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // Another module of this binary may have been first.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let (probe, tokens) = (Probe::default(), Tokens::default());
        let schema = build(probe.clone());
        let registry = Registry::from_sdl(&schema.sdl()).unwrap();
        let mut endpoint = Endpoint::new(schema, Arc::new(registry), tokens.clone());
        endpoint.sockets.spread = Duration::ZERO;
        let mut limits = ListenLimits::default();
        adjust(&mut endpoint, &mut limits);
        let (shutdown, sockets) = (endpoint.shutdown.clone(), endpoint.open_sockets.clone());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Arc::new(endpoint).router();
        let serving = tokio::spawn(serve(listener, router, limits, shutdown.clone(), sockets));
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            address,
            probe,
            tokens,
            shutdown,
            serving,
            client,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/graphql", self.address)
    }

    pub(super) fn request(&self, method: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), self.url())
    }

    /// A POST of JSON.
    pub(super) fn post(&self, body: &Value) -> reqwest::RequestBuilder {
        self.request("POST")
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string())
    }

    /// The status and body of a query that accepts only the new media type.
    pub(super) async fn query(&self, query: &str) -> (u16, Value) {
        self.query_with(query, json!({})).await
    }

    pub(super) async fn query_with(&self, query: &str, variables: Value) -> (u16, Value) {
        let request = self.post(&json!({"query": query, "variables": variables}));
        read(
            soon(request.header(ACCEPT, GRAPHQL).bearer_auth("ann").send())
                .await
                .unwrap(),
        )
        .await
    }

    pub(super) async fn socket(&self) -> Socket {
        self.socket_with(&[("sec-websocket-protocol", "graphql-transport-ws")])
            .await
    }

    pub(super) async fn socket_with(&self, headers: &[(&'static str, &str)]) -> Socket {
        let mut request = format!("ws://{}/graphql", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Socket(soon(connect_async(request)).await.unwrap().0)
    }

    /// A socket that has introduced itself as Ann.
    pub(super) async fn ready_socket(&self) -> Socket {
        let mut socket = self.socket().await;
        socket.introduce(json!({"authorization": "Bearer ann"})).await;
        socket
    }
}

pub(super) async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = soon(response.text()).await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text} should be JSON")),
    )
}

/// The code of the only error.
pub(super) fn code(body: &Value) -> &str {
    assert_eq!(body["errors"].as_array().map(Vec::len), Some(1), "{body}");
    body["errors"][0]["extensions"]["code"].as_str().unwrap()
}

/// A result of an operation.
pub(super) fn next(id: &str, data: &Value) -> Value {
    json!({"type": "next", "id": id, "payload": {"data": data}})
}

/// The end of an operation.
pub(super) fn complete(id: &str) -> Value {
    json!({"type": "complete", "id": id})
}

pub(super) struct Socket(pub(super) WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What came out of a socket.
#[derive(Debug, PartialEq)]
pub(super) enum Got {
    Json(Value),
    Closed(u16, String),
    Dropped,
}

impl Socket {
    pub(super) async fn introduce(&mut self, payload: Value) {
        self.send(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(self.get().await, Got::Json(json!({"type": "connection_ack"})));
    }

    pub(super) async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    pub(super) async fn send_text(&mut self, text: &str) {
        soon(self.0.send(Message::Text(text.into()))).await.unwrap();
    }

    pub(super) async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({"type": "subscribe", "id": id, "payload": {"query": query}}))
            .await;
    }

    /// The next message or the end; pings of the server are answered and skipped.
    pub(super) async fn get(&mut self) -> Got {
        soon(async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => {
                        return Got::Json(serde_json::from_str(&text).unwrap());
                    }
                    Some(Ok(Message::Close(Some(frame)))) => {
                        return Got::Closed(frame.code.into(), frame.reason.to_string());
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Got::Dropped,
                }
            }
        })
        .await
    }

    pub(super) async fn json(&mut self) -> Value {
        match self.get().await {
            Got::Json(value) => value,
            other => panic!("{other:?} instead of a message"),
        }
    }

    /// The close code, and that the closing handshake is then finished properly.
    pub(super) async fn closed(mut self) -> (u16, String) {
        loop {
            match self.get().await {
                Got::Json(_) => {}
                Got::Closed(code, reason) => {
                    assert_eq!(self.get().await, Got::Dropped);
                    return (code, reason);
                }
                Got::Dropped => panic!("dropped without a close frame"),
            }
        }
    }
}
