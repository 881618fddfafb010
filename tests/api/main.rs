//! The one integration-test binary.

#![cfg(test)]

mod outbound;
mod support;
mod transport;
