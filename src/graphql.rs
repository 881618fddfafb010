//! The GraphQL API: a file per noun, with its type, inputs, and its part of queries, mutations and subscriptions. Resolvers
//! check nothing and decide nothing: they map types to use cases.

pub mod context;
pub mod heartbeat;
pub mod limits;
pub mod loaders;
pub mod mask;
pub mod money;
pub mod outcome;
pub mod payload;
pub mod receipt;
pub mod relay;
pub mod scalars;
pub mod schema;
