//! Flows: an account's pipelines, and the values that flows, sources, partners and profiles have in common.

pub mod caps;
pub mod price;
pub mod schedule;
pub mod timezone;
