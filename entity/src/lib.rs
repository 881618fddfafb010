//! Tables.
pub mod delivery_config;
