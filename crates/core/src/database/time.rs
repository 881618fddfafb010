//! The database's clock, which all processes that share the database use; see [`Clock`].

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr, Statement};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Db, Workload};
use crate::clock::{Clock, Sample};

/// Bounds how late a change of the database's clock, or a machine that slept, is noticed.
const EVERY: Duration = Duration::from_secs(1);
/// Samples at the start: the quickest answer proves most.
const AT_START: usize = 4;
/// Offsets up to this are not reported.
pub const TOLERANCE: TimeDelta = TimeDelta::seconds(2);

/// Makes the clock follow the database's from the start. `SQLite` has no clock of its own, and a standing clock stays as it is.
pub async fn begin(db: &Db, clock: &Clock) -> Result<(), DbErr> {
    for _ in 0..AT_START {
        compare(db, clock).await?;
    }
    Ok(())
}

/// Compares the clocks until stopped, and logs when the machine's clock becomes wrong or right.
pub async fn keep(db: Db, clock: Clock, stop: CancellationToken) {
    if !db.is_postgres() || !clock.runs() {
        return;
    }
    // On a connection of its own: a wait for the pool would make the measurement inexact.
    let db = db.for_workload(Workload::Lease);
    let mut look = interval(EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut wrong = false;
    while stop.run_until_cancelled(look.tick()).await.is_some() {
        if let Err(error) = compare(&db, &clock).await {
            // Until the next measurement the monotonic clock serves, which drifts less than a second in an hour.
            tracing::debug!(%error, "cannot read the database's clock; trying again at the next measurement");
            continue;
        }
        match (wrong, offset(&clock)) {
            (false, Some(offset)) => tracing::error!("{offset}"),
            (true, None) => tracing::info!("this machine's clock agrees with the database's again"),
            _ => continue,
        }
        wrong = !wrong;
    }
}

/// Describes the offset of the machine's clock from the database's; none within [`TOLERANCE`].
pub fn offset(clock: &Clock) -> Option<String> {
    let ahead = clock.ahead();
    let side = if ahead > TimeDelta::zero() {
        "ahead of"
    } else {
        "behind"
    };
    (ahead.abs() > TOLERANCE).then(|| {
        format!(
            "this machine's clock is {:.1} s {side} the database's; deliveries, leases and signatures go by the database's. \
             Let NTP set the clocks of this machine and of the database's",
            ahead.abs().as_seconds_f64()
        )
    })
}

async fn compare(db: &Db, clock: &Clock) -> Result<(), DbErr> {
    if !db.is_postgres() || !clock.runs() {
        return Ok(());
    }
    // Not now(), which is the begin of the transaction.
    let look = Statement::from_string(db.read().get_database_backend(), "SELECT clock_timestamp() AS showed");
    let asked = Instant::now();
    let row = db.read().query_one_raw(look).await?;
    let answered = Instant::now();
    if let Some(row) = row {
        let showed: DateTime<Utc> = row.try_get("", "showed")?;
        clock.follow(Sample {
            asked,
            answered,
            showed,
        });
    }
    Ok(())
}
