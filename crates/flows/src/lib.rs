//! Flows: an account's pipelines with their sources, steps and revisions.
//!
//! Every change goes through `edit`: load and lock, change in memory, check, write the rows that differ together with a revision and an
//! audit entry.

pub mod breadth;
pub mod calendar;
pub mod caps;
mod checks;
mod contents;
pub mod docs;
mod edit;
pub mod manage;
pub mod mapping;
mod pattern_sizes;
pub mod price;
pub mod read;
pub mod revisions;
pub mod schedule;
pub mod sellers;
pub mod snapshot;
pub mod sources;
pub mod steps;
mod stored_rules;
pub mod timezone;
mod usage;

pub use edit::Edit;
pub use edit::SavedFlow;
pub use pattern_sizes::{FlowRef, measure_patterns};
pub use price::PriceInput;

/// The most flows of an account.
pub const MAX_FLOWS: u64 = 100;
/// The most sources of a flow.
pub const MAX_SOURCES: usize = 100;
/// The most steps of a flow.
pub const MAX_STEPS: usize = 50;
