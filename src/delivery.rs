//! Deliveries: what is sent, by whom, and what became of it.

pub mod payload;
pub mod templates;
