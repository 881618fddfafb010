//! Delivery.

pub mod email;
pub mod failure;
pub mod guard;
pub mod response;
pub mod retry;
pub mod signing;
mod text;
pub mod webhook;
