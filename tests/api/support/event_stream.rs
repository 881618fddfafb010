//! A client of server-sent events (HTML standard, section 9.2.6).

use std::net::SocketAddr;
use std::time::Duration;

use super::app::client;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request for events.
#[derive(Clone, Default)]
pub(crate) struct Ask<'a> {
    pub(crate) token: Option<&'a str>,
    pub(crate) query: &'a str,
    pub(crate) variables: Value,
    pub(crate) last: Option<&'a str>,
    /// Whether to ask by GET.
    pub(crate) get: bool,
    /// In place of `text/event-stream` alone.
    pub(crate) accept: Option<&'a str>,
}

/// What came.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// An open stream.
pub(crate) struct EventStream {
    response: Response,
    rest: Vec<u8>,
}

/// The answer to a request for events, whatever it is.
pub(crate) async fn ask(address: SocketAddr, ask: Ask<'_>) -> Response {
    let client = client();
    let url = format!("http://{address}/graphql");
    let mut request = if ask.get {
        let variables = if ask.variables.is_null() {
            "{}".to_owned()
        } else {
            ask.variables.to_string()
        };
        client
            .request(Method::GET, url)
            .query(&[("query", ask.query), ("variables", &variables)])
    } else {
        client
            .request(Method::POST, url)
            .json(&json!({ "query": ask.query, "variables": ask.variables }))
    };
    request = request.header("accept", ask.accept.unwrap_or("text/event-stream"));
    if let Some(token) = ask.token {
        request = request.bearer_auth(token);
    }
    if let Some(last) = ask.last {
        request = request.header("last-event-id", last);
    }
    request.send().await.unwrap()
}

impl EventStream {
    pub(crate) async fn open(address: SocketAddr, wanted: Ask<'_>) -> Self {
        let response = ask(address, wanted).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Self {
            response,
            rest: Vec::new(),
        }
    }

    /// The next event, comments left out; none when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.rest.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.rest.drain(..end + 2).collect();
                if let Some(event) = parse(std::str::from_utf8(&block).unwrap()) {
                    return Some(event);
                }
                continue;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk())
                .await
                .expect("nothing came");
            self.rest.extend_from_slice(&chunk.unwrap()?);
        }
    }

    /// The data of the next result without errors.
    pub(crate) async fn data(&mut self) -> Value {
        let event = self.next().await.expect("the stream has ended");
        assert_eq!(event.kind, "next", "{event:?}");
        let mut result = event.json();
        assert!(result.get("errors").is_none(), "{result:#}");
        result["data"].take()
    }

    /// A comment, which keeps the connection open.
    pub(crate) async fn comment(&mut self) {
        while !self.rest.starts_with(b":\n\n") {
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk())
                .await
                .expect("nothing came");
            self.rest
                .extend_from_slice(&chunk.unwrap().expect("the stream has ended"));
        }
        self.rest.drain(..3);
    }
}

fn parse(block: &str) -> Option<Event> {
    let mut event = Event::default();
    for line in block.lines().filter(|line| !line.is_empty() && !line.starts_with(':')) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match name {
            "event" => event.kind = value,
            "id" => event.id = Some(value),
            "data" => event.data = value,
            other => panic!("a field that nobody knows: {other}"),
        }
    }
    (event != Event::default()).then_some(event)
}
