//! A transaction that writes, with the permit of its pool.

use std::ops::Deref;

use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use super::dropped_transactions::DroppedTransactions;
use super::pool_permit::{PoolPermit, interrupted};
use super::transaction_times::TransactionTimer;

/// Dropped before its commit, it is rolled back.
#[derive(Debug)]
pub struct Transaction {
    // Dropped in this order: the pool knows what comes before the connection is on its way back, and the permit is free then.
    unfinished: Unfinished,
    inner: DatabaseTransaction,
    permit: PoolPermit,
    timer: TransactionTimer,
}

/// What is released and notified at the end of a transaction.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) permit: PoolPermit,
    pub(super) timer: TransactionTimer,
    pub(super) dropped: DroppedTransactions,
}

/// Notes a transaction that is dropped: a statement of it may still run.
#[derive(Debug)]
struct Unfinished(Option<DroppedTransactions>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(dropped) = &self.0 {
            dropped.note();
        }
    }
}

impl Transaction {
    pub(super) fn new(inner: DatabaseTransaction, ending: Ending) -> Self {
        let Ending { permit, timer, dropped } = ending;
        Self {
            unfinished: Unfinished(Some(dropped)),
            inner,
            permit,
            timer,
        }
    }

    /// A commit that has begun ends, also when its caller is gone.
    pub async fn commit(self) -> Result<(), DbErr> {
        let Self {
            mut unfinished,
            inner,
            permit,
            timer,
        } = self;
        unfinished.0 = None;
        let committing = tokio::spawn(async move {
            let _until_its_end = (permit, timer);
            inner.commit().await
        });
        committing.await.unwrap_or_else(|error| interrupted(&error))
    }

    pub async fn rollback(self) -> Result<(), DbErr> {
        self.inner.rollback().await
    }
}

impl Deref for Transaction {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.inner
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.inner.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.inner.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.inner.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.inner.query_all_raw(statement).await
    }
}
