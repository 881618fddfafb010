//! The one error of the use cases. What a client sees of it is decided at the edge.

use std::fmt;

use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// Code of a broken business rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
pub enum UserErrorCode {
    /// The value does not have the expected form.
    Invalid,
    /// A value is missing.
    Required,
    /// The value exceeds the limit given in the message.
    TooLong,
    /// It is already taken.
    Taken,
    /// It does not exist or is not yours.
    NotFound,
    /// The change contradicts the current state.
    Conflict,
    /// It has expired.
    Expired,
    /// The account's plan does not include this.
    PlanRequired,
    /// Something else must be set up first; the message says what.
    NotConfigured,
    /// A documented limit is reached.
    LimitReached,
    /// A cap is used up in its current window.
    CapReached,
    /// An account cannot invite itself.
    SelfInvite,
    /// The two accounts are already connected.
    AlreadyConnected,
    /// The two accounts are not connected.
    NotConnected,
    /// The relationship does not allow leads in this direction.
    DirectionNotAgreed,
    /// The invitation was already answered, cancelled or used.
    InvitationClosed,
    /// The invitation was sent to another address.
    EmailMismatch,
    /// The flow has no field with this name.
    UnknownField,
    /// The rule is not valid.
    InvalidRule,
    /// The template is not valid.
    InvalidTemplate,
    /// The template names a field that is not shared.
    FieldNotShared,
    /// The address is private, loopback or otherwise forbidden.
    DestinationBlocked,
    /// Plain http requires `allowInsecureHttp`.
    InsecureUrl,
    /// It is still in use elsewhere.
    InUse,
    /// It was changed since. Read it again.
    StaleVersion,
    /// This part of the call could not be done now. Other parts may have succeeded. Repeat it.
    Unavailable,
    /// It is not known whether this part of the call took effect. Repeat it with its idempotency key, which applies it
    /// once.
    OutcomeUnknown,
    /// This part of the call failed because of an error of the server, which its operator finds in the log. Other parts
    /// may have succeeded.
    Internal,
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
    /// This process is overloaded or stopping, and has changed nothing: try again.
    Unavailable(&'static str),
    /// The database did not do it: try again.
    Outage(Outage),
    /// A bug, or a store that failed in an unforeseen way. Never shown.
    Internal(anyhow::Error),
}

/// Why the database did not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// There is no connection: nothing was begun, or what was begun is undone.
    Unreachable,
    /// It gave the transaction up for another's sake; nothing was changed.
    GaveWay,
    /// Another holds for too long what the statement needs (a lock, the file of an embedded database); nothing was changed.
    Busy,
    /// The statement took longer than it may; nothing was changed.
    TooSlow,
    /// The connection was lost under a statement or commit: it is not known whether it was done.
    EndUnknown,
}

impl Outage {
    /// The public text.
    fn text(self) -> &'static str {
        match self {
            Self::Unreachable => "the database is not reachable: nothing was changed, try again",
            Self::GaveWay => "another change was made at the same time: nothing was changed, try again",
            Self::Busy => "the database is busy: nothing was changed, try again",
            Self::TooSlow => {
                "the database took too long for this and was stopped: nothing was changed, ask for less at once"
            }
            Self::EndUnknown => "the connection to the database was lost: look whether it was done, or try again",
        }
    }
}

/// No connection of the pool is free for a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    /// All connections are in use, and were for as long as a caller waits.
    #[error("all database connections of this kind are in use")]
    Pool,
    /// The account has its share of the connections in use.
    #[error("the account has its share of the database connections in use")]
    Share,
}

impl From<Shortage> for DbErr {
    fn from(shortage: Shortage) -> Self {
        let cause = SqlxError::Configuration(Box::new(shortage));
        Self::Conn(RuntimeErr::SqlxError(cause.into()))
    }
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
        match self {
            Self::Unavailable(_) | Self::RateLimited { .. } => true,
            Self::Outage(outage) => *outage != Outage::EndUnknown,
            _ => false,
        }
    }

    /// Whether it is not known what became of what was asked.
    pub fn is_uncertain(&self) -> bool {
        matches!(self, Self::Outage(Outage::EndUnknown))
    }

    /// Whether the same may succeed in a moment, without anybody changing anything.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Outage(_) | Self::RateLimited { .. })
    }

    /// The error of a statement in a transaction that was not told to commit: whatever became of the connection, the database
    /// undoes it.
    #[must_use]
    pub fn before_commit(self) -> Self {
        match self {
            Self::Outage(Outage::EndUnknown) => Self::Outage(Outage::Unreachable),
            other => other,
        }
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
            Self::Outage(Outage::TooSlow) => "TIMEOUT",
            Self::Unavailable(_) | Self::Outage(_) => "UNAVAILABLE",
            Self::Internal(_) => "INTERNAL_SERVER_ERROR",
        }
    }
}

impl fmt::Display for Error {
    /// The public text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthenticated(text) | Self::Forbidden(text) | Self::Unavailable(text) => f.write_str(text),
            Self::Outage(outage) => f.write_str(outage.text()),
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
    /// What the database or a use case said stays what it is, whatever was added to it on the way.
    fn from(error: anyhow::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(own) => return own,
            Err(other) => other,
        };
        match error.downcast_ref::<DbErr>() {
            Some(cause) if shortage(cause).is_some() || outage(cause).is_some() => match error.downcast::<DbErr>() {
                Ok(cause) => cause.into(),
                Err(other) => Self::Internal(other),
            },
            _ => Self::Internal(error),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// What a caller waits before it tries again when its share of something is used up, in seconds.
pub const SHARE_RETRY: u64 = 1;

impl From<DbErr> for Error {
    /// A database that is away is told apart from one that says no: the caller may try again.
    fn from(error: DbErr) -> Self {
        match shortage(&error) {
            Some(Shortage::Share) => {
                return Self::RateLimited {
                    retry_after: SHARE_RETRY,
                };
            }
            Some(Shortage::Pool) => {
                tracing::warn!("all database connections of this kind are in use");
                return Self::Unavailable(
                    "the server is busy, all its database connections are in use: nothing was changed, try again",
                );
            }
            None => {}
        }
        match outage(&error) {
            Some(outage) => {
                tracing::warn!(%error, ?outage, "the database did not do it");
                Self::Outage(outage)
            }
            None => Self::Internal(error.into()),
        }
    }
}

/// Whether a statement failed because no connection was free, not because of the database.
fn shortage(error: &DbErr) -> Option<Shortage> {
    let DbErr::Conn(RuntimeErr::SqlxError(cause)) = error else {
        return None;
    };
    match &**cause {
        SqlxError::Configuration(cause) => cause.downcast_ref().copied(),
        _ => None,
    }
}

/// Whether the database was away or said "not now"; none for one that says no.
pub fn outage(error: &DbErr) -> Option<Outage> {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Some(Outage::Unreachable),
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            let cases = [
                (is_lost(cause), Outage::EndUnknown),
                (is_given_way(cause), Outage::GaveWay),
                (is_busy(cause), Outage::Busy),
                (is_too_slow(cause), Outage::TooSlow),
            ];
            cases.into_iter().find_map(|(holds, outage)| holds.then_some(outage))
        }
        _ => None,
    }
}

/// Whether another has held for too long what a statement needs: an `SQLite` file (`SQLITE_BUSY` and its extended codes), or a lock
/// in `PostgreSQL` (`lock_not_available`).
fn is_busy(error: &SqlxError) -> bool {
    has_code(error, &["5", "261", "517", "773", "55P03"])
}

/// Whether a statement was stopped at its time limit: `query_canceled` of `PostgreSQL`, `SQLITE_INTERRUPT`.
fn is_too_slow(error: &SqlxError) -> bool {
    has_code(error, &["57014", "9"])
}

fn has_code(error: &SqlxError, codes: &[&str]) -> bool {
    matches!(error, SqlxError::Database(error) if error.code().is_some_and(|code| codes.contains(&&*code)))
}

/// Whether the database gave this transaction up for another's sake: a deadlock, or a serialization failure (`PostgreSQL`,
/// appendix A, class 40).
fn is_given_way(error: &SqlxError) -> bool {
    has_code(error, &["40P01", "40001"])
}

/// Whether the database went away under a statement. By SQLSTATE: class 08 is the connection, with 57P01 to 57P03 the server is
/// stopping, has crashed or is starting, and with 25P03 and 25P04 it has ended a session that took too long over a transaction
/// (`PostgreSQL`, appendix A). With a code of `SQLITE_IOERR` it is not known what has reached the disk.
fn is_lost(error: &SqlxError) -> bool {
    match error {
        // A connection that breaks within a message is out of step.
        SqlxError::Io(_)
        | SqlxError::Protocol(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed => true,
        SqlxError::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("08")
                || ["57P01", "57P02", "57P03", "25P03", "25P04"].contains(&&*code)
                || code
                    .parse::<u32>()
                    .is_ok_and(|number| code.len() < 5 && number & 0xff == SQLITE_IOERR)
        }),
        _ => false,
    }
}

const SQLITE_IOERR: u32 = 10;

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
        assert!(matches!(lost, Error::Outage(Outage::EndUnknown)) && !lost.changed_nothing());
        assert_eq!(lost.code(), "UNAVAILABLE");
        assert!(lost.before_commit().changed_nothing());
        assert_eq!(error(SqlxError::PoolTimedOut).code(), "UNAVAILABLE");
        assert_eq!(error(SqlxError::RowNotFound).code(), "INTERNAL_SERVER_ERROR");
    }

    #[test]
    fn a_cause_stays_what_it_is_under_what_was_added_on_the_way() {
        use anyhow::Context;

        let pool = Err::<(), _>(DbErr::from(Shortage::Pool)).context("cannot read the keys");
        assert_eq!(Error::from(pool.unwrap_err()).code(), "UNAVAILABLE");
        let share = Err::<(), _>(Error::from(DbErr::from(Shortage::Share))).context("cannot read the keys");
        assert_eq!(Error::from(share.unwrap_err()).code(), "RATE_LIMITED");
        let other = Err::<(), _>(DbErr::Custom("no".to_owned())).context("cannot read the keys");
        let Error::Internal(other) = Error::from(other.unwrap_err()) else {
            panic!("what nobody can help is internal")
        };
        assert_eq!(format!("{other:#}"), "cannot read the keys: Custom Error: no");
    }

    #[test]
    fn what_is_left_undone_for_want_of_a_connection_says_so() {
        let pool = Error::from(DbErr::from(Shortage::Pool));
        assert!(pool.changed_nothing() && pool.code() == "UNAVAILABLE", "{pool:?}");
        let share = Error::from(DbErr::from(Shortage::Share));
        assert!(matches!(share, Error::RateLimited { retry_after: 1 }), "{share:?}");
        let away = Error::from(DbErr::Conn(RuntimeErr::SqlxError(SqlxError::PoolTimedOut.into())));
        assert!(matches!(away, Error::Outage(Outage::Unreachable)), "{away:?}");
    }
}
