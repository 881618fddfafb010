//! The one integration-test binary.

#![cfg(test)]

mod architecture;
mod commands;
mod delivery;
mod distribution_use_cases;
mod faults;
mod flow_use_cases;
mod graphql_accounts;
mod graphql_flow;
mod graphql_partners;
mod identity_use_cases;
mod outbound;
mod portal;
mod schema;
mod submission;
mod support;
mod transport;
