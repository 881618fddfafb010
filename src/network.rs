//! Relationships between accounts: invitations, connections, and what hangs on them.

pub mod account_sources;
pub mod buyer_steps;
pub mod returns;
