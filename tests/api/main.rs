//! The one integration-test binary.

#![cfg(test)]

mod distribution_use_cases;
mod flow_use_cases;
mod graphql_partners;
mod identity_use_cases;
mod outbound;
mod support;
mod transport;
