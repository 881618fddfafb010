//! Leads: what is submitted, and what is decided about it.

pub mod allocate;
pub mod compile;
pub mod counts;
pub mod decide;
pub mod downstream;
pub mod draft;
pub mod footprint;
pub mod handoff;
pub mod intake;
pub mod outcome;
pub mod read;
pub mod receipts;
pub mod redaction;
pub mod routed;
pub mod sealed;
pub mod sharing;
pub mod simulate;
pub mod snapshot;
pub mod timeline;
pub mod trace;
