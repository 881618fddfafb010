//! The GraphQL API: a file per noun, with its type, inputs, and its part of queries, mutations and subscriptions. Resolvers
//! check nothing and decide nothing: they map types to use cases.

pub mod assignment;
pub mod cap;
pub mod context;
pub mod delivery_counts;
pub mod delivery_preview;
pub mod delivery_settings;
pub mod destination_health;
pub mod field_mapping;
pub mod heartbeat;
pub mod ids;
pub mod limits;
pub mod loaders;
pub mod mask;
pub mod money;
pub mod outcome;
pub mod partner;
pub mod payload;
pub mod profile;
pub mod receipt;
pub mod relay;
pub mod rule;
pub mod scalars;
pub mod schedule;
pub mod schema;
pub mod time_range;
