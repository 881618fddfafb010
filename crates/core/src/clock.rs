//! The only source of time and identifiers.
//!
//! Processes that share a database use its clock, because they compare due times and leases that others wrote. Each process
//! measures the offset between the database's clock and its own monotonic clock. The machine's wall clock, which may be wrong or
//! set while the process runs, is used in embedded mode only, where there is one process.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Duration, SubsecRound, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// The current time: the database's where one is followed, else the machine's, or the time that a test has set.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    sequence: Arc<Mutex<ContextV7>>,
}

#[derive(Clone, Debug)]
enum Source {
    /// Microseconds since 1970.
    Standing(Arc<AtomicI64>),
    Running(Arc<Running>),
}

#[derive(Debug)]
struct Running {
    /// Never jumps.
    began: Instant,
    /// Microseconds by which tests move the machine's clock.
    moved: AtomicI64,
    followed: AtomicBool,
    /// The database's time in microseconds since 1970, at `began`.
    database: AtomicI64,
    /// Microseconds by which the machine's clock was ahead of the database's at the last comparison.
    ahead: AtomicI64,
    /// Held while a sample is taken in.
    measuring: Mutex<()>,
}

/// One look at the database's clock.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub asked: Instant,
    pub answered: Instant,
    /// The database's time at some moment between the two.
    pub showed: DateTime<Utc>,
}

impl Clock {
    pub fn system() -> Self {
        Self::system_ahead_by(Duration::zero())
    }

    /// For tests: the clock of a machine that is ahead of the others.
    pub fn system_ahead_by(moved: Duration) -> Self {
        Self::of(Source::Running(Arc::new(Running {
            began: Instant::now(),
            moved: AtomicI64::new(micros(moved)),
            followed: AtomicBool::new(false),
            database: AtomicI64::new(0),
            ahead: AtomicI64::new(0),
            measuring: Mutex::new(()),
        })))
    }

    /// For tests: a clock that stands until it is moved. It counts as the database's.
    pub fn standing_at(time: DateTime<Utc>) -> Self {
        Self::of(Source::Standing(Arc::new(AtomicI64::new(time.timestamp_micros()))))
    }

    fn of(source: Source) -> Self {
        Self {
            source,
            sequence: Arc::new(Mutex::new(ContextV7::new())),
        }
    }

    /// Moves a standing clock. Of a running one it sets the machine's clock forward or back, as an operator or NTP does.
    pub fn advance(&self, by: Duration) {
        let moved = match &self.source {
            Source::Standing(set) => set,
            Source::Running(running) => &running.moved,
        };
        moved.fetch_add(micros(by), Ordering::SeqCst);
    }

    /// Now, in whole microseconds, which every database stores.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.source {
            Source::Standing(set) => of_micros(set.load(Ordering::SeqCst)),
            Source::Running(running) => running.now(),
        }
    }

    /// Whether the clock is to be compared with the database's.
    pub fn runs(&self) -> bool {
        matches!(self.source, Source::Running(_))
    }

    /// Follows the database's clock from now on. A sample changes what is known by no more than it proves: a slow answer, which
    /// proves little, changes little, and never sets the time back.
    pub fn follow(&self, sample: Sample) {
        if let Source::Running(running) = &self.source {
            running.follow(sample);
        }
    }

    /// By how much the machine's clock was ahead of the database's at the last comparison; negative when behind.
    pub fn ahead(&self) -> Duration {
        match &self.source {
            Source::Standing(_) => Duration::zero(),
            Source::Running(running) => Duration::microseconds(running.ahead.load(Ordering::SeqCst)),
        }
    }

    /// A new identifier. It sorts after all that this clock has given in the same or an earlier millisecond.
    pub fn id<T: From<Uuid>>(&self) -> T {
        let now = self.now();
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        Uuid::new_v7(Timestamp::from_unix(
            &*self.sequence,
            seconds,
            now.timestamp_subsec_nanos(),
        ))
        .into()
    }
}

impl Running {
    fn now(&self) -> DateTime<Utc> {
        if !self.followed.load(Ordering::SeqCst) {
            return self.machine();
        }
        let database = self.database.load(Ordering::SeqCst);
        of_micros(database.saturating_add(self.since(Instant::now())))
    }

    fn machine(&self) -> DateTime<Utc> {
        (system_now() + Duration::microseconds(self.moved.load(Ordering::SeqCst))).trunc_subsecs(6)
    }

    fn follow(&self, sample: Sample) {
        let _one_at_a_time = self.measuring.lock().unwrap_or_else(PoisonError::into_inner);
        let showed = sample.showed.timestamp_micros();
        // The database read its clock between the request and its answer.
        let (least, most) = (
            showed.saturating_sub(self.since(sample.answered)),
            showed.saturating_sub(self.since(sample.asked)),
        );
        let database = if self.followed.load(Ordering::SeqCst) {
            self.database.load(Ordering::SeqCst).clamp(least.min(most), most)
        } else {
            least.midpoint(most)
        };
        self.database.store(database, Ordering::SeqCst);
        self.followed.store(true, Ordering::SeqCst);
        let ahead = (self.machine() - self.now()).num_microseconds();
        self.ahead.store(ahead.unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    fn since(&self, moment: Instant) -> i64 {
        i64::try_from(moment.saturating_duration_since(self.began).as_micros()).unwrap_or(i64::MAX)
    }
}

fn micros(of: Duration) -> i64 {
    of.num_microseconds().unwrap_or(i64::MAX)
}

fn of_micros(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that everything else is told to use"
)]
fn system_now() -> DateTime<Utc> {
    Utc::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_keep_their_order_while_the_clock_stands() {
        let clock = Clock::standing_at(DateTime::UNIX_EPOCH + Duration::days(20_000));
        let ids: Vec<Uuid> = (0..1_000).map(|_| clock.id()).collect();
        assert!(ids.is_sorted() && ids.first() != ids.last());
        clock.advance(Duration::milliseconds(1));
        assert!(clock.id::<Uuid>() > ids[999]);
    }

    fn sample(clock: &Clock, asked: u64, answered: u64, showed: i64) -> Sample {
        let Source::Running(running) = &clock.source else {
            panic!("it stands")
        };
        let at = |millis| running.began + std::time::Duration::from_millis(millis);
        Sample {
            asked: at(asked),
            answered: at(answered),
            showed: DateTime::from_timestamp_millis(showed).unwrap(),
        }
    }

    fn database_at_start(clock: &Clock) -> i64 {
        let Source::Running(running) = &clock.source else {
            panic!("it stands")
        };
        running.database.load(Ordering::SeqCst) / 1_000
    }

    #[test]
    fn a_wrong_clock_goes_by_the_databases_and_tells_how_wrong_it_is() {
        for wrong in [10, 600, -600] {
            let (clock, right) = (Clock::system_ahead_by(Duration::seconds(wrong)), Clock::system());
            assert!((clock.now() - right.now() - Duration::seconds(wrong)).abs() < Duration::seconds(1));
            let asked = Instant::now();
            clock.follow(Sample {
                asked,
                answered: asked,
                showed: right.now(),
            });
            let near = |clock: &Clock| (clock.now() - right.now()).abs() < Duration::seconds(1);
            assert!(near(&clock));
            assert!((clock.ahead() - Duration::seconds(wrong)).abs() < Duration::seconds(1));
            clock.advance(Duration::seconds(-3_600));
            assert!(near(&clock), "set back while it runs");
        }
    }

    #[test]
    fn a_slow_answer_changes_nothing_that_it_does_not_contradict() {
        let clock = Clock::system();
        clock.follow(sample(&clock, 100, 102, 1_000_101));
        assert_eq!(database_at_start(&clock), 1_000_000);
        clock.follow(sample(&clock, 200, 2_200, 1_000_300));
        assert_eq!(database_at_start(&clock), 1_000_000, "within what the slow one allows");
        clock.follow(sample(&clock, 3_000, 3_002, 1_013_001));
        assert_eq!(
            database_at_start(&clock),
            1_009_999,
            "the database's clock was set: as little as is certain"
        );
        clock.follow(sample(&clock, 4_000, 4_002, 403_001));
        assert_eq!(database_at_start(&clock), 399_001, "and back");
    }
}
