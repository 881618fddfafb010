//! The one place where time comes from, and identifiers with it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Duration, SubsecRound, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// The current time, of the system or as a test has set it.
#[derive(Clone, Debug)]
pub struct Clock {
    set: Option<Arc<AtomicI64>>,
    sequence: Arc<Mutex<ContextV7>>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self {
            set: None,
            sequence: Arc::new(Mutex::new(ContextV7::new())),
        }
    }

    /// A clock that stands still until it is moved.
    pub fn standing_at(time: DateTime<Utc>) -> Self {
        Self {
            set: Some(Arc::new(AtomicI64::new(time.timestamp_micros()))),
            ..Self::system()
        }
    }

    /// Moves a standing clock; the system's stays as it is.
    pub fn advance(&self, by: Duration) {
        if let (Some(set), Some(micros)) = (&self.set, by.num_microseconds()) {
            set.fetch_add(micros, Ordering::SeqCst);
        }
    }

    /// Now, in whole microseconds: what every database keeps.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.set {
            Some(set) => DateTime::from_timestamp_micros(set.load(Ordering::SeqCst)).unwrap_or_default(),
            None => system_now().trunc_subsecs(6),
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
}
