//! The GraphQL API.

pub mod limits;
pub mod mask;
