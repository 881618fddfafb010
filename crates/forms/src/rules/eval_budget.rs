//! The evaluation budget: work of conditions, counted in machine steps and not in time, so that the same lead and flow always use the
//! same.

/// Steps for all conditions of one lead in one flow: some milliseconds, for leads are decided in the request that submits them.
const LEAD: u64 = 2_000_000;
/// Steps of a condition besides its work on a text.
const CONDITION: usize = 8;
/// Bytes of text per step, for conditions without a pattern.
const BYTES: usize = 16;

/// What is left for a lead. All rules of a flow share it, so it does not matter how the work is spread over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvalBudget {
    left: u64,
}

/// The budget is used up: whether the condition holds stays unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetExceeded;

impl Default for EvalBudget {
    fn default() -> Self {
        Self { left: LEAD }
    }
}

impl EvalBudget {
    /// Steps that were used.
    pub fn used(self) -> u64 {
        LEAD - self.left
    }

    /// Uses steps, before they are taken.
    pub(super) fn steps(&mut self, steps: usize) -> Result<(), BudgetExceeded> {
        let left = u64::try_from(steps).ok().and_then(|steps| self.left.checked_sub(steps));
        self.left = left.unwrap_or_default();
        left.map(drop).ok_or(BudgetExceeded)
    }

    /// Uses the steps of a condition on so many bytes.
    pub(super) fn condition(&mut self, bytes: usize) -> Result<(), BudgetExceeded> {
        self.steps(CONDITION.saturating_add(bytes / BYTES))
    }
}
