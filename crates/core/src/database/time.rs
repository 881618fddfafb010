//! The database's clock, by which all processes that share the database go; see [`Clock`].

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr, Statement};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Db, Lane};
use crate::clock::{Clock, Sample};

/// Between looks at the database's clock: a clock of its that is set, or a machine that was asleep, is noticed within this.
const EVERY: Duration = Duration::from_secs(1);
/// Looks at the start: the quickest answer says most.
const AT_START: usize = 4;
/// A machine's clock may be off by so much before that is told.
pub const TOLERANCE: TimeDelta = TimeDelta::seconds(2);

/// Makes the clock follow the database's from the start. `SQLite` has none of its own, and a clock that stands is left standing.
pub async fn begin(db: &Db, clock: &Clock) -> Result<(), DbErr> {
    for _ in 0..AT_START {
        compare(db, clock).await?;
    }
    Ok(())
}

/// Compares the clocks until stopped, and tells when the machine's own has become wrong or right.
pub async fn keep(db: Db, clock: Clock, stop: CancellationToken) {
    if !db.is_postgres() || !clock.runs() {
        return;
    }
    // Behind nobody's requests, so that the answer is quick and says much.
    let db = db.by_lane(Lane::Lease);
    let mut look = interval(EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut wrong = false;
    while stop.run_until_cancelled(look.tick()).await.is_some() {
        if let Err(error) = compare(&db, &clock).await {
            // Until it can be asked again the time goes on by the monotonic clock, which loses less than a second in an hour.
            tracing::debug!(%error, "cannot look at the database's clock; the next look will");
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

/// By how much the machine's clock differs from the database's, in words; none while that is within [`TOLERANCE`].
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
    // Not now(), which is when the transaction began.
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
