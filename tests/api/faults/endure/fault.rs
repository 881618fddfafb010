//! The faults, and drawing them.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::mood::Mood;
use crate::support::app::Mode;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGKILL of a process, which is started again soon.
    Kill,
    /// SIGTERM of each process in turn, each started again before the next.
    Roll,
    /// SIGSTOP of a process for longer than its lease lasts.
    Freeze,
    RedisKilled,
    RedisFlushed,
    RedisPaused,
    RedisLate,
    /// The database ends at once, without a farewell, and comes back soon.
    DatabaseKilled,
    /// All connections to the database are reset.
    DatabaseCut,
    DatabaseLate,
    /// Somebody else writes to the file of the embedded database.
    FileHeld,
    /// A partner's receiver is in that mood.
    Receiver(Mood),
    /// All connections to receivers are reset.
    ReceiversCut,
    ReceiversLate,
    /// Clients hang up at every stage of their requests.
    HangUps,
    /// Callers take all connections that the processes accept.
    Crowd,
}

const ANYWHERE: [Fault; 12] = [
    Fault::Kill,
    Fault::Roll,
    Fault::Freeze,
    Fault::Receiver(Mood::Hangs),
    Fault::Receiver(Mood::Drips),
    Fault::Receiver(Mood::Fails),
    Fault::Receiver(Mood::SendsMuch),
    Fault::Receiver(Mood::Resets),
    Fault::ReceiversCut,
    Fault::ReceiversLate,
    Fault::HangUps,
    Fault::Crowd,
];
const OF_SERVERS: [Fault; 7] = [
    Fault::RedisKilled,
    Fault::RedisFlushed,
    Fault::RedisPaused,
    Fault::RedisLate,
    Fault::DatabaseKilled,
    Fault::DatabaseCut,
    Fault::DatabaseLate,
];

impl Fault {
    /// Whether it is over within moments. The others last for as long as a lease or a time-out.
    fn is_brief(self) -> bool {
        use Fault::{
            DatabaseCut, DatabaseKilled, FileHeld, Kill, ReceiversCut, RedisFlushed, RedisKilled, RedisPaused, Roll,
        };
        matches!(
            self,
            Kill | Roll
                | RedisKilled
                | RedisFlushed
                | RedisPaused
                | DatabaseKilled
                | DatabaseCut
                | FileHeld
                | ReceiversCut
        )
    }
}

/// Which kinds are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinds {
    All,
    /// Those that are over within moments.
    Brief,
}

/// So many, in an order that the seed decides: every kind once before any comes again.
pub(super) fn draw((mode, kinds): (Mode, Kinds), count: usize, dice: &mut StdRng) -> Vec<Fault> {
    let all: Vec<Fault> = match mode {
        Mode::Server => ANYWHERE.into_iter().chain(OF_SERVERS).collect(),
        Mode::Embedded => ANYWHERE.into_iter().chain([Fault::FileHeld]).collect(),
    };
    let drawable = |fault: &Fault| kinds == Kinds::All || fault.is_brief();
    let kinds: Vec<Fault> = all.into_iter().filter(drawable).collect();
    let mut drawn = Vec::new();
    while drawn.len() < count {
        let mut all = kinds.clone();
        all.shuffle(dice);
        drawn.extend(all);
    }
    drawn.truncate(count);
    drawn
}
