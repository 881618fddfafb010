//! What is due: which deliveries may be attempted now, whose they are, and on whose slots.

use crate::delivery::{DeliveryStatus, Entity, Model};
use crate::delivery_config::Channel;
use crate::ids::{AccountId, DeliveryId, PartnerId};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::ArrayType;
use sea_orm::{ActiveEnum, DatabaseBackend, Iterable, QueryResult, Statement, Value};

/// Where attempts go, as far as they share slots: who must not be asked by too many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A partner, but for mails to it.
    Partner(PartnerId),
    /// An account that leads are delivered into.
    Buyer(AccountId),
    /// The mail server of an account, whichever of its partners the mails are for.
    MailServer(AccountId),
}

/// As much of a due delivery as it takes to give it a slot.
#[derive(Clone, Debug)]
pub struct Due {
    /// Which.
    pub id: DeliveryId,
    /// Whose.
    pub account_id: AccountId,
    /// Since when.
    pub due_at: DateTime<Utc>,
    /// Where it waits.
    pub lane: Lane,
    channel: Channel,
    partner_id: Option<PartnerId>,
    buyer_account_id: Option<AccountId>,
}

/// Where an account's deliveries wait in one row: for the URL of some settings, for the account's mail server, or for an account
/// that gets leads. A destination may have several: its settings have versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    /// Whose deliveries.
    pub account: AccountId,
    /// The settings, or the account.
    pub id: Uuid,
}

/// The oldest of what is due.
#[derive(Clone, Debug, Default)]
pub struct Oldest {
    /// Those of them whose endpoints are not held.
    pub open: Vec<Due>,
    /// How many were read, with the others.
    pub read: u64,
}

impl Due {
    /// On whose slots its attempts are.
    pub fn destination(&self) -> Destination {
        destination(self.channel, self.account_id, self.partner_id, self.buyer_account_id)
    }
}

impl Model {
    /// On whose slots its attempts are.
    pub fn destination(&self) -> Destination {
        destination(self.channel, self.account_id, self.partner_id, self.buyer_account_id)
    }
}

fn destination(
    channel: Channel,
    account: AccountId,
    partner: Option<PartnerId>,
    buyer: Option<AccountId>,
) -> Destination {
    match (channel, partner, buyer) {
        (Channel::Email, ..) => Destination::MailServer(account),
        (_, Some(partner), _) => Destination::Partner(partner),
        (_, None, buyer) => Destination::Buyer(buyer.unwrap_or(account)),
    }
}

/// The lane of a delivery, as the index `delivery_due_lane` has it; `of` is the table's name in the statement, with its point.
fn lane(of: &str) -> String {
    format!(
        "(CASE {of}channel WHEN 'EMAIL' THEN {of}account_id WHEN 'ACCOUNT' THEN {of}buyer_account_id ELSE {of}settings_id END)"
    )
}

/// A look for what may be attempted now: at first or at later attempts. Each of its statements reads of a backlog only the rows
/// that it answers, and one for each lane or account that it passes over, however many deliveries wait there.
#[derive(Clone, Copy, Debug)]
pub struct DueQuery {
    /// The time now.
    pub now: DateTime<Utc>,
    /// First attempts or later ones.
    pub retries: bool,
}

/// Lanes of an account of which the heads are found in one look. Those beyond are found by looks that begin behind them.
pub const LANES: u64 = 1_024;
/// Accounts of [`DueQuery::accounts`].
const ACCOUNTS: u64 = 4_096;

impl DueQuery {
    /// The oldest deliveries that are due, at most so many. Channels of a newer version are left to its workers.
    pub async fn oldest(self, db: &impl ConnectionTrait, most: u64) -> Result<Oldest, DbErr> {
        let rows = db
            .query_all_raw(self.oldest_statement(db.get_database_backend(), most))
            .await?;
        let mut oldest = Oldest {
            open: Vec::with_capacity(rows.len()),
            read: u64::try_from(rows.len()).unwrap_or(most),
        };
        for row in rows {
            if row.try_get::<i32>("", "open")? == 1 {
                oldest.open.push(due(&row)?);
            }
        }
        Ok(oldest)
    }

    /// The statement of [`Self::oldest`], for tests of how it is planned.
    pub fn oldest_statement(self, backend: DatabaseBackend, most: u64) -> Statement {
        let sql = self.filled(
            "
SELECT d.*, CASE WHEN d.channel IN ({channels}) AND NOT EXISTS (SELECT 1 FROM endpoint e
        WHERE e.id = d.endpoint AND {open_circuit}) THEN 1 ELSE 0 END AS open
FROM (SELECT id, account_id, channel, partner_id, buyer_account_id, due_at, {lane} AS lane,
        CASE channel WHEN 'EMAIL' THEN account_id ELSE settings_id END AS endpoint
    FROM delivery WHERE {waiting} AND due_at <= $1 ORDER BY due_at LIMIT $2) d
ORDER BY d.due_at",
        );
        Statement::from_sql_and_values(backend, sql, [self.now.into(), as_limit(most)])
    }

    /// The accounts of which something waits, due or not, the first so many: the index is read at one place for each.
    pub async fn accounts(self, db: &impl ConnectionTrait) -> Result<Vec<AccountId>, DbErr> {
        self.accounts_after(db, AccountId(Uuid::nil()), ACCOUNTS).await
    }

    /// The same behind a place in the order of their identifiers, at most so many.
    pub async fn accounts_after(
        self,
        db: &impl ConnectionTrait,
        place: AccountId,
        most: u64,
    ) -> Result<Vec<AccountId>, DbErr> {
        let statement = self.accounts_after_statement(db.get_database_backend(), place, most);
        let rows = db.query_all_raw(statement).await?;
        rows.iter().map(|row| row.try_get("", "id").map(AccountId)).collect()
    }

    /// The statement of [`Self::accounts`], for tests of how it is planned.
    pub fn accounts_statement(self, backend: DatabaseBackend) -> Statement {
        self.accounts_after_statement(backend, AccountId(Uuid::nil()), ACCOUNTS)
    }

    fn accounts_after_statement(self, backend: DatabaseBackend, place: AccountId, most: u64) -> Statement {
        let sql = self.filled(
            "
WITH RECURSIVE due (id) AS (
    SELECT (SELECT account_id FROM delivery WHERE {waiting} AND account_id > $2 ORDER BY account_id LIMIT 1)
    UNION ALL
    SELECT (SELECT account_id FROM delivery WHERE {waiting} AND account_id > due.id ORDER BY account_id LIMIT 1)
        FROM due WHERE due.id IS NOT NULL
)
SELECT id FROM due WHERE id IS NOT NULL LIMIT $1",
        );
        Statement::from_sql_and_values(backend, sql, [as_limit(most), place.0.into()])
    }

    /// The first due delivery of each lane of these accounts that is not held.
    pub async fn heads(self, db: &impl ConnectionTrait, accounts: &[AccountId]) -> Result<Vec<Due>, DbErr> {
        self.heads_from(db, &from_the_first(accounts)).await
    }

    /// The same, of each account beginning behind a place in the order of its lanes, and going round: at most [`LANES`] of each.
    pub async fn heads_from(self, db: &impl ConnectionTrait, places: &[Lane]) -> Result<Vec<Due>, DbErr> {
        let mut heads = Vec::new();
        for statement in self.heads_from_statements(db.get_database_backend(), places) {
            for row in db.query_all_raw(statement).await? {
                heads.push(due(&row)?);
            }
        }
        Ok(heads)
    }

    /// The statements of [`Self::heads`], for tests of how they are planned: one for all accounts, or on `SQLite`, which has no
    /// lateral joins and whose statements travel nowhere, one for each.
    pub fn heads_statements(self, backend: DatabaseBackend, accounts: &[AccountId]) -> Vec<Statement> {
        self.heads_from_statements(backend, &from_the_first(accounts))
    }

    fn heads_from_statements(self, backend: DatabaseBackend, places: &[Lane]) -> Vec<Statement> {
        if backend == DatabaseBackend::Postgres {
            let accounts: Vec<Uuid> = places.iter().map(|place| place.account.0).collect();
            let after: Vec<Uuid> = places.iter().map(|place| place.id).collect();
            let values = [
                Value::from(accounts),
                self.now.into(),
                as_limit(LANES),
                Value::from(after),
            ];
            return vec![Statement::from_sql_and_values(backend, self.filled(HEADS), values)];
        }
        let sql = self.filled(HEADS_SQLITE);
        let of = |place: &Lane| {
            let values = [
                place.account.0.into(),
                self.now.into(),
                as_limit(LANES),
                place.id.into(),
            ];
            Statement::from_sql_and_values(backend, &sql, values)
        };
        places.iter().map(of).collect()
    }

    /// The oldest due deliveries of lanes, of each at most so many.
    pub async fn oldest_of(self, db: &impl ConnectionTrait, lanes: &[(Lane, u64)]) -> Result<Vec<Due>, DbErr> {
        let mut found = Vec::new();
        for statement in self.oldest_of_statements(db.get_database_backend(), lanes) {
            for row in db.query_all_raw(statement).await? {
                found.push(due(&row)?);
            }
        }
        Ok(found)
    }

    /// The statements of [`Self::oldest_of`], for tests of how they are planned.
    pub fn oldest_of_statements(self, backend: DatabaseBackend, lanes: &[(Lane, u64)]) -> Vec<Statement> {
        if backend == DatabaseBackend::Postgres {
            let column = |kind: ArrayType, of: &dyn Fn(&(Lane, u64)) -> Value| {
                Value::Array(kind, Some(Box::new(lanes.iter().map(of).collect())))
            };
            let values = [
                column(ArrayType::Uuid, &|(lane, _)| lane.account.0.into()),
                column(ArrayType::Uuid, &|(lane, _)| lane.id.into()),
                column(ArrayType::BigInt, &|(_, most)| as_limit(*most)),
                self.now.into(),
            ];
            return vec![Statement::from_sql_and_values(backend, self.filled(OLDEST_OF), values)];
        }
        let sql = self.filled(OLDEST_OF_SQLITE);
        let of = |(lane, most): &(Lane, u64)| {
            let values = [lane.account.0.into(), lane.id.into(), as_limit(*most), self.now.into()];
            Statement::from_sql_and_values(backend, &sql, values)
        };
        lanes.iter().map(of).collect()
    }

    /// The conditions are those of the partial indexes, as text: with a parameter in place of a state neither database sees that
    /// an index serves.
    fn filled(self, sql: &str) -> String {
        let waiting = |of: &str| {
            let status = status(self.retries).to_value();
            format!("{of}status IN ('QUEUED', 'RETRYING') AND {of}suspended_for IS NULL AND {of}status = '{status}'")
        };
        let channels: Vec<String> = Channel::iter()
            .map(|channel| format!("'{}'", channel.to_value()))
            .collect();
        sql.replace("{waiting}", &waiting(""))
            .replace("{n.waiting}", &waiting("n."))
            .replace("{lane}", &lane(""))
            .replace("{n.lane}", &lane("n."))
            .replace("{channels}", &channels.join(", "))
            .replace("{open_circuit}", &open_circuit("$1"))
            .replace("{open_circuit.2}", &open_circuit("$2"))
    }
}

/// Nothing is sent to the endpoint `e` at that time.
fn open_circuit(now: &str) -> String {
    format!("(e.open_reason IN ('FAILING', 'GONE') OR (e.open_reason = 'THROTTLED' AND e.open_until > {now}))")
}

fn from_the_first(accounts: &[AccountId]) -> Vec<Lane> {
    let first = |account: &AccountId| Lane {
        account: *account,
        id: Uuid::nil(),
    };
    accounts.iter().map(first).collect()
}

fn as_limit(most: u64) -> Value {
    i64::try_from(most).unwrap_or(i64::MAX).into()
}

fn due(row: &QueryResult) -> Result<Due, DbErr> {
    let account_id = AccountId(row.try_get("", "account_id")?);
    Ok(Due {
        id: DeliveryId(row.try_get("", "id")?),
        account_id,
        due_at: row.try_get("", "due_at")?,
        lane: Lane {
            account: account_id,
            id: row.try_get("", "lane")?,
        },
        channel: row.try_get("", "channel")?,
        partner_id: row.try_get::<Option<Uuid>>("", "partner_id")?.map(PartnerId),
        buyer_account_id: row.try_get::<Option<Uuid>>("", "buyer_account_id")?.map(AccountId),
    })
}

/// Whether something is due is asked before the limit counts: lanes where all waits for tomorrow take no place of others.
const HEADS: &str = "
SELECT d.* FROM UNNEST($1::uuid[], $4::uuid[]) AS a (id, place)
CROSS JOIN LATERAL (
    WITH RECURSIVE behind (lane) AS (
        SELECT (SELECT {lane} FROM delivery WHERE {waiting} AND account_id = a.id AND {lane} > a.place
            ORDER BY {lane} LIMIT 1)
        UNION ALL
        SELECT (SELECT {lane} FROM delivery WHERE {waiting} AND account_id = a.id AND {lane} > behind.lane
            ORDER BY {lane} LIMIT 1) FROM behind WHERE behind.lane IS NOT NULL
    ), before (lane) AS (
        SELECT (SELECT {lane} FROM delivery WHERE {waiting} AND account_id = a.id AND {lane} <= a.place
            ORDER BY {lane} LIMIT 1)
        UNION ALL
        SELECT (SELECT {lane} FROM delivery WHERE {waiting} AND account_id = a.id AND {lane} > before.lane
            AND {lane} <= a.place ORDER BY {lane} LIMIT 1) FROM before WHERE before.lane IS NOT NULL
    )
    SELECT first.* FROM (SELECT lane FROM behind UNION ALL SELECT lane FROM before) l
    CROSS JOIN LATERAL (
        SELECT id, account_id, channel, partner_id, buyer_account_id, due_at, l.lane AS lane FROM delivery
        WHERE {waiting} AND account_id = a.id AND {lane} = l.lane AND due_at <= $2 ORDER BY due_at LIMIT 1
    ) first
    WHERE first.channel IN ({channels}) AND NOT EXISTS (SELECT 1 FROM endpoint e
        WHERE e.id = l.lane AND e.account_id = a.id AND {open_circuit.2})
    LIMIT $3
) d";

const HEADS_SQLITE: &str = "
WITH RECURSIVE behind (lane) AS (
    SELECT (SELECT {lane} FROM delivery WHERE {waiting} AND account_id = $1 AND {lane} > $4 ORDER BY {lane} LIMIT 1)
    UNION ALL
    SELECT (SELECT {lane} FROM delivery WHERE {waiting} AND account_id = $1 AND {lane} > behind.lane
        ORDER BY {lane} LIMIT 1) FROM behind WHERE behind.lane IS NOT NULL
), before (lane) AS (
    SELECT (SELECT {lane} FROM delivery WHERE {waiting} AND account_id = $1 AND {lane} <= $4 ORDER BY {lane} LIMIT 1)
    UNION ALL
    SELECT (SELECT {lane} FROM delivery WHERE {waiting} AND account_id = $1 AND {lane} > before.lane AND {lane} <= $4
        ORDER BY {lane} LIMIT 1) FROM before WHERE before.lane IS NOT NULL
)
SELECT d.id, d.account_id, d.channel, d.partner_id, d.buyer_account_id, d.due_at, l.lane AS lane
FROM (SELECT lane FROM behind UNION ALL SELECT lane FROM before) l
CROSS JOIN delivery d
WHERE d.id = (SELECT n.id FROM delivery n WHERE {n.waiting} AND n.account_id = $1 AND {n.lane} = l.lane
        AND n.due_at <= $2 ORDER BY n.due_at LIMIT 1)
    AND d.channel IN ({channels}) AND NOT EXISTS (SELECT 1 FROM endpoint e
        WHERE e.id = l.lane AND e.account_id = $1 AND {open_circuit.2})
LIMIT $3";

const OLDEST_OF: &str = "
SELECT d.* FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[]) AS l (account, lane, most)
CROSS JOIN LATERAL (
    SELECT id, account_id, channel, partner_id, buyer_account_id, due_at, l.lane AS lane FROM delivery
    WHERE {waiting} AND account_id = l.account AND {lane} = l.lane AND due_at <= $4 ORDER BY due_at LIMIT l.most
) d
WHERE d.channel IN ({channels})";

const OLDEST_OF_SQLITE: &str = "
SELECT id, account_id, channel, partner_id, buyer_account_id, due_at, {lane} AS lane FROM delivery
WHERE {waiting} AND account_id = $1 AND {lane} = $2 AND due_at <= $4 ORDER BY due_at LIMIT $3";

impl Entity {
    /// How many deliveries are due, counted up to `most` of first and of later attempts, and since when the first of them is.
    pub async fn backlog(
        db: &impl ConnectionTrait,
        now: DateTime<Utc>,
        most: u64,
    ) -> Result<(u64, Option<DateTime<Utc>>), DbErr> {
        let backend = db.get_database_backend();
        let (mut count, mut first) = (0, None);
        for retries in [false, true] {
            let sql = DueQuery { now, retries }.filled(
                "SELECT count(*) AS due, min(due_at) AS first FROM (SELECT due_at FROM delivery
                 WHERE {waiting} AND due_at <= $1 ORDER BY due_at LIMIT $2) backlog",
            );
            let counted = Statement::from_sql_and_values(backend, sql, [now.into(), as_limit(most)]);
            let Some(row) = db.query_one_raw(counted).await? else {
                continue;
            };
            count += row.try_get::<i64>("", "due")?.unsigned_abs();
            let since: Option<DateTime<Utc>> = row.try_get("", "first")?;
            first = first.into_iter().chain(since).min();
        }
        Ok((count.min(most), first))
    }

    /// Parks at most so many due deliveries whose endpoint is held; answers how many.
    pub async fn suspend(db: &impl ConnectionTrait, now: DateTime<Utc>, most: u64) -> Result<u64, DbErr> {
        let mut suspended = 0;
        for retries in [false, true] {
            let statement = DueQuery { now, retries }.suspend_statement(db.get_database_backend(), most);
            suspended += db.execute_raw(statement).await?.rows_affected();
        }
        Ok(suspended)
    }
}

impl DueQuery {
    /// The statement of [`Entity::suspend`], for tests of how it is planned: each lane that is held is read by itself.
    pub fn suspend_statement(self, backend: DatabaseBackend, most: u64) -> Statement {
        let found = if backend == DatabaseBackend::Postgres {
            "SELECT d.id FROM endpoint e CROSS JOIN LATERAL (SELECT id FROM delivery WHERE {waiting}
                AND account_id = e.account_id AND {lane} = e.id AND due_at <= $1 ORDER BY due_at LIMIT $2) d"
        } else {
            "SELECT n.id FROM endpoint e CROSS JOIN delivery n ON {n.waiting}
                AND n.account_id = e.account_id AND {n.lane} = e.id AND n.due_at <= $1"
        };
        let sql = self.filled(&format!(
            "UPDATE delivery SET suspended_for = CASE channel WHEN 'EMAIL' THEN account_id ELSE settings_id END
             WHERE id IN ({found} WHERE e.open_reason IS NOT NULL AND {{open_circuit}} LIMIT $2)
                AND status IN ('QUEUED', 'RETRYING') AND suspended_for IS NULL"
        ));
        Statement::from_sql_and_values(backend, sql, [self.now.into(), as_limit(most)])
    }
}

fn status(retries: bool) -> DeliveryStatus {
    if retries {
        DeliveryStatus::Retrying
    } else {
        DeliveryStatus::Queued
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_share_the_slots_of_their_accounts_mail_server_and_those_of_no_buyer() {
        let (account, partner) = (AccountId(Uuid::from_u128(1)), PartnerId(Uuid::from_u128(2)));
        let to = |channel| destination(channel, account, Some(partner), None);
        assert_eq!(to(Channel::Email), Destination::MailServer(account));
        assert_eq!(to(Channel::Webhook), Destination::Partner(partner));
        let into_it = destination(Channel::Account, AccountId(Uuid::from_u128(3)), None, Some(account));
        assert_eq!(into_it, Destination::Buyer(account));
        assert_ne!(into_it, to(Channel::Email));
    }
}
