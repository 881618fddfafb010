//! How a partner's receiver behaves, and what it meant to answer to each request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::http_receiver::{Answer, HttpReceiver};

/// The path of the partner whose receiver has moods; the other one is always well.
pub(super) const MOODY: &str = "/1";
/// Bytes of an answer that is far too long.
const MUCH: usize = 200 * 1024 * 1024;
/// A well receiver's time.
pub(super) const WORK: Duration = Duration::from_millis(20);

/// What the receiver does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    Hangs,
    Drips,
    Fails,
    SendsMuch,
    Resets,
}

impl Mood {
    /// Whether a lead that it gets has arrived for good.
    fn takes(self) -> bool {
        matches!(self, Self::Well | Self::Drips | Self::SendsMuch)
    }

    fn answer(self) -> Answer {
        match self {
            Self::Well => Answer::status(200).after(WORK),
            Self::Hangs => Answer::hang(),
            // A byte every half second, for longer than the deadline.
            Self::Drips => Answer::drip(200, Duration::from_millis(500), 60),
            Self::Fails => Answer::status(500),
            Self::SendsMuch => Answer::long(200, MUCH),
            Self::Resets => Answer::reset(),
        }
    }
}

/// The moods of a receiver.
#[derive(Clone)]
pub(super) struct Moods(Arc<State>);

struct State {
    now: Mutex<Mood>,
    /// By the number of the request: whether it was taken.
    taken: Mutex<HashMap<usize, bool>>,
}

impl Moods {
    /// Lets that receiver have moods.
    pub(super) fn of(receiver: &HttpReceiver) -> Self {
        let moods = Self(Arc::new(State {
            now: Mutex::new(Mood::Well),
            taken: Mutex::default(),
        }));
        let state = moods.0.clone();
        receiver.respond(move |number, request| {
            let mood = match request.path() {
                MOODY => *state.now.lock().unwrap(),
                _ => Mood::Well,
            };
            state.taken.lock().unwrap().insert(number, mood.takes());
            mood.answer()
        });
        moods
    }

    pub(super) fn set(&self, mood: Mood) {
        *self.0.now.lock().unwrap() = mood;
    }

    /// Whether the receiver meant to take what came in that request.
    pub(super) fn took(&self, number: usize) -> bool {
        self.0.taken.lock().unwrap().get(&number).copied().unwrap_or_default()
    }
}
