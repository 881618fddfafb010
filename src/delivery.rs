//! Deliveries: what is sent, by whom, and what became of it.

pub mod email;
pub mod failure;
pub mod guard;
pub mod instance_mail;
pub mod payload;
pub mod places;
pub mod response;
pub mod retry;
pub mod signing;
pub mod templates;
mod text;
pub mod webhook;
pub mod worker;
