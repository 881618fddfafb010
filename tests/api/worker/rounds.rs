//! Backlogs that are longer than a claim reads: accounts late in the order of identifiers get their turn.

use std::collections::BTreeSet;

use entity::due::{DueQuery, LANES, Lane};
use entity::ids::AccountId;
use sea_orm::ConnectionTrait;
use serde_json::json;
use uuid::Uuid;

use crate::support::app::{Mode, TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{ana, webhook_with};
use crate::support::wait::until;

/// More lanes of one account than a look sees.
const MANY_LANES: u64 = 1_200;
/// More accounts than a look sees.
const MANY_ACCOUNTS: u64 = 5_000;

/// What copies of a delivery have in place of what it has.
enum Each {
    /// A lane of its own.
    Lane,
    /// An account of its own.
    Account,
    /// Nothing.
    Alike,
}

/// Repeats the first delivery of an account so often, to be retried now or in a month. What each has of its own is a number, which comes
/// early in the order of identifiers.
fn copies(mode: Mode, of: AccountId, (each, count): (Each, u64), due_now: bool) -> String {
    let later = match (mode, due_now) {
        (_, true) => "d.created_at",
        (Mode::Server, false) => "d.created_at + interval '30 days'",
        (Mode::Embedded, false) => "'9999' || substr(d.created_at, 5)",
    };
    let (numbers, id, number, of) = match mode {
        Mode::Server => (
            format!("generate_series(1, {count}) AS n (i)"),
            "gen_random_uuid()",
            "lpad(to_hex(i), 32, '0')::uuid",
            format!("'{}'", of.0),
        ),
        Mode::Embedded => (
            format!(
                "(WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {count}) SELECT i FROM c) AS n"
            ),
            "randomblob(16)",
            "unhex(printf('%032x', i))",
            format!("x'{}'", of.0.simple()),
        ),
    };
    let (account, settings) = match each {
        Each::Lane => ("d.account_id", number),
        Each::Account => (number, "d.settings_id"),
        Each::Alike => ("d.account_id", "d.settings_id"),
    };
    format!(
        "INSERT INTO delivery (id, account_id, lead_id, flow_id, step_id, profile_id, assignment_id, partner_id, settings_id, channel,
             status, test, attempt_count, attempts_before, budget_since, due_at, reservations, created_at)
         SELECT {id}, {account}, {id}, d.flow_id, d.step_id, d.profile_id, d.assignment_id, d.partner_id, {settings}, d.channel,
             'RETRYING', d.test, 0, 0, d.budget_since, {later}, d.reservations, d.created_at
         FROM (SELECT * FROM delivery WHERE account_id = {of} LIMIT 1) d, {numbers}"
    )
}

impl TestApp {
    /// A stopped app in which one delivery waits for a retry.
    async fn stopped_with_one(&mut self) -> AccountId {
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::status(503));
        let owner = self.account("Acme").await;
        let (flow, ..) = self.flow_to(&owner, webhook_with(&receiver.url("/"), json!({}))).await;
        self.submit(&owner, &flow, ana()).await;
        until("it waits", async || {
            self.standing_at(entity::delivery::DeliveryStatus::Retrying).await == 1
        })
        .await;
        self.stop().await;
        owner.id.parse().unwrap()
    }

    async fn run(&self, sql: &str) {
        self.app.db.write().execute_unprepared(sql).await.unwrap();
    }

    fn query(&self) -> DueQuery {
        DueQuery {
            now: self.clock.now() + chrono::TimeDelta::hours(1),
            retries: true,
        }
    }
}

both!(
    /// Looks go on behind what the last one has seen, and round.
    lanes_beyond_what_one_look_sees_are_seen_by_the_next,
    |app| {
        let mut app = app;
        let account = app.stopped_with_one().await;
        app.run(&copies(app.mode, account, (Each::Lane, MANY_LANES), true)).await;
        let (mut seen, mut place) = (BTreeSet::new(), Uuid::nil());
        for look in 1..=3 {
            let heads = app.query().heads_from(app.app.db.read(), &[Lane { account, id: place }]).await.unwrap();
            assert_eq!(heads.len() as u64, LANES, "look {look}");
            let lanes: BTreeSet<Uuid> = heads.iter().map(|head| head.lane.id).collect();
            assert_eq!(lanes.len() as u64, LANES, "each once");
            seen.extend(lanes);
            place = heads.last().unwrap().lane.id;
        }
        assert_eq!(seen.len() as u64, MANY_LANES + 1, "all of them, and round");
    }
);

both!(
    /// What waits for tomorrow takes no place of what is due, however early it comes in the order.
    lanes_where_nothing_is_due_take_no_place,
    |app| {
        let mut app = app;
        let account = app.stopped_with_one().await;
        app.run(&copies(app.mode, account, (Each::Lane, MANY_LANES), false)).await;
        let heads = app.query().heads(app.app.db.read(), &[account]).await.unwrap();
        assert_eq!(heads.len(), 1, "the one that is due");
    }
);

both!(
    /// Thousands of accounts whose deliveries are due tomorrow, and one with a backlog for a destination that is full, come before one
    /// in the order of identifiers: its delivery is made all the same.
    an_account_that_comes_last_in_the_order_gets_its_turn,
    ["--concurrency", "4", "--destination-concurrency", "1"],
    |app| {
        let mut app = app;
        let account = app.stopped_with_one().await;
        app.run(&copies(app.mode, account, (Each::Account, MANY_ACCOUNTS), false)).await;
        app.restart().await;
        let (slow, quick) = (HttpReceiver::start().await, HttpReceiver::start().await);
        let permits = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
        slow.answer(Answer::status(503));
        quick.answer(Answer::status(503));
        let (big, last) = (app.account_by_key("Big").await, app.account_by_key("Last").await);
        let many = webhook_with(&slow.url("/"), json!({ "timeoutMs": 60_000 }));
        let (to_slow, ..) = app.flow_to(&big, many).await;
        let (to_quick, ..) = app.flow_to(&last, webhook_with(&quick.url("/"), json!({}))).await;
        // Not so many that the endpoint is paused; then as many more as keep a look busy.
        for _ in 0..4 {
            app.submit(&big, &to_slow, ana()).await;
        }
        app.submit(&last, &to_quick, ana()).await;
        until("all wait for a retry", async || {
            let rows = app.rows().await;
            rows.iter().filter(|row| row.attempt_count == 1 && row.lease_owner.is_none()).count() == 6
        })
        .await;
        slow.answer(Answer::status(200).hold(permits.clone()));
        quick.answer(Answer::status(200));
        let big_id: AccountId = big.id.parse().unwrap();
        app.run(&copies(app.mode, big_id, (Each::Alike, 200), true)).await;
        app.advance(chrono::TimeDelta::minutes(1));
        quick.wait_for(2).await;
        permits.add_permits(1_000);
    }
);
