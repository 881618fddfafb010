//! What receivers have got again although they had taken it, and whether a fault explains it.

use std::fmt;
use std::time::Duration;

use super::books::{Books, taken};
use super::field::Episode;
use super::mood::Moods;

/// What came so long before a fault may still have been in flight then, or not yet recorded; and a moment after it as well.
const AROUND: Duration = Duration::from_secs(4);

/// Repeats by the fault that explains them.
#[derive(Default)]
pub(super) struct Repeats {
    by_fault: Vec<(Episode, usize)>,
    /// Those that none explains.
    unexplained: Vec<String>,
}

impl Repeats {
    /// Counts them. A request that came again because its answer was late or lost, by the database's own word, is no repeat.
    pub(super) fn of(books: &Books, moods: &Moods, episodes: &[Episode]) -> Self {
        let mut by_fault: Vec<(Episode, usize)> = episodes.iter().map(|episode| (*episode, 0)).collect();
        let mut unexplained = Vec::new();
        for (delivery, requests) in books.each() {
            let refused = requests.iter().filter(|request| !taken(moods, request)).count();
            // Those that were refused by hanging or a reset are among them, those refused with a status are not.
            let mut lost = delivery.unanswered.saturating_sub(refused);
            for pair in requests.windows(2).filter(|pair| taken(moods, &pair[0])) {
                let explains = |episode: &Episode| {
                    episode.in_flight > 0 && pair[0].at <= episode.until + AROUND && pair[0].at + AROUND >= episode.from
                };
                // The nearest one, where there are several.
                let explained = by_fault.iter_mut().rev().find(|(episode, _)| explains(episode));
                match explained {
                    _ if lost > 0 => lost -= 1,
                    Some((_, count)) => *count += 1,
                    None => unexplained.push(format!("lead {} on {}: {delivery:?}", delivery.lead(), pair[0].path())),
                }
            }
        }
        Self { by_fault, unexplained }
    }

    /// More than were in flight, or without a cause.
    pub(super) fn broken(&self) -> Vec<String> {
        let over = self
            .by_fault
            .iter()
            .filter(|(episode, count)| *count > episode.in_flight);
        let mut broken: Vec<String> = over
            .map(|(episode, count)| {
                format!(
                    "D: {count} repeats, of {} in flight: {:?}",
                    episode.in_flight, episode.fault
                )
            })
            .collect();
        if let Some(one) = self.unexplained.first() {
            broken.push(format!(
                "D: {} repeats that no fault explains, such as {one}",
                self.unexplained.len()
            ));
        }
        broken
    }
}

impl fmt::Display for Repeats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: usize = self.by_fault.iter().map(|(_, count)| count).sum::<usize>() + self.unexplained.len();
        let allowed: usize = self.by_fault.iter().map(|(episode, _)| episode.in_flight).sum();
        write!(f, "repeats           {all} of at most {allowed} in flight")?;
        for (episode, count) in self.by_fault.iter().filter(|(_, count)| *count > 0) {
            write!(
                f,
                "\n                  {count} of {} at {:?}",
                episode.in_flight, episode.fault
            )?;
        }
        if !self.unexplained.is_empty() {
            write!(
                f,
                "\n                  {} that no fault explains",
                self.unexplained.len()
            )?;
        }
        Ok(())
    }
}
