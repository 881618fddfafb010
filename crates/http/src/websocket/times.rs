//! The timers of a socket.

use std::time::Duration;

use tokio::time::Instant;

use super::SocketLimits;

/// The number of moments over which a shutdown spreads the closing of sockets.
const MOMENTS: u32 = 64;

pub(super) struct Times {
    init: Option<Instant>,
    expiry: Option<Instant>,
    leave: Option<Instant>,
    ping: Instant,
    between_pings: Duration,
    /// Time from the beginning of a shutdown to the closing of this socket.
    turn: Duration,
}

/// The timer that is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The socket closes, in a shutdown.
    Leave,
    /// `connection_init` is overdue.
    Init,
    /// The right to use the socket has expired.
    Expiry,
    Ping,
}

impl Times {
    /// The timers of a socket opened `now` as the `seat`th.
    pub(super) fn new(limits: &SocketLimits, now: Instant, seat: usize) -> Self {
        let moment = u32::try_from(seat).unwrap_or_default() % MOMENTS;
        Self {
            init: Some(now + limits.init),
            expiry: None,
            leave: None,
            ping: now + limits.ping,
            between_pings: limits.ping,
            turn: limits.spread * moment / MOMENTS,
        }
    }

    pub(super) fn acknowledge(&mut self, expiry: Option<Instant>) {
        self.init = None;
        self.expiry = expiry;
    }

    pub(super) fn leave(&mut self, now: Instant) {
        self.leave = Some(now + self.turn);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leave.is_some()
    }

    /// The time of the next timer.
    pub(super) fn next(&self) -> Instant {
        let others = [self.init, self.expiry, self.leave];
        others.into_iter().flatten().fold(self.ping, Instant::min)
    }

    /// The timer due `now`. A due ping schedules the next one.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        let past = |time: Option<Instant>| time.is_some_and(|time| time <= now);
        if past(self.leave) {
            return Some(Due::Leave);
        }
        if past(self.init) {
            return Some(Due::Init);
        }
        if past(self.expiry) {
            return Some(Due::Expiry);
        }
        past(Some(self.ping)).then(|| {
            self.ping = now + self.between_pings;
            Due::Ping
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> SocketLimits {
        SocketLimits {
            spread: Duration::from_secs(64),
            ..SocketLimits::default()
        }
    }

    #[test]
    fn sockets_leave_one_after_the_other() {
        let now = Instant::now();
        let left = [0, 1, 63, 64].map(|seat| {
            let mut times = Times::new(&limits(), now, seat);
            times.leave(now);
            (times.leave.unwrap() - now).as_secs()
        });
        assert_eq!(left, [0, 1, 63, 0]);
    }

    #[test]
    fn pings_come_again_and_ends_do_not_wait_for_them() {
        let (now, limits) = (Instant::now(), limits());
        let mut times = Times::new(&limits, now, 0);
        assert_eq!(times.due(now + limits.init), Some(Due::Init));
        times.acknowledge(Some(now + limits.ping * 3));
        for round in 1..3 {
            assert_eq!(times.next(), now + limits.ping * round);
            assert_eq!(times.due(times.next()), Some(Due::Ping));
            assert_eq!(times.due(now + limits.ping * round), None);
        }
        assert_eq!(times.due(times.next()), Some(Due::Expiry));
    }
}
