//! Whom clients of a test submit to.

use std::net::SocketAddr;

/// An account with a flow, and where its server is reached. Clients keep one, whatever becomes of the processes meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The processes that serve the API.
    pub(super) addresses: Vec<SocketAddr>,
    /// May submit and read.
    pub(super) key: String,
    /// May change settings: a person's token, or a key.
    pub(super) owner: String,
    pub(super) flow: String,
    /// The first partner.
    pub(super) partner: String,
}

impl Target {
    /// One of the addresses: another one for each number.
    pub(super) fn address(&self, number: usize) -> SocketAddr {
        self.addresses[number % self.addresses.len()]
    }
}
