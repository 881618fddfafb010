//! The one integration-test binary.

#![cfg(test)]
#![expect(
    clippy::pedantic,
    clippy::manual_string_new,
    dead_code,
    reason = "tests tell a story in order, and share more support than each uses"
)]

mod commands;
mod cors;
mod database;
mod delivery;
mod distribution_use_cases;
mod documents;
mod erasure;
mod faults;
mod flow_use_cases;
mod graphql_accounts;
mod graphql_flow;
mod graphql_partners;
mod hand;
mod identity_use_cases;
mod index_keys;
mod least_privilege;
mod limits;
mod network;
mod outbound;
mod pauses;
mod plans;
mod portal;
mod proof;
mod relationships;
mod routing;
mod schema;
mod settings_limits;
mod sources;
mod submission;
mod support;
mod transport;
mod worker;
