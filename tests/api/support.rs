//! What the tests share.

pub(crate) mod certificate;
pub(crate) mod http_receiver;
pub(crate) mod mail;
pub(crate) mod smtp_receiver;
