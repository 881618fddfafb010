//! The error type of all use cases. The API decides what a client sees of it.

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

/// A business rule that the input broke. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserError {
    pub code: UserErrorCode,
    pub message: String,
    /// Segments of the input path, outermost first; empty for the whole input.
    pub path: Vec<String>,
}

/// A business rule that the input broke. Nothing was changed.
#[async_graphql::Object]
impl UserError {
    /// Code of the rule. New codes may be added, so have a default branch.
    async fn code(&self) -> UserErrorCode {
        self.code
    }

    /// What is wrong and what to do, for people.
    async fn message(&self) -> &str {
        &self.message
    }

    /// Path in the arguments, outermost first, such as `["input", "recipients", "0"]`; null if the error concerns the
    /// whole input.
    async fn path(&self) -> Option<&[String]> {
        Some(self.path.as_slice()).filter(|path| !path.is_empty())
    }
}

impl UserError {
    /// `path` separates its segments by dots: `input.recipients.0`.
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

    /// Prepends `prefix` (separated by dots) to the path.
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
    /// No credentials, or invalid ones.
    Unauthenticated(&'static str),
    /// The caller's role, scope or kind does not allow it.
    Forbidden(&'static str),
    /// Nothing of that noun within the caller's reach.
    NotFound(&'static str),
    /// The request is malformed, before any business rule applies.
    BadInput(String),
    /// Business rules that the input violates.
    User(Vec<UserError>),
    /// Too many tries.
    RateLimited {
        /// Seconds.
        retry_after: u64,
    },
    /// The answer would exceed the cost limit; the text says what to do.
    CostExceeded(String),
    /// The answer would exceed the size limit; the text says what to do.
    AnswerTooLarge(String),
    /// This process is overloaded or stopping, and has changed nothing: try again.
    Unavailable(&'static str),
    /// The database did not do it: try again.
    Outage(Outage),
    /// A bug, or a store that failed in an unforeseen way. Clients never see the cause.
    Internal(anyhow::Error),
}

/// Why the database did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// No connection: nothing was begun, or what was begun is undone.
    Unreachable,
    /// The database gave the transaction up in favour of another; nothing was changed.
    GaveWay,
    /// Another transaction holds for too long what the statement needs (a lock, the file of an embedded database); nothing was
    /// changed.
    Busy,
    /// The statement exceeded its time limit; nothing was changed.
    TooSlow,
    /// The connection was lost during a statement or commit: it is unknown whether it was done.
    EndUnknown,
}

impl Outage {
    fn text(self) -> &'static str {
        match self {
            Self::Unreachable => "the database is not reachable: nothing was changed, try again",
            Self::GaveWay => "another change was made at the same time: nothing was changed, try again",
            Self::Busy => "the database is busy: nothing was changed, try again",
            Self::TooSlow => "the database took too long for this and was stopped: nothing was changed, ask for less",
            Self::EndUnknown => {
                "the connection to the database was lost: check whether the change was made, or try again"
            }
        }
    }
}

/// No connection of the pool is free for a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    /// All connections were in use for as long as a caller waits.
    #[error("all database connections of this kind are in use")]
    Pool,
    /// The account uses its whole share of the connections.
    #[error("the account has its share of the database connections in use")]
    Share,
}

impl From<Shortage> for DbErr {
    fn from(shortage: Shortage) -> Self {
        let cause = SqlxError::Configuration(Box::new(shortage));
        Self::Conn(RuntimeErr::SqlxError(cause.into()))
    }
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// One violated business rule; `path` separates its segments by dots.
    pub fn user(code: UserErrorCode, path: &str, message: impl Into<String>) -> Self {
        Self::User(vec![UserError::new(code, path, message)])
    }

    /// Whether the database has surely changed nothing.
    pub fn changed_nothing(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::RateLimited { .. } => true,
            Self::Outage(outage) => *outage != Outage::EndUnknown,
            _ => false,
        }
    }

    /// Whether it is unknown if the request was done.
    pub fn is_uncertain(&self) -> bool {
        matches!(self, Self::Outage(Outage::EndUnknown))
    }

    /// Whether the same request may succeed in a moment.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Outage(_) | Self::RateLimited { .. })
    }

    /// The error of a statement before the commit: even with a lost connection the database undoes the transaction.
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
            Self::BadInput(_) | Self::User(_) => "BAD_USER_INPUT",
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
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthenticated(text) | Self::Forbidden(text) | Self::Unavailable(text) => f.write_str(text),
            Self::Outage(outage) => f.write_str(outage.text()),
            Self::NotFound(noun) => write!(f, "no such {noun}"),
            Self::BadInput(text) | Self::CostExceeded(text) | Self::AnswerTooLarge(text) => f.write_str(text),
            Self::User(broken) => {
                let texts: Vec<&str> = broken.iter().map(|rule| rule.message.as_str()).collect();
                f.write_str(&texts.join("; "))
            }
            Self::RateLimited { retry_after } => write!(f, "too many attempts: wait {retry_after} seconds"),
            Self::Internal(_) => f.write_str("internal error"),
        }
    }
}

impl std::error::Error for Error {}

impl From<UserError> for Error {
    fn from(error: UserError) -> Self {
        Self::User(vec![error])
    }
}

impl From<anyhow::Error> for Error {
    /// Errors of the database and of use cases keep their kind, whatever context was added.
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

/// Seconds until a caller tries again when its share is used up.
pub const SHARE_RETRY: u64 = 1;

impl From<DbErr> for Error {
    /// Tells an unavailable database, which the caller may try again, from a refusal.
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
                tracing::warn!(%error, ?outage, "the database did not execute it");
                Self::Outage(outage)
            }
            None => Self::Internal(error.into()),
        }
    }
}

fn shortage(error: &DbErr) -> Option<Shortage> {
    let DbErr::Conn(RuntimeErr::SqlxError(cause)) = error else {
        return None;
    };
    match &**cause {
        SqlxError::Configuration(cause) => cause.downcast_ref().copied(),
        _ => None,
    }
}

/// None where the database refused the statement.
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

/// Another session has held for too long what the statement needs: an `SQLite` file (`SQLITE_BUSY` and its extended codes), or
/// a lock in `PostgreSQL` (`lock_not_available`).
fn is_busy(error: &SqlxError) -> bool {
    has_code(error, &["5", "261", "517", "773", "55P03"])
}

/// The statement was stopped at its time limit: `query_canceled` of `PostgreSQL`, `SQLITE_INTERRUPT`.
fn is_too_slow(error: &SqlxError) -> bool {
    has_code(error, &["57014", "9"])
}

fn has_code(error: &SqlxError, codes: &[&str]) -> bool {
    matches!(error, SqlxError::Database(error) if error.code().is_some_and(|code| codes.contains(&&*code)))
}

/// The database chose this transaction as the victim of a deadlock or serialization failure (`PostgreSQL`, appendix A, class
/// 40).
fn is_given_way(error: &SqlxError) -> bool {
    has_code(error, &["40P01", "40001"])
}

/// The database went away during a statement. By SQLSTATE: class 08 is the connection; with 57P01 to 57P03 the server is
/// stopping, has crashed or is starting; with 25P03 and 25P04 it has ended a session whose transaction took too long
/// (`PostgreSQL`, appendix A). With a code of `SQLITE_IOERR` it is unknown what has reached the disk.
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

/// Turns a violated uniqueness constraint into the business rule that it stands for.
pub trait OnUniqueViolation<T> {
    fn on_unique_violation(self, code: UserErrorCode, path: &str, message: &str) -> Result<T>;
}

impl<T> OnUniqueViolation<T> for std::result::Result<T, DbErr> {
    fn on_unique_violation(self, code: UserErrorCode, path: &str, message: &str) -> Result<T> {
        self.map_err(|error| match error.sql_err() {
            Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => Error::user(code, path, message),
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
