//! What the tests share.

pub(crate) mod app;
pub(crate) mod certificate;
pub(crate) mod collector;
pub(crate) mod database;
pub(crate) mod dump;
pub(crate) mod event_stream;
pub(crate) mod http_receiver;
pub(crate) mod mail;
pub(crate) mod make;
pub(crate) mod network;
pub(crate) mod portal_user;
pub(crate) mod rows;
pub(crate) mod smtp_receiver;
pub(crate) mod standard_webhooks;
pub(crate) mod stream;
pub(crate) mod torrent;
pub(crate) mod wait;
