//! Reports: figures of an account's deliveries by what they have in common, and the log of them to take away.

pub mod deliveries;
pub mod delivery_log;
