//! Tables.
pub mod field;
