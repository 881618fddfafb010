//! Tables.

pub mod delivery_config;
pub mod field;
