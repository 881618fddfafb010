//! The GraphQL API: a file per noun, with its type, inputs, and its part of queries, mutations and subscriptions. Resolvers
//! check nothing and decide nothing: they map types to use cases.

#![warn(missing_docs)]
#![expect(
    clippy::too_many_arguments,
    reason = "the arguments of a GraphQL field are the parameters of its resolver"
)]

pub mod account;
pub mod account_link;
pub mod actor;
pub mod api_key;
pub mod assignment;
pub mod audit_event;
pub mod available_source;
pub mod by_hand;
pub mod cap;
pub mod context;
pub mod delivery;
pub mod delivery_counts;
pub mod delivery_preview;
pub mod delivery_report;
pub mod delivery_settings;
pub mod destination_health;
pub mod diagnosis;
pub mod erasure;
pub mod field_mapping;
pub mod find_account;
pub mod flow;
pub mod flow_counts;
pub mod heartbeat;
pub mod ids;
pub mod invitation;
pub mod lead;
pub mod limits;
pub mod loaders;
pub mod mask;
pub mod money;
pub mod network_stream;
pub mod node;
pub mod numbers;
pub mod outcome;
pub mod partner;
pub mod payload;
pub mod portal;
pub mod portal_lead;
pub mod portal_review;
pub mod portal_session;
pub mod portal_user;
pub mod profile;
pub mod receipt;
pub mod registry;
pub mod relay;
pub mod returns;
pub mod rule;
pub mod scalars;
pub mod schedule;
pub mod schema;
pub mod scopes;
pub mod session;
pub mod simulation;
pub mod smtp_settings;
pub mod source;
pub mod step;
pub mod streams;
pub mod submission_docs;
pub mod syntax;
pub mod time_range;
pub mod user;
pub mod validation;
pub mod viewer;
