//! The permit of a statement or transaction to use its pool.

use sea_orm::{DbErr, RuntimeErr, SqlxError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinError;

/// Given back when dropped.
#[derive(Debug)]
pub(super) struct PoolPermit {
    pub(super) _in_pool: OwnedSemaphorePermit,
    pub(super) _of_accounts: Option<OwnedSemaphorePermit>,
    pub(super) _of_account: Option<OwnedSemaphorePermit>,
}

/// A statement that panicked or was stopped by the end of the process: it is unknown whether it was done.
pub(super) fn interrupted<T>(error: &JoinError) -> Result<T, DbErr> {
    tracing::error!(%error, "a statement was interrupted");
    Err(DbErr::Query(RuntimeErr::SqlxError(SqlxError::WorkerCrashed.into())))
}
