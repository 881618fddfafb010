//! Who is asking: what the transport hands to authentication, and what it gets back.

use std::{net::SocketAddr, sync::Arc};

use async_graphql::{Data, ServerError, Variables};
use axum::http::{HeaderMap, header};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::quota::{Permit, Quota};
use super::websocket::SocketLimits;
use leadmesh_core::error::Error;
use leadmesh_graphql::limits::rate::Allowance;
use leadmesh_graphql::mask::{self, code};

/// A request, or a socket that introduces itself, before anybody knows whose it is.
#[derive(Debug, Clone, Copy)]
pub struct AuthRequest<'a> {
    /// The bearer token: from the `Authorization` header, or from a socket's `connection_init`, which wins.
    pub token: Option<&'a str>,
    /// The headers of the request, or of the upgrade of a socket.
    pub headers: &'a HeaderMap,
    /// The address at the other end of the connection (a proxy's, if there is one); unknown only in tests without one.
    pub peer: Option<SocketAddr>,
    /// Whether this is a socket, which will stay.
    pub socket: bool,
}

/// What a caller may do, for one request or for the life of a socket.
#[derive(Clone)]
pub struct Session {
    /// Makes the data of one operation: the actor, and data loaders of its own.
    pub data: Arc<dyn Fn() -> Data + Send + Sync>,
    /// Whether `__schema` and `__type` are answered.
    pub introspection: bool,
    /// When the right to use a socket ends by itself.
    pub expires_at: Option<Instant>,
    /// Cancelled when the right is lost before that; ends the socket. Cancelled as well when the session is over.
    pub revoked: CancellationToken,
    /// The account that asks, or what stands for who asks without one: writes are counted by it.
    pub owner: Option<Uuid>,
    /// What the caller holds open; nobody's is counted.
    pub quota: Option<Arc<Quota>>,
    /// Whether the quota is that of an address, for all who show no token there.
    pub is_anonymous: bool,
    /// What the caller's operations draw on; nobody's are free.
    pub allowance: Option<Allowance>,
    /// Whoever watches the right stops with the last copy of the session.
    _over: Arc<DropGuard>,
}

impl Session {
    /// A session that does not end by itself and may introspect.
    pub fn new(data: impl Fn() -> Data + Send + Sync + 'static) -> Self {
        let revoked = CancellationToken::new();
        Self {
            data: Arc::new(data),
            introspection: true,
            expires_at: None,
            owner: None,
            quota: None,
            is_anonymous: false,
            allowance: None,
            _over: Arc::new(revoked.clone().drop_guard()),
            revoked,
        }
    }

    /// A place for a socket or a stream of server-sent events.
    pub(super) fn hold_connection(&self, limits: &SocketLimits) -> Result<Option<Permit>, ServerError> {
        let most = if self.is_anonymous {
            limits.of_address
        } else {
            limits.of_caller
        };
        let permit = self.quota.as_ref().map(|quota| quota.connection(most));
        permit
            .map(|permit| permit.ok_or_else(|| too_many(most, "sockets and event streams")))
            .transpose()
    }

    /// A place for a subscription.
    pub(super) fn hold_stream(&self, limits: &SocketLimits) -> Result<Option<Permit>, ServerError> {
        let most = if self.is_anonymous {
            limits.of_address
        } else {
            limits.streams_of_caller
        };
        let permit = self.quota.as_ref().map(|quota| quota.stream(most));
        permit
            .map(|permit| permit.ok_or_else(|| too_many(most, "subscriptions")))
            .transpose()
    }
}

fn too_many(most: usize, what: &str) -> ServerError {
    let message = format!("One caller has at most {most} {what} open at the same time; close some of them.");
    mask::coded(code::RATE_LIMITED, message, None)
}

/// Turns credentials into a session. A caller without a token is not refused here unless nothing is public: resolvers
/// decide what an anonymous caller may do.
pub trait Authenticate: Send + Sync + 'static {
    /// The session of `caller`; an error refuses the request (401, 403, 429, 503) or the socket (4403, 1013).
    fn authenticate(&self, caller: AuthRequest<'_>) -> impl Future<Output = Result<Session, Error>> + Send;

    /// Notes what a request with wrong credentials was about.
    fn refused(&self, _variables: &Variables) {}
}

/// The bearer token of an `Authorization` header; `Err` if there is one that is no bearer token.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, NotBearer> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    value.to_str().ok().and_then(bearer_token).map(Some).ok_or(NotBearer)
}

/// What follows `Bearer ` (RFC 6750, section 2.1), in any case.
pub(super) fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The `Authorization` header holds something else.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotBearer;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_over_is_watched_no_more() {
        let session = Session::new(Data::default);
        let (copy, watched) = (session.clone(), session.revoked.clone());
        drop(session);
        assert!(!watched.is_cancelled());
        drop(copy);
        assert!(watched.is_cancelled());
    }

    #[test]
    fn a_bearer_token_is_what_follows_the_scheme() {
        assert_eq!(bearer_token("Bearer abc"), Some("abc"));
        assert_eq!(bearer_token("bearer  abc "), Some("abc"));
        assert_eq!(bearer_token("Basic abc"), None);
        assert_eq!(bearer_token("Bearer "), None);
        assert_eq!(bearer_token("Bearer"), None);
    }

    #[test]
    fn no_header_is_no_error_and_another_scheme_is_one() {
        let mut headers = HeaderMap::new();
        assert_eq!(bearer(&headers), Ok(None));
        headers.insert(header::AUTHORIZATION, "Basic abc".parse().unwrap());
        assert_eq!(bearer(&headers), Err(NotBearer));
    }
}
