//! Flows: an account's pipelines.

pub mod caps;
pub mod schedule;
