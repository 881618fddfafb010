//! What the transport hands to authentication, and what it gets back.

use std::{net::SocketAddr, sync::Arc};

use async_graphql::{Data, ServerError, Variables};
use axum::http::{HeaderMap, header};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::quota::{OpenLimits, Permit, Quota};
use leadmesh_core::error::Error;
use leadmesh_graphql::limits::rate::Allowance;
use leadmesh_graphql::mask::{self, code};

/// A request, or the initialisation of a socket, before authentication.
#[derive(Debug, Clone, Copy)]
pub struct AuthRequest<'a> {
    /// The bearer token: from the `Authorization` header, or from a socket's `connection_init`, which wins.
    pub token: Option<&'a str>,
    /// The headers of the request, or of the upgrade of a socket.
    pub headers: &'a HeaderMap,
    /// The address at the other end of the connection (a proxy's, if there is one); unknown only in tests without one.
    pub peer: Option<SocketAddr>,
    /// Whether it is a socket or an event stream, which stays open.
    pub socket: bool,
}

/// What a caller may do, for one request or for the life of a socket.
#[derive(Clone)]
pub struct Session {
    /// Makes the data of one operation: the actor, and data loaders of its own.
    pub data: Arc<dyn Fn() -> Data + Send + Sync>,
    /// Whether `__schema` and `__type` are answered.
    pub introspection: bool,
    /// When the right to use a socket expires.
    pub expires_at: Option<Instant>,
    /// Cancelled when the right is lost before that, which ends the socket, and when the session is over.
    pub revoked: CancellationToken,
    /// The account, or the network address of an anonymous caller: writes are counted by it.
    pub owner: Option<Uuid>,
    /// Counts what the caller holds open; none for a single request.
    pub quota: Option<Arc<Quota>>,
    /// Whether the quota is that of an address, for all callers without a token there.
    pub is_anonymous: bool,
    /// Rate limits of the caller's operations.
    pub allowance: Option<Allowance>,
    /// Ends the watching of the right with the last copy of the session.
    _over: Arc<DropGuard>,
}

impl Session {
    /// A session that does not expire and may introspect.
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

    /// A permit for a socket or an event stream; none needed without a quota.
    pub(super) fn hold_connection(&self, limits: &OpenLimits) -> Result<Option<Permit>, ServerError> {
        let limit = if self.is_anonymous {
            limits.of_address
        } else {
            limits.of_caller
        };
        let permit = |quota: &Arc<Quota>| {
            quota
                .connection(limit)
                .ok_or_else(|| too_many(limit, "sockets and event streams"))
        };
        self.quota.as_ref().map(permit).transpose()
    }

    /// A permit for a subscription; none needed without a quota.
    pub(super) fn hold_stream(&self, limits: &OpenLimits) -> Result<Option<Permit>, ServerError> {
        let limit = if self.is_anonymous {
            limits.of_address
        } else {
            limits.streams_of_caller
        };
        let permit = |quota: &Arc<Quota>| quota.stream(limit).ok_or_else(|| too_many(limit, "subscriptions"));
        self.quota.as_ref().map(permit).transpose()
    }
}

fn too_many(limit: usize, what: &str) -> ServerError {
    let message = format!("One caller has at most {limit} {what} open at the same time; close some of them.");
    mask::coded(code::RATE_LIMITED, message, None)
}

/// Turns credentials into a session. A caller without a token gets an anonymous session: resolvers decide what it may
/// do.
pub trait Authenticate: Send + Sync + 'static {
    /// The session of `caller`; an error refuses the request (401, 403, 429, 503) or the socket (4403, 1013).
    fn authenticate(&self, caller: AuthRequest<'_>) -> impl Future<Output = Result<Session, Error>> + Send;

    /// Records the target of a request with wrong credentials.
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
