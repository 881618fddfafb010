//! Flows: an account's pipelines with their sources, steps and revisions.
//!
//! Every change goes through one door (`edit`): load and lock, change in memory, check, write what differs together with a
//! revision and an audit entry. Saving checks rules, definitions and templates, so this room uses three modules of rooms
//! that stand above it: `leads::rules`, `leads::fields` and `delivery::templates`. They are pure and use nothing of this one.

pub mod breadth;
pub mod calendar;
pub mod caps;
mod checks;
mod contents;
pub mod docs;
mod edit;
pub mod manage;
pub mod price;
pub mod read;
pub mod revisions;
pub mod schedule;
pub mod sellers;
pub mod snapshot;
pub mod sources;
pub mod steps;
pub mod timezone;
mod usage;
mod weighing;

pub use checks::PriceInput;
pub use edit::Changed;
pub use edit::Edit;
pub use weighing::{Of, weigh};

/// Flows that an account may have.
pub const MAX_FLOWS: u64 = 100;
/// Sources that a flow may have.
pub const MAX_SOURCES: usize = 100;
/// Steps that a flow may have.
pub const MAX_STEPS: usize = 50;
