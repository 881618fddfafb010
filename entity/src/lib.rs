//! Tables.

pub mod field;
