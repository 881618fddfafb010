//! Reports on an account's deliveries, and the export of them.

pub mod deliveries;
pub mod delivery_log;
mod names;
