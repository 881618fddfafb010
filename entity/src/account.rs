//! An account: a company on this server.

use crate::ids::{AccountId, ApiKeyId};
use crate::proof::AddressProof;
use crate::{api_key, connection, endpoint, invitation, worker};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Alias, ExprTrait, Query, UnionType};
use sea_orm::{Condition, DatabaseBackend, QuerySelect, QueryTrait, UpdateMany};
use serde::{Deserialize, Serialize};

/// Plan of an account.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Plan {
    /// One flow (the Inbox) and one destination. No rules, filters or caps.
    Free,
    /// All features.
    Paid,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    /// What partners see.
    pub name: String,
    /// What the account may do.
    pub plan: Plan,
    /// Shown to partners.
    pub website: Option<String>,
    /// IANA name; the default of caps and reports.
    pub timezone: String,
    /// For exact look-up by partners; lower case.
    pub contact_email: Option<String>,
    /// When a link that was mailed to the contact address was used.
    pub contact_verified_at: Option<DateTime<Utc>>,
    /// Whether partners may find it by that address. Without proof only where the operator asks for none.
    pub contact_counts: bool,
    /// Whether partners may find it by the start of its name.
    pub listed: bool,
    /// Whether its owners get a mail when a partner invites, answers or changes something.
    pub notify_by_mail: bool,
    /// Raised in the transaction of every change that a compiled flow or a credential depends on.
    pub config_version: i64,
    /// Sign-up.
    pub created_at: DateTime<Utc>,
    /// Last change of what is shown here.
    pub updated_at: DateTime<Utc>,
}

/// Stands for a key among versions, which begin at 0.
const NO_VERSION: i64 = -1;
/// Stands for an endpoint among versions.
const CLOSED: i64 = -2;
/// Stands for a worker's lease among versions.
const LEASE: i64 = -3;

/// What batches of leads ask for, all at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The configuration versions of accounts.
    pub versions: Vec<(AccountId, i64)>,
    /// Those of some API keys that may be used.
    pub live_keys: Vec<ApiKeyId>,
    /// Endpoints of the accounts to which nothing is sent now.
    pub closed: Vec<Uuid>,
    /// The lease that was asked for, if it has not run out.
    pub lease: Option<Uuid>,
}

crate::no_relations!();

impl Model {
    /// Whether the contact address counts: partners find the account by it, and mails to the account go there.
    pub fn has_contact(&self, proof: AddressProof) -> bool {
        self.contact_counts && (proof == AddressProof::NotRequired || self.contact_verified_at.is_some())
    }
}

impl Entity {
    /// One account.
    pub fn by_id(id: AccountId) -> Select<Self> {
        Self::find_by_id(id)
    }

    /// Several accounts.
    pub fn by_ids(ids: impl IntoIterator<Item = AccountId>) -> Select<Self> {
        Self::find().filter(Column::Id.is_in(ids))
    }

    /// Accounts that one account is or was connected with, that invited it, or that it invited by their identifier and that
    /// have not answered. Whoever was invited by address is not told apart from nobody until the answer.
    pub fn partners_of(account: AccountId, proof: AddressProof) -> Select<Self> {
        use connection::Column::{HighAccountId, LowAccountId};
        use invitation::Column::{FromAccountId, Status, ToAccountId, ToEmail};
        let side = |mine: connection::Column, theirs: connection::Column| {
            let of_account = connection::Entity::find().filter(mine.eq(account));
            of_account.select_only().column(theirs).into_query()
        };
        let waits = || Status.eq(invitation::InvitationStatus::Pending);
        let sent = invitation::Entity::sent_by(account)
            .filter(waits())
            .filter(ToEmail.is_null())
            .filter(ToAccountId.is_not_null());
        let received = invitation::Entity::received_by(account, proof).filter(waits());
        let ids = Condition::any()
            .add(Column::Id.in_subquery(side(LowAccountId, HighAccountId)))
            .add(Column::Id.in_subquery(side(HighAccountId, LowAccountId)))
            .add(Column::Id.in_subquery(sent.select_only().column(ToAccountId).into_query()))
            .add(Column::Id.in_subquery(received.select_only().column(FromAccountId).into_query()));
        Self::find().filter(ids)
    }

    /// Accounts that let themselves be found by that address, in lower case. Where one has proven it, or proof is required, those
    /// that have not are not found by it.
    pub fn by_contact_email(email: &str, proof: AddressProof) -> Select<Self> {
        let other = Alias::new("other");
        let proven = Query::select()
            .expr(Expr::value(1))
            .from_as(Entity, other.clone())
            .and_where(Expr::col((other.clone(), Column::ContactEmail)).eq(email))
            .and_where(Expr::col((other.clone(), Column::ContactCounts)).eq(true))
            .and_where(Expr::col((other, Column::ContactVerifiedAt)).is_not_null())
            .take();
        let unrivalled = (proof == AddressProof::NotRequired).then(|| Expr::exists(proven).not());
        let goes_first = Condition::any()
            .add(Column::ContactVerifiedAt.is_not_null())
            .add_option(unrivalled);
        Self::find()
            .filter(Column::ContactEmail.eq(email))
            .filter(Column::ContactCounts.eq(true))
            .filter(goes_first)
    }

    /// Lets accounts be found by contact addresses that are not proven, or not any more.
    pub fn count_unproven_contacts(counts: bool) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::ContactCounts, Expr::value(counts))
            .filter(Column::ContactCounts.ne(counts))
            .filter(Column::ContactVerifiedAt.is_null())
    }

    /// Accounts that let themselves be found by the start of their name.
    pub fn listed() -> Select<Self> {
        Self::find().filter(Column::Listed.eq(true))
    }

    /// Every account, for the operator.
    pub fn for_operator() -> Select<Self> {
        Self::find()
    }

    /// The configuration versions of several accounts.
    pub async fn versions(
        db: &impl ConnectionTrait,
        ids: impl IntoIterator<Item = AccountId>,
    ) -> Result<Vec<(AccountId, i64)>, DbErr> {
        let among = crate::bulk::among(db, Column::Id, ids.into_iter().map(|id| id.0));
        let versions = Self::find()
            .select_only()
            .column(Column::Id)
            .column(Column::ConfigVersion);
        versions.filter(among).into_tuple().all(db).await
    }

    /// The configuration versions of several accounts, which of some API keys may be used at that time, and which endpoints of
    /// the accounts are held: all at once, because every batch of leads asks for all.
    pub async fn standing(
        db: &impl ConnectionTrait,
        ids: Vec<AccountId>,
        keys: impl IntoIterator<Item = ApiKeyId>,
        lease: Option<Uuid>,
        now: DateTime<Utc>,
    ) -> Result<Standing, DbErr> {
        let among = crate::bulk::among(db, Column::Id, ids.iter().map(|id| id.0));
        let mut both = Self::find()
            .select_only()
            .column(Column::Id)
            .column(Column::ConfigVersion)
            .filter(among)
            .into_query();
        let live = api_key::Entity::live_among(keys, now)
            .select_only()
            .column(api_key::Column::Id)
            .expr_as(Expr::val(NO_VERSION), "config_version");
        both.union(UnionType::All, live.into_query());
        let closed = endpoint::Entity::open_in(ids, now)
            .select_only()
            .column(endpoint::Column::Id)
            .expr_as(Expr::val(CLOSED), "config_version");
        both.union(UnionType::All, closed.into_query());
        // With `SQLite` none runs out while its process lives.
        let mut standing = Standing {
            lease: lease.filter(|_| db.get_database_backend() == DatabaseBackend::Sqlite),
            ..Standing::default()
        };
        if let Some(lease) = lease.filter(|_| standing.lease.is_none()) {
            both.union(UnionType::All, worker::Entity::held(lease, LEASE));
        }
        for row in db.query_all(&both).await? {
            let (id, version): (Uuid, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            match version {
                NO_VERSION => standing.live_keys.push(ApiKeyId(id)),
                CLOSED => standing.closed.push(id),
                LEASE => standing.lease = Some(id),
                _ => standing.versions.push((AccountId(id), version)),
            }
        }
        Ok(standing)
    }

    /// Raises the version of what compiled flows and credentials depend on.
    pub fn raise_config_version(id: AccountId) -> UpdateMany<Self> {
        Self::update_many()
            .col_expr(Column::ConfigVersion, Expr::col(Column::ConfigVersion).add(1))
            .filter(Column::Id.eq(id))
    }
}
