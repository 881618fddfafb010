//! What deciding a lead may cost, counted in steps that the machine takes and not in time: the same lead and flow always cost the
//! same.

/// Steps that all conditions of one lead in one flow may take: some milliseconds, for leads are decided where they are received.
const LEAD: u64 = 2_000_000;
/// Steps of a condition beside what it does with a text.
const CONDITION: usize = 8;
/// Bytes of a text that a step goes through, where no pattern is looked for.
const BYTES: usize = 16;

/// What is left for a lead. Handed through all its rules, so that it does not matter how the work is spread over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    left: u64,
}

/// The effort is used up: whether a condition holds remains unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent;

impl Default for Effort {
    fn default() -> Self {
        Self { left: LEAD }
    }
}

impl Effort {
    /// Steps that were taken.
    pub fn spent(self) -> u64 {
        LEAD - self.left
    }

    /// Counts steps before they are taken.
    pub(super) fn steps(&mut self, steps: usize) -> Result<(), Spent> {
        let left = u64::try_from(steps).ok().and_then(|steps| self.left.checked_sub(steps));
        self.left = left.unwrap_or_default();
        left.map(drop).ok_or(Spent)
    }

    /// Counts a condition that looks at that many bytes.
    pub(super) fn condition(&mut self, bytes: usize) -> Result<(), Spent> {
        self.steps(CONDITION.saturating_add(bytes / BYTES))
    }
}
