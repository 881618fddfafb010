//! Relationships between accounts: invitations, connections, and what depends on them.
//!
//! Every change locks both accounts, the lower identifier first, raises the configuration version of both, and writes to both
//! audit logs and both event logs, in one transaction. So every node refuses from the commit on what the change forbids.

pub mod account_sources;
pub mod answers;
pub mod available_sources;
pub mod buyer_steps;
pub mod connections;
pub mod counter_writer;
pub mod diagnosis;
pub mod disconnecting;
pub mod docs;
pub mod docs_readers;
pub mod erasure;
pub mod expiry;
pub mod find_account;
pub mod invitation_mail;
pub mod invitations;
pub mod notices;
pub mod partner_change;
pub mod paused;
mod reason;
pub mod refused_submissions;
pub mod relationship;
pub mod returns;
pub mod review;
pub mod set_aside;
pub mod traffic;
pub mod usage;
