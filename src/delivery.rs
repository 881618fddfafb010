//! How leads reach their recipients.

pub mod payload;
pub mod templates;
