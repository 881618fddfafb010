//! The GraphQL API: a file per noun, with its type, inputs, and its part of queries, mutations and subscriptions. Resolvers
//! check nothing and decide nothing: they map types to use cases.

pub mod actor;
pub mod cap;
pub mod context;
pub mod field_mapping;
pub mod flow;
pub mod flow_counts;
pub mod flow_field;
pub mod ids;
pub mod limits;
pub mod loaders;
pub mod mask;
pub mod money;
pub mod outcome;
pub mod partner;
pub mod payload;
pub mod profile;
pub mod relay;
pub mod rule;
pub mod scalars;
pub mod simulation;
pub mod source;
pub mod step;
pub mod submission_docs;
pub mod time_range;
