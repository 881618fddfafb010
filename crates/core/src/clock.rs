//! The one place where time comes from, and identifiers with it.
//!
//! Processes that share a database share its clock: what one writes as due or leased, another compares. Each measures how far the
//! database's clock is from its own monotonic one, and goes by the database's. The machine's own clock, which may be wrong and
//! may be set while the process runs, then counts for nothing. Embedded there is one process, and the machine's clock is the
//! only one.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Duration, SubsecRound, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// The current time: the database's where one is followed, else the machine's, or as a test has set it.
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
    /// What the database's clock is measured against: it never jumps.
    began: Instant,
    /// Microseconds by which tests move what the machine's clock shows.
    moved: AtomicI64,
    followed: AtomicBool,
    /// The database's time in microseconds since 1970, at `began`.
    database: AtomicI64,
    /// Microseconds by which the machine's clock was ahead of the database's when they were last compared.
    ahead: AtomicI64,
    /// Held while a measurement is taken in.
    measuring: Mutex<()>,
}

/// One look at the database's clock.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Before it was asked.
    pub asked: Instant,
    /// After it had answered.
    pub answered: Instant,
    /// What it showed at some moment between the two.
    pub showed: DateTime<Utc>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::system_ahead_by(Duration::zero())
    }

    /// The clock of a machine that is ahead of the others by so much, for tests.
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

    /// A clock that stands still until it is moved. For the tests that use it, it is the database's.
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

    /// Now, in whole microseconds: what every database keeps.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.source {
            Source::Standing(set) => of_micros(set.load(Ordering::SeqCst)),
            Source::Running(running) => running.now(),
        }
    }

    /// Whether it is to be compared with the database's clock: not one that stands.
    pub fn runs(&self) -> bool {
        matches!(self.source, Source::Running(_))
    }

    /// Follows the database's clock from now on, as that sample says. What is known already is changed by no more than the sample
    /// demands: a slow answer, which tells little, changes little, and no answer sets the time back for its slowness.
    pub fn follow(&self, sample: Sample) {
        if let Source::Running(running) = &self.source {
            running.follow(sample);
        }
    }

    /// By how much this machine's clock was ahead of the database's when they were last compared; negative when it was behind.
    pub fn ahead(&self) -> Duration {
        match &self.source {
            Source::Standing(_) => Duration::zero(),
            Source::Running(running) => Duration::microseconds(running.ahead.load(Ordering::SeqCst)),
        }
    }

    /// A new identifier that sorts after all that this clock has given before in the same or an earlier millisecond.
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

    /// What the machine's clock shows.
    fn machine(&self) -> DateTime<Utc> {
        (system_now() + Duration::microseconds(self.moved.load(Ordering::SeqCst))).trunc_subsecs(6)
    }

    fn follow(&self, sample: Sample) {
        let _one_at_a_time = self.measuring.lock().unwrap_or_else(PoisonError::into_inner);
        let showed = sample.showed.timestamp_micros();
        // It showed that time at the latest when it answered, and at the earliest when it was asked.
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

    /// Microseconds from the beginning until then.
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
