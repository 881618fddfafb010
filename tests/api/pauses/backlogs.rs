//! Of a backlog only as much is read as is taken, whoever's it is: how the statements are planned at 100,000 due deliveries
//! (fault 23).

use std::sync::Arc;

use entity::due::{DueQuery, Lane};
use entity::ids::AccountId;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::support::app::{Mode, TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::ana;

const BACKLOG: u64 = 100_000;
/// What a look may ask for at once.
const MOST: u64 = 64;
/// Index entries and rows that a statement may touch: what it answers, and some for each lane and account that it passes.
const TOUCHED: f64 = 200.0;

/// Repeats the one delivery of an account so often, in that state, due a little earlier each.
pub(super) fn copies(mode: Mode, account: &str, (count, status): (u64, &str)) -> String {
    let (numbers, id, due) = match mode {
        Mode::Server => (
            format!("generate_series(1, {count}) AS n (i)"),
            "gen_random_uuid()",
            "d.created_at - i * interval '1 millisecond'",
        ),
        Mode::Embedded => (
            format!(
                "(WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {count}) SELECT i FROM c) AS n"
            ),
            "randomblob(16)",
            "d.created_at",
        ),
    };
    format!(
        "INSERT INTO delivery (id, account_id, lead_id, flow_id, step_id, profile_id, assignment_id, partner_id, settings_id, channel,
             status, test, attempt_count, attempts_before, budget_since, due_at, reservations, created_at)
         SELECT {id}, d.account_id, {id}, d.flow_id, d.step_id, d.profile_id, d.assignment_id, d.partner_id, d.settings_id, d.channel,
             '{status}', d.test, 0, 0, d.budget_since, {due}, d.reservations, d.created_at
         FROM (SELECT * FROM delivery WHERE account_id = {account} LIMIT 1) d, {numbers}"
    )
}

/// Entries and rows that a plan has touched, and the tables that were read from end to end. The plan is that of `PostgreSQL` after
/// the statement has run.
fn touched(plan: &Value, whole: &mut Vec<String>) -> f64 {
    let number = |name: &str| plan[name].as_f64().unwrap_or_default();
    let node = plan["Node Type"].as_str().unwrap_or_default();
    if node == "Seq Scan" && plan["Relation Name"] == "delivery" {
        whole.push(plan.to_string());
    }
    let reads = if node.contains("Scan") && node != "CTE Scan" && node != "Function Scan" {
        (number("Actual Rows") + number("Rows Removed by Filter") + number("Rows Removed by Index Recheck"))
            * number("Actual Loops")
    } else {
        0.0
    };
    let below = plan["Plans"].as_array().into_iter().flatten();
    reads + below.map(|plan| touched(plan, whole)).sum::<f64>()
}

async fn check_plan(app: &TestApp, what: &str, statement: Statement) {
    let db = app.app.db.write();
    let backend = db.get_database_backend();
    let explain = if app.mode == Mode::Server {
        "EXPLAIN (ANALYZE, FORMAT JSON) "
    } else {
        "EXPLAIN QUERY PLAN "
    };
    let sql = format!("{explain}{}", statement.sql);
    let explained = Statement::from_sql_and_values(backend, sql, statement.values.unwrap());
    let rows = db.query_all_raw(explained).await.unwrap();
    if app.mode == Mode::Server {
        let plan: Value = rows[0].try_get("", "QUERY PLAN").unwrap();
        let mut whole = Vec::new();
        let read = touched(&plan[0]["Plan"], &mut whole);
        assert!(
            read <= TOUCHED && whole.is_empty(),
            "{what} reads {read} rows: {plan:#}"
        );
    } else {
        let details: Vec<String> = rows.iter().map(|row| row.try_get("", "detail").unwrap()).collect();
        for detail in details
            .iter()
            .filter(|detail| detail.contains("delivery") || detail.contains(" n "))
        {
            let by_place = detail.contains("USING INDEX delivery_due_state (status=? AND due_at<?)")
                || detail.contains("delivery_due_lane (status=?")
                || detail.contains("sqlite_autoindex_delivery_1 (id=?)");
            assert!(by_place && detail.contains("SEARCH"), "{what}: {details:#?}");
        }
        assert!(
            !details
                .iter()
                .any(|detail| detail.contains("TEMP B-TREE") && !what.contains("oldest")),
            "{what}: {details:#?}"
        );
    }
}

/// The identifier of an account as a literal of SQL.
pub(super) fn literal(mode: Mode, account: AccountId) -> String {
    match mode {
        Mode::Server => format!("'{}'", account.0),
        Mode::Embedded => format!("x'{}'", account.0.simple()),
    }
}

both!(
    /// One account has a hundred thousand deliveries due for one destination, another has none. Whatever is asked, no more is
    /// read than is answered.
    a_backlog_is_not_read_to_find_what_else_is_due,
    ["--concurrency", "16", "--destination-concurrency", "4"],
    |app| {
        let mut app = app;
        let (slow, quick) = (HttpReceiver::start().await, HttpReceiver::start().await);
        let permits = Arc::new(Semaphore::new(1));
        slow.answer(Answer::status(200).hold(permits.clone()));
        let (big, small) = (app.account_by_key("Big").await, app.account_by_key("Small").await);
        let (to_slow, to_quick) = (app.to_all(&big).await, app.to_all(&small).await);
        app.behind(&big, &to_slow, "P", &slow).await;
        app.behind(&small, &to_quick, "Q", &quick).await;
        app.submit(&big, &to_slow.flow, ana()).await;
        app.submit(&small, &to_quick.flow, ana()).await;
        slow.wait_for(1).await;
        quick.wait_for(1).await;
        app.stop().await;

        let (big_id, small_id): (AccountId, AccountId) = (big.id.parse().unwrap(), small.id.parse().unwrap());
        let db = app.app.db.write();
        db.execute_unprepared(&copies(app.mode, &literal(app.mode, big_id), (BACKLOG, "QUEUED"))).await.unwrap();
        if app.mode == Mode::Server {
            db.execute_unprepared("ANALYZE delivery").await.unwrap();
        }
        let (backend, now) = (db.get_database_backend(), app.clock.now());
        for retries in [false, true] {
            let query = DueQuery { now, retries };
            check_plan(&app, "the oldest", query.oldest_statement(backend, MOST)).await;
            check_plan(&app, "accounts", query.accounts_statement(backend)).await;
            for statement in query.heads_statements(backend, &[big_id, small_id]) {
                check_plan(&app, "heads", statement).await;
            }
            check_plan(&app, "parking", query.suspend_statement(backend, MOST)).await;
        }
        let query = DueQuery { now, retries: false };
        let heads = query.heads(db, &[big_id, small_id]).await.unwrap();
        let lanes: Vec<(Lane, u64)> = heads.iter().map(|head| (head.lane, 8)).collect();
        assert_eq!(lanes.len(), 1);
        for statement in query.oldest_of_statements(backend, &lanes) {
            check_plan(&app, "the oldest of lanes", statement).await;
        }
        assert_eq!(query.oldest_of(db, &lanes).await.unwrap().len(), 8);
        let none = DueQuery { now, retries: true };
        assert!(none.oldest(db, MOST).await.unwrap().open.is_empty());
    }
);
