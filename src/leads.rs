//! Leads: what is submitted, and what is decided about it.

pub mod fields;
pub mod rules;
