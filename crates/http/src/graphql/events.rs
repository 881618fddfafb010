//! Server-sent events (HTML standard, section 9.2) by the GraphQL over Server-Sent Events protocol in its mode of
//! distinct connections: one request, one operation, whose results are `next` events and whose end is `complete`. For
//! clients that cannot open a WebSocket.
//!
//! A slow reader is not polled for, as with a socket. If the result has one root field with a `cursor`, that is the
//! event's id; a client that reconnects with `Last-Event-ID` continues after it.

use std::sync::Arc;

use async_graphql::{Executor, Response as Outcome, ServerError, Value, parser::types::OperationType};
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, StatusCode, header, request::Parts};
use axum::response::Response;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::accept::Media;
use super::execute::Prepared;
use super::read::Parameters;
use super::respond::{self, Rejection, request_error};
use super::{Endpoint, request_id};
use crate::quota::Permit;
use crate::request_id::RequestId;
use crate::session::{Authenticate, Session};
use leadmesh_graphql::mask::{self, code};

/// The header with the last event that the client received.
const LAST: &str = "last-event-id";

/// Answers a request with events. An error of the request itself or of the caller is a status; an error of the
/// operation is an event.
pub(super) async fn answer<E: Executor, A: Authenticate>(
    endpoint: Arc<Endpoint<E, A>>,
    parts: Parts,
    parameters: Parameters,
    media: Media,
) -> Result<Response, Response> {
    let session = endpoint.session_or_count(&parts, &parameters, media, true).await?;
    let permit =
        hold(&endpoint, &session).map_err(|error| request_error(StatusCode::TOO_MANY_REQUESTS, &error, media))?;
    let id = request_id(&parts);
    let (kind, responses) = match endpoint.prepare(parameters, &session).await {
        Ok(prepared) if prepared.kind == OperationType::Mutation && parts.method == Method::GET => {
            return Err(Rejection::method("POST", "GET is for queries; send mutations with POST.").respond(media));
        }
        Ok(prepared) => (prepared.kind.to_string(), run(&endpoint, resumed(prepared, &parts), id)),
        Err(errors) => ("refused".to_owned(), one(Outcome::from_errors(errors))),
    };
    endpoint.metrics.request(&kind, StatusCode::OK.as_u16());
    let allowance = session.allowance.clone();
    let mut pings = interval(endpoint.sockets.ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stream = EventStream {
        responses,
        expiry: session.expires_at,
        session,
        shutdown: endpoint.shutdown.clone(),
        pings,
        over: false,
        _open: endpoint.open_sockets.token(),
        _permit: permit,
    };
    let events = stream::unfold(stream, |mut stream| async move {
        let text = stream.next().await?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), stream))
    });
    let mut response = Response::new(Body::from_stream(events));
    if let Some(allowance) = &allowance {
        respond::set_rate_limit_headers(&mut response, allowance);
    }
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::VARY, "accept, authorization"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// The caller's permits: one connection, one stream.
fn hold<E, A>(endpoint: &Endpoint<E, A>, session: &Session) -> Result<[Option<Permit>; 2], ServerError> {
    let connection = session.hold_connection(&endpoint.quotas)?;
    let stream = session.hold_stream(&endpoint.quotas)?;
    Ok([connection, stream])
}

fn resumed(prepared: Prepared, parts: &Parts) -> Prepared {
    match parts.headers.get(LAST).and_then(|value| value.to_str().ok()) {
        Some(cursor) if !cursor.is_empty() => prepared.resume_after(cursor),
        _ => prepared,
    }
}

fn run<E: Executor, A: Authenticate>(
    endpoint: &Arc<Endpoint<E, A>>,
    prepared: Prepared,
    id: RequestId,
) -> BoxStream<'static, Outcome> {
    if prepared.kind == OperationType::Subscription {
        return endpoint.stream(prepared, id);
    }
    let endpoint = endpoint.clone();
    async move { endpoint.run(prepared, &id).await }.into_stream().boxed()
}

fn one(response: Outcome) -> BoxStream<'static, Outcome> {
    stream::iter([response]).boxed()
}

/// The event stream of one client.
struct EventStream {
    responses: BoxStream<'static, Outcome>,
    session: Session,
    expiry: Option<Instant>,
    shutdown: CancellationToken,
    pings: Interval,
    over: bool,
    _open: TaskTrackerToken,
    _permit: [Option<Permit>; 2],
}

impl EventStream {
    async fn next(&mut self) -> Option<String> {
        if self.over {
            return None;
        }
        let expired = async {
            match self.expiry {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let last = tokio::select! {
            biased;
            () = self.session.revoked.cancelled() => refused("access was revoked"),
            () = expired => refused("the token has expired"),
            // Without `complete`, so that the client reconnects and continues.
            () = self.shutdown.cancelled() => return None,
            response = self.responses.next() => match response {
                Some(response) => return Some(next(&response)),
                None => complete(),
            },
            _ = self.pings.tick() => return Some(":\n\n".to_owned()),
        };
        self.over = true;
        Some(last)
    }
}

fn refused(why: &'static str) -> String {
    let error = mask::coded(code::UNAUTHENTICATED, why, None);
    next(&Outcome::from_errors(vec![error])) + &complete()
}

fn complete() -> String {
    "event: complete\ndata:\n\n".to_owned()
}

fn next(response: &Outcome) -> String {
    // JSON has no line breaks outside of texts, where they are escaped.
    let data = respond::written(response);
    let data = String::from_utf8_lossy(&data);
    match cursor(&response.data) {
        Some(cursor) => format!("id: {cursor}\nevent: next\ndata: {data}\n\n"),
        None => format!("event: next\ndata: {data}\n\n"),
    }
}

/// The cursor of the only root field, if it was selected without an alias.
fn cursor(data: &Value) -> Option<&str> {
    let Value::Object(fields) = data else { return None };
    let (Some(Value::Object(event)), 1) = (fields.values().next(), fields.len()) else {
        return None;
    };
    match event.get("cursor") {
        Some(Value::String(cursor)) if !cursor.contains(['\n', '\r', '\0']) => Some(cursor),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    #[test]
    fn an_event_has_its_cursor_as_id_and_its_result_on_one_line() {
        let event = next(&Outcome::new(value!({"leads": {"cursor": "42", "name": "a\nb"}})));
        assert_eq!(
            event,
            "id: 42\nevent: next\ndata: {\"data\":{\"leads\":{\"cursor\":\"42\",\"name\":\"a\\nb\"}}}\n\n"
        );
        let event = next(&Outcome::new(value!({"count": 1})));
        assert_eq!(event, "event: next\ndata: {\"data\":{\"count\":1}}\n\n");
    }

    #[test]
    fn only_the_cursor_of_an_only_field_is_an_id() {
        assert_eq!(
            cursor(&value!({"leads": {"cursor": "1"}, "more": {"cursor": "2"}})),
            None
        );
        assert_eq!(cursor(&value!({"leads": {"cursor": "1\nevent: x"}})), None);
        assert_eq!(cursor(&value!({"leads": {"cursor": 1}})), None);
        assert_eq!(cursor(&Value::Null), None);
    }
}
