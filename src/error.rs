//! The one error of the use cases. What a client sees of it is decided at the edge.

use std::fmt;

use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// The kind of a broken business rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
pub enum UserErrorCode {
    /// The value is not of the expected form.
    Invalid,
    /// A value is missing.
    Required,
    /// The value is longer than the limit that the message names.
    TooLong,
    /// Somebody else has it already.
    Taken,
    /// There is no such thing, or it is not yours.
    NotFound,
    /// It contradicts what is already there.
    Conflict,
    /// Its time has passed.
    Expired,
    /// The account's plan does not include it.
    PlanRequired,
    /// Something else has to be set up first; the message says what.
    NotConfigured,
    /// A documented limit is reached.
    LimitReached,
    /// An account cannot invite itself.
    SelfInvite,
    /// The two accounts are connected already.
    AlreadyConnected,
    /// The two accounts are not connected.
    NotConnected,
    /// The relationship does not allow leads in this direction.
    DirectionNotAgreed,
    /// The invitation was answered, cancelled or used already.
    InvitationClosed,
    /// The invitation was sent to another address.
    EmailMismatch,
    /// The flow has no field of this name.
    UnknownField,
    /// The rule cannot be used as it is.
    InvalidRule,
    /// The template cannot be used as it is.
    InvalidTemplate,
    /// The template names a field that the selection leaves out.
    FieldNotShared,
    /// The address is private, loopback or otherwise forbidden.
    DestinationBlocked,
    /// Plain http needs `allowInsecureHttp`.
    InsecureUrl,
    /// It is still used elsewhere.
    InUse,
    /// Somebody else changed it since: read it again.
    StaleVersion,
}

/// A rule of the business that an input broke; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which rule.
    pub code: UserErrorCode,
    /// What to do, for people.
    pub message: String,
    /// Where in the input, from the outside in.
    pub path: Vec<String>,
}

impl Broken {
    /// A broken rule at one place of the input, named by dots: `input.recipients.0`.
    pub fn new(code: UserErrorCode, path: &str, message: impl Into<String>) -> Self {
        let path = path
            .split('.')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        Self {
            code,
            message: message.into(),
            path,
        }
    }

    /// The same, further inside: `prefix` (by dots) is put in front of the path.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        let outer = prefix.split('.').filter(|part| !part.is_empty()).map(str::to_owned);
        self.path = outer.chain(self.path).collect();
        self
    }
}

/// Why a use case did not do what was asked.
#[derive(Debug)]
pub enum Error {
    /// No credentials, or not valid ones.
    Unauthenticated(&'static str),
    /// The caller's role, scope or kind does not allow it.
    Forbidden(&'static str),
    /// There is no such thing in the caller's reach; names the noun.
    NotFound(&'static str),
    /// The request itself makes no sense, before any business rule.
    BadInput(String),
    /// Rules of the business that the input broke.
    Broken(Vec<Broken>),
    /// Too many tries; come back after so many seconds.
    RateLimited {
        /// Seconds to wait.
        retry_after: u64,
    },
    /// The answer would cost more than one may; the text says what to do.
    CostExceeded(String),
    /// The answer would have more bytes than one may; the text says what to do.
    AnswerTooLarge(String),
    /// Overloaded or a store is away: try again. The text says whether anything may have been changed.
    Unavailable(&'static str),
    /// A bug, or a store that failed in an unforeseen way. Never shown.
    Internal(anyhow::Error),
}

/// Of a use case.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// One broken rule; the path is named by dots.
    pub fn broken(code: UserErrorCode, path: &str, message: impl Into<String>) -> Self {
        Self::Broken(vec![Broken::new(code, path, message)])
    }

    /// Whether the database has surely done nothing: a statement gave way, or did not begin.
    pub fn changed_nothing(&self) -> bool {
        matches!(self, Self::Unavailable(text) if [GAVE_WAY, BUSY].contains(text))
    }

    /// The `extensions.code` of a top-level error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "UNAUTHENTICATED",
            Self::Forbidden(_) => "FORBIDDEN",
            Self::NotFound(_) => "NOT_FOUND",
            Self::BadInput(_) | Self::Broken(_) => "BAD_USER_INPUT",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::CostExceeded(_) => "COST_EXCEEDED",
            Self::AnswerTooLarge(_) => "ANSWER_TOO_LARGE",
            Self::Unavailable(_) => "UNAVAILABLE",
            Self::Internal(_) => "INTERNAL_SERVER_ERROR",
        }
    }
}

impl fmt::Display for Error {
    /// The public text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthenticated(text) | Self::Forbidden(text) | Self::Unavailable(text) => f.write_str(text),
            Self::NotFound(noun) => write!(f, "no such {noun}"),
            Self::BadInput(text) | Self::CostExceeded(text) | Self::AnswerTooLarge(text) => f.write_str(text),
            Self::Broken(broken) => {
                let texts: Vec<&str> = broken.iter().map(|rule| rule.message.as_str()).collect();
                f.write_str(&texts.join("; "))
            }
            Self::RateLimited { retry_after } => write!(f, "too many tries: wait {retry_after} seconds"),
            Self::Internal(_) => f.write_str("internal error"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Broken> for Error {
    fn from(broken: Broken) -> Self {
        Self::Broken(vec![broken])
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// What is said while somebody else holds the file of an embedded database.
const BUSY: &str = "the database is busy: nothing was changed, try again";

/// What is said when the database gave a transaction up for another's sake: certainly nothing was changed.
pub const GAVE_WAY: &str = "another change was made at the same time: nothing was changed, try again";

impl From<DbErr> for Error {
    /// A database that is away is told apart from one that says no: the caller may try again.
    fn from(error: DbErr) -> Self {
        match error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => {
                tracing::warn!(%error, "database is not reachable");
                Self::Unavailable("the database is not reachable: nothing was changed, try again")
            }
            DbErr::Exec(RuntimeErr::SqlxError(ref cause)) | DbErr::Query(RuntimeErr::SqlxError(ref cause))
                if is_lost(cause) =>
            {
                tracing::warn!(%error, "the connection to the database was lost");
                Self::Unavailable("the connection to the database was lost: look whether it was done, or try again")
            }
            DbErr::Exec(RuntimeErr::SqlxError(ref cause)) | DbErr::Query(RuntimeErr::SqlxError(ref cause))
                if is_given_way(cause) =>
            {
                tracing::warn!(%error, "a transaction gave way to another");
                Self::Unavailable(GAVE_WAY)
            }
            DbErr::Exec(RuntimeErr::SqlxError(ref cause)) | DbErr::Query(RuntimeErr::SqlxError(ref cause))
                if is_busy(cause) =>
            {
                tracing::warn!(%error, "somebody else holds the database");
                Self::Unavailable(BUSY)
            }
            other => Self::Internal(other.into()),
        }
    }
}

/// Whether somebody else has held an `SQLite` file for longer than was waited for it (`SQLITE_BUSY` and its extended codes).
fn is_busy(error: &SqlxError) -> bool {
    matches!(error, SqlxError::Database(error) if error.code().is_some_and(|code| ["5", "261", "517", "773"].contains(&&*code)))
}

/// Whether the database gave this transaction up for another's sake: a deadlock, or a serialization failure (`PostgreSQL`,
/// appendix A, class 40).
fn is_given_way(error: &SqlxError) -> bool {
    matches!(error, SqlxError::Database(error) if error.code().is_some_and(|code| ["40P01", "40001"].contains(&&*code)))
}

/// Whether the database went away under a statement. By SQLSTATE: class 08 is the connection, and with 57P01 to 57P03 the
/// server is stopping, has crashed or is starting (`PostgreSQL`, appendix A).
fn is_lost(error: &SqlxError) -> bool {
    match error {
        SqlxError::Io(_) | SqlxError::PoolTimedOut | SqlxError::PoolClosed | SqlxError::WorkerCrashed => true,
        SqlxError::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("08") || ["57P01", "57P02", "57P03"].contains(&&*code)),
        _ => false,
    }
}

/// Turns a broken constraint of the database into the rule it stands for.
pub trait OrBroken<T> {
    /// On a broken uniqueness constraint, this rule is what was broken.
    fn or_broken(self, code: UserErrorCode, path: &str, message: &str) -> Result<T>;
}

impl<T> OrBroken<T> for std::result::Result<T, DbErr> {
    fn or_broken(self, code: UserErrorCode, path: &str, message: &str) -> Result<T> {
        self.map_err(|error| match error.sql_err() {
            Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => Error::broken(code, path, message),
            _ => error.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_connection_lost_under_a_statement_is_told_apart_from_a_bug() {
        let error = |cause: SqlxError| Error::from(DbErr::Query(RuntimeErr::SqlxError(cause.into())));
        let lost = error(SqlxError::Io(io::ErrorKind::UnexpectedEof.into()));
        assert_eq!(lost.code(), "UNAVAILABLE");
        assert_eq!(error(SqlxError::PoolTimedOut).code(), "UNAVAILABLE");
        assert_eq!(error(SqlxError::RowNotFound).code(), "INTERNAL_SERVER_ERROR");
    }
}
