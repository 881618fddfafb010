//! The GraphQL API: a file per noun, with its type, inputs, and its part of queries, mutations and subscriptions. Resolvers
//! check nothing and decide nothing: they map types to use cases.

pub mod account;
pub mod actor;
pub mod api_key;
pub mod audit_event;
pub mod context;
pub mod flow_field;
pub mod heartbeat;
pub mod ids;
pub mod limits;
pub mod loaders;
pub mod mask;
pub mod money;
pub mod outcome;
pub mod partner;
pub mod payload;
pub mod portal;
pub mod portal_lead;
pub mod portal_session;
pub mod portal_user;
pub mod receipt;
pub mod relay;
pub mod scalars;
pub mod schema;
pub mod session;
pub mod smtp_settings;
pub mod time_range;
pub mod user;
pub mod viewer;
