//! Event logs and the streams that follow them: written in the transaction of the change, notified after its commit, replayed
//! from the database.

pub mod events;
pub mod hub;
pub mod relay;
pub mod streams;
