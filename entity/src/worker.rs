//! A running delivery worker. It owns what it has claimed for as long as it renews this row.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseBackend;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Expr;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "worker")]
pub struct Model {
    /// A new one at every start, and after every lost lease.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// When.
    pub started_at: DateTime<Utc>,
    /// Others take over its deliveries after this.
    pub lease_until: DateTime<Utc>,
}

/// Relations are deliberately absent: rows are loaded by scoped finders, never by joins that could leave their account.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Which leases to remove.
#[derive(Clone, Copy, Debug)]
pub enum Lapsed {
    /// This one.
    Id(Uuid),
    /// Those that ran out before.
    Before(DateTime<Utc>),
}

impl Entity {
    /// Prolongs a lease that has not run out; false when it has. With `SQLite` it never does while its process lives, for there is no
    /// other that could have taken anything over.
    pub async fn renew(
        db: &impl ConnectionTrait,
        id: Uuid,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, DbErr> {
        let renewed = Self::update_many()
            .col_expr(Column::LeaseUntil, Expr::value(until))
            .filter(Column::Id.eq(id));
        let renewed = match db.get_database_backend() {
            DatabaseBackend::Sqlite => renewed,
            _ => renewed.filter(Column::LeaseUntil.gt(now)),
        };
        let renewed = renewed.exec(db).await?;
        Ok(renewed.rows_affected == 1)
    }

    /// Leases that have not run out.
    pub fn alive(now: DateTime<Utc>) -> Select<Self> {
        Self::find().filter(Column::LeaseUntil.gt(now))
    }

    /// Removes leases that ran out long ago, or one that is given back.
    pub fn remove(which: Lapsed) -> sea_orm::DeleteMany<Self> {
        match which {
            Lapsed::Id(id) => Self::delete_many().filter(Column::Id.eq(id)),
            Lapsed::Before(time) => Self::delete_many().filter(Column::LeaseUntil.lt(time)),
        }
    }
}
