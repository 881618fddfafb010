//! Delivery.

pub mod guard;
pub mod signing;
