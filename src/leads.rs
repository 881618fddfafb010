//! Leads.

pub mod fields;
