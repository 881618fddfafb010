//! The GraphQL API: a file per noun, with its type, inputs, and its part of queries, mutations and subscriptions. Resolvers
//! check nothing and decide nothing: they map types to use cases.

pub mod context;
pub mod limits;
pub mod mask;
pub mod money;
pub mod payload;
pub mod relay;
pub mod scalars;
