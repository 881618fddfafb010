//! What every part of the server stands on: settings, stores, keys, errors, events.

pub mod app;
pub mod audit;
pub mod batch_loader;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod database;
pub mod deferred_counters;
pub mod diagnosis;
pub mod error;
pub mod fair;
pub mod identity;
pub mod live;
pub mod metrics;
pub mod outcomes;
pub mod queue;
pub mod rendering;
pub mod spans;
pub mod tls;
pub mod writes;
