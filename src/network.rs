//! Relationships between accounts: invitations, connections, and what hangs on them.

pub mod account_sources;
pub mod attempts;
pub mod available_sources;
pub mod buyer_steps;
pub mod docs;
pub mod docs_readers;
pub mod returns;
pub mod tallies;
