//! GraphQL over HTTP, by the draft of that name, and the upgrade to a WebSocket at the same address.
//!
//! The library's executor runs the operations. The transport is written here, because the library's own transports
//! parse bodies of any type, run mutations for GET, answer every error with 200 and cannot be bounded.

mod accept;
mod events;
mod execute;
mod read;
mod respond;
mod socket;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_graphql::{Executor, parser::types::OperationType};
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, FromRequestParts, State, WebSocketUpgrade},
    http::{Method, Request, StatusCode, header, request::Parts},
    middleware,
    response::{IntoResponse, Redirect, Response},
    routing::any,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::read::Parameters;
pub use self::socket::is_socket_message;
use self::{
    accept::Media,
    respond::{Rejection, request_error, status_of},
};
use super::{
    quota::OpenLimits,
    request_id::{self, RequestId},
    session::{AuthRequest, Authenticate, Session, bearer},
    websocket::SocketLimits,
};
use leadmesh_core::metrics::Metrics;
use leadmesh_core::writes::Writes;
use leadmesh_graphql::limits::{Documents, Limits};
use leadmesh_graphql::mask::{self, code};
use leadmesh_graphql::registry::Registry;

/// Time limits of a request.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// For receiving the body.
    pub body: Duration,
    /// For executing a query or mutation.
    pub execution: Duration,
}

/// A GraphQL endpoint: the schema, the authentication and the limits.
#[derive(Debug)]
pub struct Endpoint<E, A> {
    /// The schema.
    pub executor: E,
    /// Authenticates callers.
    pub authenticate: A,
    /// Checked documents, and the limits for them.
    pub documents: Documents,
    /// Bytes of a request body.
    pub body_limit: usize,
    /// Time limits of a request.
    pub timeouts: Timeouts,
    /// Limits of a socket.
    pub sockets: SocketLimits,
    /// Limits of open sockets and streams.
    pub quotas: OpenLimits,
    /// Open sockets and event streams. Wait for them after `shutdown`.
    pub open_sockets: TaskTracker,
    /// Cancelled when the process shuts down; closes the sockets.
    pub shutdown: CancellationToken,
    /// Counts requests.
    pub metrics: Metrics,
    /// Runs mutations to their end even if their request ends. Wait for them after `shutdown`.
    pub writes: Writes,
}

impl<E: Executor, A: Authenticate> Endpoint<E, A> {
    /// An endpoint with the limits of production: 1 MiB bodies (500 leads), 15 s to send one, 30 s to execute.
    pub fn new(executor: E, registry: Arc<Registry>, authenticate: A) -> Self {
        Self {
            executor,
            authenticate,
            documents: Documents::new(Limits::default(), registry),
            body_limit: 1024 * 1024,
            timeouts: Timeouts {
                body: Duration::from_secs(15),
                execution: Duration::from_secs(30),
            },
            sockets: SocketLimits::default(),
            quotas: OpenLimits::default(),
            open_sockets: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            metrics: Metrics::default(),
            writes: Writes::default(),
        }
    }

    /// Serves this endpoint at `/graphql`: POST, GET and WebSocket.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/graphql", any(serve::<E, A>))
            .layer(middleware::from_fn(request_id::assign))
            .with_state(self)
    }

    /// Authenticates a request. `stays` means that it is an event stream.
    async fn session(&self, parts: &Parts, media: Media, stays: bool) -> Result<Session, Response> {
        let Ok(token) = bearer(&parts.headers) else {
            let message = "The Authorization header must be \"Bearer\" and a token.";
            let error = mask::coded(code::UNAUTHENTICATED, message, None);
            return Err(request_error(StatusCode::UNAUTHORIZED, &error, media));
        };
        let caller = AuthRequest {
            token,
            headers: &parts.headers,
            peer: peer(parts),
            socket: stays,
        };
        let authentication = self.authenticate.authenticate(caller);
        let limit = self.timeouts.execution;
        let refused = match tokio::time::timeout(limit, authentication).await {
            Ok(Ok(session)) => return Ok(session),
            Ok(Err(error)) => mask::refused(error, request_id(parts).as_str()),
            Err(_elapsed) => execute::timed_out(limit),
        };
        let status = status_of(mask::code_of(&refused).unwrap_or(code::INTERNAL));
        Err(request_error(status, &refused, media))
    }

    /// The refusal of another socket or event stream, if the limit is reached.
    fn is_full(&self) -> Option<Rejection> {
        let message = "No more sockets or event streams can be opened here now; try again later.";
        (self.open_sockets.len() >= self.quotas.all)
            .then(|| Rejection::new(StatusCode::SERVICE_UNAVAILABLE, code::UNAVAILABLE, message))
    }

    /// Whether the request is a valid subscription.
    async fn subscribes(&self, parameters: &Parameters) -> bool {
        let Ok(document) = self.documents.check(&parameters.query).await else {
            return false;
        };
        let operation = document.operation(parameters.operation());
        operation.is_ok_and(|operation| operation.kind == OperationType::Subscription)
    }

    /// Authenticates a request. Refused credentials count against the flow that the request would have submitted to.
    async fn session_or_count(
        &self,
        parts: &Parts,
        parameters: &Parameters,
        media: Media,
        stays: bool,
    ) -> Result<Session, Response> {
        self.session(parts, media, stays).await.inspect_err(|refusal| {
            if refusal.status() == StatusCode::UNAUTHORIZED {
                self.authenticate.refused(&parameters.variables);
            }
        })
    }

    async fn answer(&self, parts: Parts, parameters: Parameters, media: Media) -> Result<Response, Response> {
        let session = self.session_or_count(&parts, &parameters, media, false).await?;
        let mut answer = self.answer_to(&session, parts, parameters, media).await;
        if let Some(allowance) = &session.allowance {
            let (Ok(response) | Err(response)) = &mut answer;
            respond::set_rate_limit_headers(response, allowance);
        }
        answer
    }

    async fn answer_to(
        &self,
        session: &Session,
        parts: Parts,
        parameters: Parameters,
        media: Media,
    ) -> Result<Response, Response> {
        let prepared = self.prepare(parameters, session).await;
        let prepared = prepared.map_err(|errors| respond::refused(&errors, media))?;
        match prepared.kind {
            OperationType::Mutation if parts.method == Method::GET => {
                return Err(Rejection::method("POST", "GET is for queries; send mutations with POST.").respond(media));
            }
            OperationType::Subscription => {
                let message = "Subscriptions run over WebSocket at this address, with the protocol graphql-transport-ws, or as \
                               server-sent events: accept text/event-stream.";
                return Err(respond::refused(&[mask::coded(code::BAD_INPUT, message, None)], media));
            }
            _ => {}
        }
        let kind = prepared.kind.to_string();
        let response = self.run(prepared, &request_id(&parts)).await;
        if mask::is_request_error(&response) {
            return Err(respond::refused(&response.errors, media));
        }
        let answer = respond::executed(&response, media);
        self.metrics.request(&kind, answer.status().as_u16());
        Ok(answer)
    }
}

async fn serve<E: Executor, A: Authenticate>(
    State(endpoint): State<Arc<Endpoint<E, A>>>,
    request: Request<Body>,
) -> Response {
    let (mut parts, body) = request.into_parts();
    if is_upgrade(&parts) {
        if let Some(full) = endpoint.is_full() {
            return full.respond(Media::Json);
        }
        return match WebSocketUpgrade::from_request_parts(&mut parts, &endpoint).await {
            Ok(upgrade) => socket::accept(&endpoint, upgrade, parts),
            Err(rejection) => {
                Rejection::new(rejection.status(), code::BAD_INPUT, rejection.body_text()).respond(Media::Json)
            }
        };
    }
    if is_page_visit(&parts) {
        return Redirect::to("/").into_response();
    }
    let takes_events = accept::takes_events(&parts.headers);
    let negotiated = accept::negotiate(&parts.headers);
    let Some(media) = negotiated.or(takes_events.then_some(Media::GraphQl)) else {
        let message =
            "Answers are application/json, application/graphql-response+json or text/event-stream; accept one.";
        return Rejection::new(StatusCode::NOT_ACCEPTABLE, code::BAD_INPUT, message).respond(Media::Json);
    };
    let metrics = endpoint.metrics.clone();
    let answer = match read(&endpoint, &parts, body).await {
        Ok(parameters) if takes_events && (negotiated.is_none() || endpoint.subscribes(&parameters).await) => {
            match endpoint.is_full() {
                Some(full) => Err(full.respond(media)),
                None => events::answer(endpoint, parts, parameters, media).await,
            }
        }
        Ok(parameters) => endpoint.answer(parts, parameters, media).await,
        Err(fault) => Err(fault.respond(media)),
    };
    answer.unwrap_or_else(|refusal| {
        metrics.request("refused", refusal.status().as_u16());
        refusal
    })
}

async fn read<E, A>(endpoint: &Endpoint<E, A>, parts: &Parts, body: Body) -> Result<Parameters, Rejection> {
    match parts.method {
        Method::POST => {
            read::is_json(&parts.headers)?;
            let body = read::body(&parts.headers, body, endpoint.body_limit, endpoint.timeouts.body).await?;
            read::post(&body)
        }
        Method::GET => read::get(parts.uri.query().unwrap_or_default())?
            .ok_or_else(|| Rejection::bad("The URL has no parameter \"query\".")),
        _ => Err(Rejection::method("GET, POST", "GraphQL is served to GET and POST.")),
    }
}

/// A browser that opened this address; the page for people is at the root.
fn is_page_visit(parts: &Parts) -> bool {
    let has_query = || matches!(read::get(parts.uri.query().unwrap_or_default()), Ok(None));
    parts.method == Method::GET && accept::wants_html(&parts.headers) && has_query()
}

fn is_upgrade(parts: &Parts) -> bool {
    let upgrade = parts.headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

pub(super) fn peer(parts: &Parts) -> Option<SocketAddr> {
    parts.extensions.get().map(|ConnectInfo(peer)| *peer)
}

pub(super) fn request_id(parts: &Parts) -> RequestId {
    parts.extensions.get().cloned().unwrap_or_default()
}
