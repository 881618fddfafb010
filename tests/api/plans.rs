//! What the planner of each database chooses for the statements that run often, among 100,000 leads and as many deliveries. A
//! statement that reads a whole history is found here, and not by a clock.
//!
//! To add a statement, add a [`Case`] to [`cases`]: the statement as the code builds it, and the indexes by which it may be found. Rows
//! that it needs are made in `plans/history.rs`.

mod history;

use entity::delivery::{self, DeliveryStatus};
use entity::ids::{AccountId, ConnectionId, DeliveryId, FlowId, LeadId, PartnerId, SourceId};
use entity::retryable::Page;
use entity::{delivery_attempt, duplicate_memory, erasure_notice, event, idempotency, lead, lead_event};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Statement,
};

use crate::support::app::{TestApp, both};
use history::{ACCOUNT, CONNECTION, FLOW, PARTNER, SMALL_ACCOUNT, SOURCE, delivery_id, id, lead_id, make, time};

/// A statement, and by which index its rows have to be found; on either database one of these is enough.
struct Case {
    name: &'static str,
    statement: Statement,
    by: &'static [&'static str],
}

/// `SQLite` names the indexes of its constraints by their place in the table.
const DELIVERY_KEY: &[&str] = &["delivery_pkey", "sqlite_autoindex_delivery_1"];
const DELIVERY_OF_LEAD: &[&str] = &["delivery_lead_id_partner_id_key", "sqlite_autoindex_delivery_2"];

both!(
    /// Without figures (on SQLite: a young database, or one that was never looked at), and with them.
    hot_statements_are_found_by_their_index,
    |app| {
        let mut app = app;
        // No worker takes what is due.
        app.stop().await;
        make(&app).await;
        let backend = app.app.db.write().get_database_backend();
        if backend == DatabaseBackend::Postgres {
            app.app.db.write().execute_unprepared("ANALYZE").await.unwrap();
        } else {
            check(&app, "without figures").await;
        }
        app.app.db.sample().await.unwrap();
        check(&app, "with figures").await;
        if backend == DatabaseBackend::Sqlite {
            let counted = "SELECT count(*) AS n FROM sqlite_stat1 WHERE tbl = 'delivery'";
            let counted = Statement::from_string(backend, counted);
            let row = app.app.db.write().query_one_raw(counted).await.unwrap().unwrap();
            assert!(row.try_get::<i64>("", "n").unwrap() > 0, "nothing was looked at");
        }
    }
);

async fn check(app: &TestApp, how: &str) {
    let mut wrong = Vec::new();
    for Case { name, statement, by } in cases(app) {
        let ends_early = statement.sql.contains("LIMIT");
        let plan = plan(app, statement).await;
        // What is read as a whole, on either database.
        let whole = plan
            .lines()
            .any(|line| line.contains("Seq Scan on") || is_whole_scan(line, ends_early));
        let found = by.iter().any(|index| plan.lines().any(|line| names(line, index)));
        if whole || !found {
            wrong.push(format!("{name}, {how}: not by {by:?}, but\n{plan}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `SCAN delivery` of `SQLite`: also by an index, unless that gives the order in which a page ends early.
fn is_whole_scan(line: &str, ends_early: bool) -> bool {
    let in_order = ends_early && line.contains("USING INDEX");
    line.trim().starts_with("SCAN ") && !line.contains("CONSTANT ROW") && !in_order
}

/// Whether a line of a plan names an index, and not one that begins so.
fn names(line: &str, index: &str) -> bool {
    line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .any(|word| word == index)
}

/// What the planner says.
async fn plan(app: &TestApp, statement: Statement) -> String {
    let postgres = statement.db_backend == DatabaseBackend::Postgres;
    let (explain, column) = if postgres {
        ("EXPLAIN", "QUERY PLAN")
    } else {
        ("EXPLAIN QUERY PLAN", "detail")
    };
    let explained = Statement {
        sql: format!("{explain} {}", statement.sql),
        ..statement
    };
    let rows = app.app.db.write().query_all_raw(explained).await.unwrap();
    let lines = rows.iter().map(|row| row.try_get::<String>("", column).unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

fn cases(app: &TestApp) -> Vec<Case> {
    [deliveries(app), retries(app), intake(app), lists(app)]
        .into_iter()
        .flatten()
        .collect()
}

/// One lead's, and what ends with a connection.
fn deliveries(app: &TestApp) -> Vec<Case> {
    let db = app.app.db.write();
    let backend = db.get_database_backend();
    let (account, connection): (AccountId, ConnectionId) = (id(ACCOUNT), id(CONNECTION));
    let some: Vec<DeliveryId> = (1..=250).map(delivery_id).collect();
    let (late, lead) = (time(99_000), lead_id(4_711));
    let by_lead = delivery::Entity::of_lead(account, lead);
    vec![
        Case {
            name: "deliveries of a lead",
            statement: by_lead.clone().build(backend),
            by: DELIVERY_OF_LEAD,
        },
        Case {
            name: "deliveries of a lead, locked in order",
            statement: by_lead
                .order_by_asc(delivery::Column::Id)
                .lock_exclusive()
                .build(backend),
            by: DELIVERY_OF_LEAD,
        },
        Case {
            name: "deliveries of a page of leads",
            statement: delivery::Entity::of_leads(account, (1..=20).map(lead_id)).build(backend),
            by: DELIVERY_OF_LEAD,
        },
        Case {
            name: "what is open over a connection",
            statement: delivery::Entity::open_over(connection, 250).build(backend),
            by: &["delivery_connection_open"],
        },
        Case {
            name: "what waits in vain over a connection",
            statement: delivery::Entity::not_ready_over(connection, late, 250).build(backend),
            by: &["delivery_connection_not_ready"],
        },
        Case {
            name: "what is cancelled over a connection",
            statement: delivery::Entity::cancellable_over(db, connection, some, late).build(backend),
            // Each with the identifiers as a bound.
            by: &[
                "delivery_pkey",
                "sqlite_autoindex_delivery_1",
                "delivery_connection",
                "delivery_connection_open",
            ],
        },
        Case {
            name: "attempts of deliveries",
            statement: delivery_attempt::Entity::of_deliveries((1..=20).map(delivery_id)).build(backend),
            by: &["delivery_attempt_pkey", "sqlite_autoindex_delivery_attempt_1"],
        },
        Case {
            name: "notes of a lead's timeline",
            statement: lead_event::Entity::of_lead(account, lead).build(backend),
            by: &["lead_event_lead"],
        },
        Case {
            name: "notices of an erased lead",
            statement: erasure_notice::Entity::of_lead(account, lead).build(backend),
            by: &["erasure_notice_lead"],
        },
    ]
}

fn retries(app: &TestApp) -> Vec<Case> {
    let db = app.app.db.write();
    let backend = db.get_database_backend();
    let (account, partner): (AccountId, PartnerId) = (id(ACCOUNT), id(PARTNER));
    let some: Vec<DeliveryId> = (1..=200).map(delivery_id).collect();
    let page = |status| Page {
        status,
        after: Some(delivery_id(1_000)),
        most: 1_000,
    };
    let of_account = |status| {
        let among = delivery::Entity::in_account(account);
        delivery::Entity::retryable(among, page(status), false, time(50_000)).build(backend)
    };
    let case = |name, status| Case {
        name,
        statement: of_account(status),
        by: &["delivery_retryable"],
    };
    let to_partner = delivery::Entity::in_account(account).filter(delivery::Column::PartnerId.eq(partner));
    let to_partner = delivery::Entity::retryable(to_partner, page(DeliveryStatus::Failed), false, time(50_000));
    let of_lead = delivery::Entity::of_lead(account, lead_id(4_711));
    let of_lead = delivery::Entity::retryable(of_lead, page(DeliveryStatus::Failed), true, time(50_000));
    let gone = delivery::Entity::still_retryable(db, some, &[DeliveryStatus::Failed], time(50_000));
    vec![
        case("what has failed and may be tried again", DeliveryStatus::Failed),
        case("what waits for a retry", DeliveryStatus::Retrying),
        case("what was cancelled and may be tried again", DeliveryStatus::Cancelled),
        case("what was refused and may be tried again", DeliveryStatus::Refused),
        Case {
            name: "what has failed of a partner",
            statement: to_partner.build(backend),
            by: &["delivery_retryable_partner", "delivery_retryable"],
        },
        Case {
            name: "what has failed of a lead",
            statement: of_lead.build(backend),
            by: DELIVERY_OF_LEAD,
        },
        Case {
            name: "what is tried again, locked",
            statement: gone.build(backend),
            by: DELIVERY_KEY,
        },
    ]
}

fn intake(app: &TestApp) -> Vec<Case> {
    let db = app.app.db.write();
    let backend = db.get_database_backend();
    let (flow, source): (FlowId, SourceId) = (id(FLOW), id(SOURCE));
    let keys: Vec<String> = (1..=256).map(|n| format!("key-{n}")).collect();
    let forgotten = keys.iter().take(200).map(|key| (flow, key.clone()));
    const MEMORY: &[&str] = &["duplicate_memory_pkey", "sqlite_autoindex_duplicate_memory_1"];
    const KEYS: &[&str] = &["idempotency_pkey", "sqlite_autoindex_idempotency_1"];
    vec![
        Case {
            name: "duplicates of a batch",
            statement: duplicate_memory::Entity::locked(db, [flow], keys.clone()).build(backend),
            by: MEMORY,
        },
        Case {
            name: "duplicates that were not accepted",
            statement: duplicate_memory::Entity::forget(forgotten).build(backend),
            by: MEMORY,
        },
        Case {
            name: "what an erased lead left among duplicates",
            statement: duplicate_memory::Entity::forget_lead(flow, lead_id(4_711)).build(backend),
            by: &["duplicate_memory_lead"],
        },
        Case {
            name: "idempotency keys of a batch",
            statement: idempotency::Entity::with_keys(db, [source], keys).build(backend),
            by: KEYS,
        },
        Case {
            name: "the content of an idempotency key",
            statement: idempotency::Entity::forget_content(source, "key-1").build(backend),
            by: KEYS,
        },
        Case {
            name: "idempotency keys that are over",
            statement: idempotency::Entity::forget_before(time(100)).build(backend),
            by: &["idempotency_age"],
        },
        Case {
            name: "the part of idempotency keys that is forgotten first",
            statement: idempotency::Entity::at_place(5_000).limit(1).build(backend),
            by: &["idempotency_age"],
        },
    ]
}

/// First pages, newest first, of an account that has few among the many of another.
fn lists(app: &TestApp) -> Vec<Case> {
    let backend = app.app.db.write().get_database_backend();
    let account: AccountId = id(SMALL_ACCOUNT);
    let leads = lead::Entity::in_account(account)
        .order_by_desc(lead::Column::Id)
        .limit(21);
    let deliveries = delivery::Entity::in_account(account).order_by_desc(delivery::Column::Id);
    let one: LeadId = lead_id(4_711);
    let found = lead::Entity::in_account(id(ACCOUNT)).filter(lead::Column::EmailKey.is_in(["ana4711@example.com"]));
    let got = delivery::Entity::to_buyer(account, delivery_id(4_707));
    vec![
        Case {
            name: "the first page of leads",
            statement: leads.build(backend),
            by: &["lead_account"],
        },
        Case {
            name: "the first page of deliveries",
            statement: deliveries.limit(21).build(backend),
            by: &["delivery_account"],
        },
        Case {
            name: "a lead by its identifier",
            statement: lead::Entity::for_worker([one]).build(backend),
            by: &["lead_pkey", "sqlite_autoindex_lead_1"],
        },
        Case {
            name: "a lead by its email address",
            statement: found.build(backend),
            by: &["lead_email"],
        },
        Case {
            name: "a delivery by which an account got a lead",
            statement: got.build(backend),
            by: DELIVERY_KEY,
        },
        Case {
            name: "events after a cursor",
            statement: event::Entity::after(id(ACCOUNT), 99_000).limit(100).build(backend),
            by: &["event_pkey", "sqlite_autoindex_event_1"],
        },
    ]
}
