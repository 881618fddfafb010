//! Leads: what is submitted, and what is decided about it.

pub mod allocate;
pub mod branch;
pub mod compile;
pub mod counts;
pub mod decide;
pub mod discretion;
pub mod entrances;
pub mod intake;
pub mod lost_fields;
pub mod outcome;
pub mod read;
pub mod receipts;
pub mod routed;
pub mod sealed;
pub mod simulate;
pub mod snapshot;
pub mod timeline;
pub mod trace;
pub mod weight;
