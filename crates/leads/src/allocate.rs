//! Allocation: the second half of a decision, made in the transaction that stores the lead. It applies the caps of the flow and the
//! source, then chooses recipients within their caps. Pure over a [`Ledger`] of counters and a [`RoundRobin`] of credits. The
//! transaction holds the rows of both locked, so caps and shares are exact.

mod context;
mod ledger;
mod lock_set;
mod pick;
mod round_robin;

pub use context::{Accepted, AllocationContext, AlreadyOffered, Placement, Selection};
pub use ledger::{Counter, Ledger, cap_text, counter};
pub use lock_set::LockSet;
pub use pick::{Picker, allocate, refuse_duplicate};
pub use round_robin::RoundRobin;

#[cfg(test)]
mod tests;
