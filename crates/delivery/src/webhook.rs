//! Sends one signed request and reads the answer, within one deadline and a bounded amount of memory.
//!
//! The deadline covers name resolution, connection, TLS, headers and body. Once status line and headers have arrived
//! the status counts: a body that drips, never ends or breaks is kept as far as it came. Redirects are not followed and
//! proxies of the environment are not used, for either could lead past the guard.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{
    Certificate, Client, ClientBuilder, Response,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{
    failure::{self, Failure},
    guard::Guard,
    signing::{self, Secret},
    text,
};

mod headers;

pub use headers::{HeaderRefused, check_header};
pub use http::Method;
pub use hyper::body::Bytes;

/// How much of an answer's body is read.
pub const BODY_LIMIT: usize = 64 * 1024;
/// How much of it is stored as an excerpt, in bytes.
pub const EXCERPT_LIMIT: usize = 4 * 1024;

/// The header that names the lead; settings cannot have it.
pub const LEAD_ID: &str = "leadmesh-lead-id";

pub(super) const USER_AGENT: &str = concat!("Leadmesh/", env!("CARGO_PKG_VERSION"));
/// Widespread servers close idle connections after five seconds. Letting go first avoids sending into a closing one.
const IDLE: Duration = Duration::from_secs(4);
const IDLE_CONNECTIONS_PER_HOST: usize = 64;
/// Shared among the addresses of a host, so that a dead first one leaves time for the second.
const CONNECT: Duration = Duration::from_secs(10);
/// A vanished HTTP/2 peer would otherwise swallow every request that shares its connection.
const PING: Duration = Duration::from_secs(5);

/// One request, ready but for the headers that this module adds. It holds secrets and has no `Debug`.
pub struct Request {
    pub method: Method,
    /// `http` or `https`; whether plain HTTP is agreed to is settled when settings are saved.
    pub url: Url,
    /// The partner's own headers, and [`LEAD_ID`]. Other reserved and malformed ones are left out; see [`check_header`].
    pub headers: Vec<(String, String)>,
    /// Sent unless one of `headers` says otherwise.
    pub content_type: &'static str,
    /// Signed and sent exactly as it is.
    pub body: Bytes,
    /// `webhook-id` and `Idempotency-Key`: the same on every attempt of a delivery, without full stops.
    pub id: String,
    /// The time of this attempt, sent as `webhook-timestamp`.
    pub sent_at: DateTime<Utc>,
    /// Newest first; empty for an unsigned request.
    pub secrets: Vec<Secret>,
    /// `leadmesh-lead-id`: which lead it is.
    pub lead: String,
    /// Adds `leadmesh-test: true`.
    pub test: bool,
    pub timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct Exchange {
    pub result: Result<Answer, Failure>,
    /// From the call to the end of what was read.
    pub duration: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The header of this name, as it came.
    pub retry_after: Option<String>,
    /// At most [`BODY_LIMIT`] bytes.
    pub body: Vec<u8>,
    pub end: BodyEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEnd {
    Complete,
    Capped,
    TimedOut,
    Broken,
}

/// The HTTP client could not be set up; seen at start, never during a delivery.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for webhooks could not be set up: {0}")]
pub struct SetUpError(#[from] reqwest::Error);

/// Sends requests to strangers. Cheap to clone; the clones share the guard and the pool of connections.
#[derive(Clone, Debug)]
pub struct Sender {
    guard: Guard,
    client: Client,
}

impl Sender {
    /// A sender that trusts the certificate authorities of the system, or Mozilla's where the system has none.
    pub fn new(guard: Guard) -> Result<Self, SetUpError> {
        leadmesh_core::tls::install_tls();
        let client = match client(&guard).build() {
            Ok(client) => client,
            Err(_) => client(&guard).tls_certs_only(bundled_roots()).build()?,
        };
        Ok(Self { guard, client })
    }

    /// Makes one attempt. Never fails as such: what went wrong is part of the exchange.
    pub async fn send(&self, request: &Request) -> Exchange {
        let started = Instant::now();
        let result = self.exchange(request, started + request.timeout).await;
        Exchange {
            result,
            duration: started.elapsed(),
        }
    }

    async fn exchange(&self, request: &Request, deadline: Instant) -> Result<Answer, Failure> {
        self.guard.check_url(&request.url)?;
        let ready = self.prepare(request)?;
        match timeout_at(deadline, self.client.execute(ready)).await {
            Err(_) => Err(Failure::Timeout),
            Ok(Err(error)) => Err(failure::explain(&error.without_url())),
            Ok(Ok(response)) => Ok(read(response, deadline).await),
        }
    }

    fn prepare(&self, request: &Request) -> Result<reqwest::Request, Failure> {
        if !matches!(request.url.scheme(), "http" | "https") {
            return Err(Failure::Unsendable("the URL is neither http nor https".into()));
        }
        self.client
            .request(request.method.clone(), request.url.clone())
            .headers(header_map(request)?)
            .body(request.body.clone())
            .build()
            .map_err(|error| Failure::Unsendable(format!("the request cannot be sent: {}", error.without_url())))
    }
}

impl Answer {
    /// The start of the body as text that can be stored: at most [`EXCERPT_LIMIT`] bytes, without NUL.
    pub fn excerpt(&self) -> String {
        text::excerpt(&self.body, EXCERPT_LIMIT)
    }
}

fn client(guard: &Guard) -> ClientBuilder {
    Client::builder()
        .dns_resolver(guard.clone())
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST)
        .http2_initial_stream_window_size(2 * 65_536)
        .http2_initial_connection_window_size(16 * 65_536)
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING)
}

pub fn bundled_roots() -> Vec<Certificate> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .collect()
}

/// The partner's headers first, so that ours replace any that slipped through.
pub(super) fn header_map(request: &Request) -> Result<HeaderMap, Failure> {
    let mut map = HeaderMap::new();
    map.insert(CONTENT_TYPE, HeaderValue::from_static(request.content_type));
    let mut own = HeaderMap::new();
    for (name, value) in &request.headers {
        if name == LEAD_ID {
            own.insert(HeaderName::from_static(LEAD_ID), ours(value)?);
        } else if let Ok((name, value)) = headers::parse(name, value) {
            own.append(name, value);
        }
    }
    map.extend(own);
    let sent_at = request.sent_at.timestamp();
    map.insert("webhook-id", ours(&request.id)?);
    map.insert("idempotency-key", ours(&request.id)?);
    map.insert("leadmesh-lead-id", ours(&request.lead)?);
    map.insert("webhook-timestamp", HeaderValue::from(sent_at));
    if !request.secrets.is_empty() {
        let signature = signing::signature(&request.secrets, &request.id, sent_at, &request.body);
        map.insert("webhook-signature", ours(&signature)?);
    }
    if request.test {
        map.insert(
            HeaderName::from_static("leadmesh-test"),
            HeaderValue::from_static("true"),
        );
    }
    Ok(map)
}

fn ours(value: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(value)
        .ok()
        .ok_or_else(|| Failure::Unsendable("the delivery's ID is no header value".into()))
}

async fn read(mut response: Response, deadline: Instant) -> Answer {
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let mut body = Vec::new();
    let end = loop {
        match timeout_at(deadline, response.chunk()).await {
            Err(_) => break BodyEnd::TimedOut,
            Ok(Err(_)) => break BodyEnd::Broken,
            Ok(Ok(None)) => break BodyEnd::Complete,
            Ok(Ok(Some(chunk))) => {
                let room = BODY_LIMIT.saturating_sub(body.len());
                body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
                if chunk.len() > room {
                    break BodyEnd::Capped;
                }
            }
        }
        // A stream that always has something ready, if only empty frames, never lets the timer above be asked.
        if Instant::now() >= deadline {
            break BodyEnd::TimedOut;
        }
    };
    Answer {
        status,
        retry_after,
        body,
        end,
    }
}
