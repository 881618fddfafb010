//! Deliveries: what is sent, by whom, and what became of it.

pub mod breaker;
pub mod by_hand;
pub mod counts;
pub mod email;
pub mod erasure;
pub mod erasure_notices;
pub mod failure;
pub mod guard;
pub mod health;
pub mod instance_mail;
pub mod manage;
pub mod payload;
pub mod places;
pub mod portal_feed;
pub mod portal_review;
pub mod preview;
mod recount;
pub mod response;
pub mod resume;
pub mod retry;
pub mod signing;
pub mod smtp_server;
pub mod templates;
pub mod test_mail;
mod text;
pub mod webhook;
pub mod worker;
