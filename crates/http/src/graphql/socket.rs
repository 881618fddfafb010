//! The sockets of an endpoint: who may open one, and what its operations answer.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::{Executor, Response, ServerError, Value, parser::types::OperationType};
use axum::extract::WebSocketUpgrade;
use axum::http::request::Parts;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use serde_json::{Map, Value as Json};

use super::{Endpoint, Parameters, peer, request_id};
use crate::quota::Permit;
use crate::request_id::RequestId;
use crate::session::{AuthRequest, Authenticate, NotBearer, Session, bearer, bearer_token};
use crate::websocket::{self, Close, Event, Handler};
use leadmesh_core::error::Error;
use leadmesh_forms::lenient_json::repair;
use leadmesh_graphql::limits::answer::{self, WriteError};
use leadmesh_graphql::limits::budget::Spending;
use leadmesh_graphql::mask::{self, code};

/// Brackets around the values of variables: those of the message, of its payload and of `variables`.
const VALUES: usize = 3;

/// Whether a text is a message that a client may send. Public for the fuzzer.
pub fn is_socket_message(text: &str) -> bool {
    websocket::is_message::<Parameters>(text, prepare)
}

fn prepare(text: &[u8]) -> Cow<'_, [u8]> {
    repair(text, VALUES)
}

/// Accepts a socket.
pub(super) fn accept<E: Executor, A: Authenticate>(
    endpoint: &Arc<Endpoint<E, A>>,
    upgrade: WebSocketUpgrade,
    parts: Parts,
) -> axum::response::Response {
    let connecting = endpoint.clone();
    let handler = Handler {
        limits: endpoint.sockets.clone(),
        shutdown: endpoint.shutdown.clone(),
        seat: endpoint.open_sockets.len(),
        prepare,
        connect: Box::new(move |payload| connect(connecting, parts, payload).boxed()),
    };
    websocket::accept(upgrade, handler, endpoint.open_sockets.token())
}

async fn connect<E: Executor, A: Authenticate>(
    endpoint: Arc<Endpoint<E, A>>,
    parts: Parts,
    payload: Map<String, Json>,
) -> Result<websocket::Session<Parameters>, Close> {
    let id = request_id(&parts);
    let token = match token(&payload)? {
        Some(token) => Some(token),
        None => bearer(&parts.headers).map_err(|NotBearer| not_bearer())?,
    };
    let request = AuthRequest {
        token,
        headers: &parts.headers,
        peer: peer(&parts),
        socket: true,
    };
    let session = endpoint.authenticate.authenticate(request).await;
    let session = Arc::new(session.map_err(|error| rejection(error, &id))?);
    let permit = session.hold_connection(&endpoint.quotas);
    let permit = permit.map_err(|error| Close::new(1013, format!("Try again later: {}", error.message)))?;
    let socket = Socket {
        endpoint,
        session: session.clone(),
        id,
        _permit: permit,
    };
    Ok(websocket::Session {
        expires_at: session.expires_at,
        revoked: session.revoked.clone(),
        subscribe: Box::new(move |parameters| events(&socket, parameters)),
    })
}

/// An open socket. Its end releases the permit.
struct Socket<E, A> {
    endpoint: Arc<Endpoint<E, A>>,
    session: Arc<Session>,
    id: RequestId,
    _permit: Option<Permit>,
}

/// The bearer token in the payload of `connection_init`, where browsers put what they cannot put into headers; `Err`
/// if there is an authorization that is no bearer token.
fn token(payload: &Map<String, Json>) -> Result<Option<&str>, Close> {
    fn entry<'a>(map: &'a Map<String, Json>, wanted: &str) -> Option<&'a Json> {
        map.iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
    }
    let headers = entry(payload, "headers").and_then(Json::as_object);
    let authorization = entry(payload, "authorization");
    match authorization.or_else(|| entry(headers?, "authorization")) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => value.as_str().and_then(bearer_token).map(Some).ok_or_else(not_bearer),
    }
}

fn not_bearer() -> Close {
    Close::new(4403, "Forbidden: authorization must be \"Bearer\" and a token")
}

/// The close frame for a client that may not connect, or not now.
fn rejection(error: Error, id: &RequestId) -> Close {
    let refused = mask::refused(error, id.as_str());
    match mask::code_of(&refused) {
        Some(code::UNAUTHENTICATED | code::FORBIDDEN) => Close::new(4403, format!("Forbidden: {}", refused.message)),
        _ => Close::new(1013, format!("Try again later: {}", refused.message)),
    }
}

/// Runs an operation, from its checks to its end.
fn events<E: Executor, A: Authenticate>(socket: &Socket<E, A>, parameters: Parameters) -> BoxStream<'static, Event> {
    let (endpoint, session, id) = (socket.endpoint.clone(), socket.session.clone(), socket.id.clone());
    let begin: BoxFuture<'static, BoxStream<'static, Event>> = Box::pin(async move {
        let prepared = match endpoint.prepare(parameters, &session).await {
            Ok(prepared) => prepared,
            Err(errors) => return listed([refusal(&errors)]),
        };
        if prepared.kind == OperationType::Subscription {
            return match session.hold_stream(&endpoint.quotas) {
                Ok(permit) => subscription(holding(endpoint.stream(prepared, id), permit))
                    .flatten_stream()
                    .boxed(),
                Err(error) => listed([refusal(&[error])]),
            };
        }
        let response = endpoint.run(prepared, &id).await;
        if mask::is_request_error(&response) {
            return listed([refusal(&response.errors)]);
        }
        listed([result(&response), Event::Complete])
    });
    // In a box of its own, which is freed when the operation has begun.
    begin.flatten_stream().boxed()
}

fn listed<const N: usize>(events: [Event; N]) -> BoxStream<'static, Event> {
    stream::iter(events).boxed()
}

/// A stream that holds its permit until it ends.
fn holding(responses: BoxStream<'static, Response>, permit: Option<Permit>) -> BoxStream<'static, Response> {
    let held = stream::unfold((responses, permit), |(mut responses, permit)| async move {
        Some((responses.next().await?, (responses, permit)))
    });
    held.boxed()
}

/// The events of a subscription. A stream that answers nothing but errors and ends immediately was never started: the
/// library reports a refused subscription as if it were an event.
async fn subscription(mut responses: BoxStream<'static, Response>) -> BoxStream<'static, Event> {
    let Some(first) = responses.next().await else {
        return listed([Event::Complete]);
    };
    let mut begin = vec![first];
    if begin.iter().all(|first| first.data == Value::Null) {
        match responses.next().now_or_never() {
            Some(None) => {
                let errors: Vec<ServerError> = begin.into_iter().flat_map(|first| first.errors).collect();
                return listed([refusal(&errors)]);
            }
            Some(Some(second)) => begin.push(second),
            None => {}
        }
    }
    let end = stream::once(async { Event::Complete });
    let results = stream::iter(begin).chain(responses).map(|response| result(&response));
    results.chain(end).boxed()
}

fn refusal(errors: &[ServerError]) -> Event {
    Event::Error(json(&errors))
}

/// A result, or the error that it is larger than answers may be.
fn result(response: &Response) -> Event {
    let text = match answer::json(response, Spending::default().bytes) {
        Ok(written) => String::from_utf8(written).unwrap_or_default(),
        Err(WriteError::TooLarge(error)) => json(&Response::from_errors(vec![mask::refused(error, "")])),
        Err(WriteError::NotJson(_)) => json(response),
    };
    Event::Next(text)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        tracing::error!(%error, "a result cannot be written as JSON");
        "null".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token_in(payload: &Json) -> Result<Option<String>, Close> {
        token(payload.as_object().unwrap()).map(|token| token.map(str::to_owned))
    }

    #[test]
    fn the_token_may_be_in_several_places() {
        let found = Ok(Some("t".to_owned()));
        assert_eq!(token_in(&json!({"authorization": "Bearer t"})), found);
        assert_eq!(token_in(&json!({"Authorization": "bearer t"})), found);
        assert_eq!(token_in(&json!({"headers": {"Authorization": "Bearer t"}})), found);
        assert_eq!(token_in(&json!({"other": 1})), Ok(None));
        assert!(token_in(&json!({"authorization": "t"})).is_err());
        assert!(token_in(&json!({"authorization": 1})).is_err());
    }

    #[test]
    fn the_variables_of_a_message_are_an_object() {
        let subscribe = |variables: &str| {
            format!(r#"{{"type":"subscribe","id":"1","payload":{{"query":"{{a}}","variables":{variables}}}}}"#)
        };
        assert!(is_socket_message(&subscribe("{}")));
        assert!(!is_socket_message(&subscribe("[]")));
    }
}
