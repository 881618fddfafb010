//! Relationships between accounts: invitations, connections, and what hangs on them.
//!
//! Every change locks the accounts that it concerns, the lower identifier first, raises the configuration version of both,
//! and writes both audit trails and both event logs, in one transaction: what is refused afterwards is refused on every node.

pub mod account_sources;
pub mod answers;
pub mod attempts;
pub mod available_sources;
pub mod buyer_steps;
pub mod connections;
pub mod diagnosis;
pub mod disconnecting;
pub mod docs;
pub mod docs_readers;
pub mod erasure;
pub mod expiry;
pub mod find_account;
pub mod invitation_mail;
pub mod invitations;
pub mod journal;
pub mod notices;
pub mod paused;
pub mod relationship;
pub mod returns;
pub mod review;
pub mod set_aside;
pub mod sides;
pub mod tallies;
pub mod traffic;
pub mod usage;
