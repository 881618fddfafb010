//! The one integration-test binary.

#![cfg(test)]

mod graphql_accounts;
mod identity_use_cases;
mod outbound;
mod support;
mod transport;
