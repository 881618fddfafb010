//! How long looks and claims take at a thousand, a hundred thousand and a million due deliveries: `scripts/endure growth`. That their
//! plans read no more of a backlog than they answer is tested beside this; here it is measured.

use std::time::{Duration, Instant};

use entity::delivery;
use entity::due::{DueQuery, Lane};
use entity::ids::{AccountId, DeliveryId};
use entity::worker;
use leadmesh_core::database::Db;
use sea_orm::ConnectionTrait;

use super::backlogs::{copies, literal};
use crate::support::app::{Mode, TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::ana;

/// Half of them wait for their first attempt, half for a later one.
const SIZES: [u64; 3] = [1_000, 100_000, 1_000_000];
/// What a look asks for, and a claim takes.
const MOST: u64 = 64;
const TIMES: usize = 101;
/// Times under this are not told apart from the machine's own noise.
const NOISE: Duration = Duration::from_micros(500);
const RATIO: f64 = 2.0;

both!(
    #[ignore = "takes minutes and a few gigabytes: scripts/endure growth"]
    looks_and_claims_take_as_long_at_a_million_due,
    |mode: Mode| {
        let mut app = TestApp::start_with(mode, &[]).await;
        let receiver = HttpReceiver::start().await;
        receiver.answer(Answer::hang());
        let owner = app.account_by_key("Acme").await;
        let to_all = app.to_all(&owner).await;
        app.behind(&owner, &to_all, "P", &receiver).await;
        app.submit(&owner, &to_all.flow, ana()).await;
        receiver.wait_for(1).await;
        app.stop().await;

        let account: AccountId = owner.id.parse().unwrap();
        let (mut before, mut rows) = (0, Vec::new());
        for size in SIZES {
            for status in ["QUEUED", "RETRYING"] {
                let more = copies(mode, &literal(mode, account), ((size - before) / 2, status));
                app.app.db.write().execute_unprepared(&more).await.unwrap();
            }
            before = size;
            if mode == Mode::Server {
                // As PostgreSQL does by itself after a while.
                app.app
                    .db
                    .write()
                    .execute_unprepared("VACUUM ANALYZE delivery")
                    .await
                    .unwrap();
            }
            app.app.db.sample().await.unwrap();
            rows.push(measure(&app, account).await);
        }
        println!("{mode:?}: medians of {TIMES} at {SIZES:?} due");
        let mut slower = Vec::new();
        for (place, (name, few)) in rows[0].iter().enumerate() {
            let times: Vec<Duration> = rows.iter().map(|row| row[place].1).collect();
            println!(
                "| {name} | {} |",
                times
                    .iter()
                    .map(|time| format!("{time:.2?}"))
                    .collect::<Vec<_>>()
                    .join(" | ")
            );
            let most = few.mul_f64(RATIO) + NOISE;
            if times.iter().any(|time| *time > most) {
                slower.push(format!("{name}: {times:?}"));
            }
        }
        assert!(slower.is_empty(), "{slower:#?}");
    }
);

type Measured = Vec<(String, Duration)>;

async fn measure(app: &TestApp, account: AccountId) -> Measured {
    let (db, now) = (&app.app.db, app.clock.now());
    let mut measured = Vec::new();
    for retries in [false, true] {
        let query = DueQuery { now, retries };
        let what = if retries { "retries" } else { "first attempts" };
        let mut note = |name: &str, time| measured.push((format!("{what}: {name}"), time));
        note(
            "the oldest",
            median(async || drop(query.oldest(db.read(), MOST).await.unwrap())).await,
        );
        note(
            "accounts",
            median(async || drop(query.accounts(db.read()).await.unwrap())).await,
        );
        note(
            "heads of lanes",
            median(async || drop(query.heads(db.read(), &[account]).await.unwrap())).await,
        );
        let heads = query.heads(db.read(), &[account]).await.unwrap();
        let lanes: Vec<(Lane, u64)> = heads.iter().map(|head| (head.lane, MOST)).collect();
        note(
            "the oldest of lanes",
            median(async || drop(query.oldest_of(db.read(), &lanes).await.unwrap())).await,
        );
        let ids: Vec<DeliveryId> = query
            .oldest(db.read(), MOST)
            .await
            .unwrap()
            .open
            .iter()
            .map(|due| due.id)
            .collect();
        assert_eq!(ids.len() as u64, MOST);
        note("a claim", median(async || claim(db, &ids, query).await).await);
    }
    let old = DueQuery {
        now: now - chrono::TimeDelta::days(365),
        retries: true,
    };
    let none = median(async || assert_eq!(old.oldest(db.read(), MOST).await.unwrap().read, 0)).await;
    measured.push(("retries: a look that finds none".to_owned(), none));
    measured
}

/// Claims, and gives back by rolling back.
async fn claim(db: &Db, ids: &[DeliveryId], query: DueQuery) {
    let tx = db.begin().await.unwrap();
    let lease = worker::Lease {
        id: uuid::Uuid::from_u128(7),
        process: uuid::Uuid::from_u128(9),
        lasts: chrono::TimeDelta::seconds(60),
    };
    worker::Entity::take(&*tx, lease, query.now).await.unwrap();
    let claimed = delivery::Entity::claim(&*tx, lease.id, ids.to_vec(), query.now)
        .await
        .unwrap();
    assert_eq!(claimed.len(), ids.len());
    tx.rollback().await.unwrap();
}

async fn median(run: impl AsyncFn()) -> Duration {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let began = Instant::now();
        run().await;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times[TIMES / 2]
}
