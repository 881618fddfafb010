//! A transaction that writes, with the place in its pool that it takes.

use std::ops::Deref;

use sea_orm::prelude::async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use super::abandoned::Abandoned;
use super::connection::{Place, broken};
use super::held::Held;

/// A transaction. Dropped before its commit, it is rolled back.
#[derive(Debug)]
pub struct Transaction {
    // Dropped in this order: the pool knows what comes before the connection is on its way back, and the place is free then.
    unfinished: Unfinished,
    inner: DatabaseTransaction,
    place: Place,
    held: Held,
}

/// What hears of the end of a transaction.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) place: Place,
    pub(super) held: Held,
    pub(super) abandoned: Abandoned,
}

/// Notes a transaction that ends otherwise than by its own word: a statement of its may still run.
#[derive(Debug)]
struct Unfinished(Option<Abandoned>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(abandoned) = &self.0 {
            abandoned.note();
        }
    }
}

impl Transaction {
    pub(super) fn new(inner: DatabaseTransaction, ending: Ending) -> Self {
        let Ending { place, held, abandoned } = ending;
        Self {
            unfinished: Unfinished(Some(abandoned)),
            inner,
            place,
            held,
        }
    }

    /// Commits. A commit that has begun goes on to its end, also where nobody waits for it any more.
    pub async fn commit(self) -> Result<(), DbErr> {
        let Self {
            mut unfinished,
            inner,
            place,
            held,
        } = self;
        unfinished.0 = None;
        let committing = tokio::spawn(async move {
            let _until_its_end = (place, held);
            inner.commit().await
        });
        committing.await.unwrap_or_else(|error| broken(&error))
    }

    /// Undoes everything.
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
