//! The number of connections, in all and of each network address, so that no address takes them all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The connection limits of a listener.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    all: Arc<Semaphore>,
    of_address: usize,
    /// Proxies, which bring the connections of many callers.
    exempt: Vec<IpNet>,
    held: Arc<Mutex<HashMap<u128, usize>>>,
}

/// Counts one connection until it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    _of_all: OwnedSemaphorePermit,
    _share: Option<AddressShare>,
}

#[derive(Debug)]
struct AddressShare {
    network: u128,
    held: Arc<Mutex<HashMap<u128, usize>>>,
}

impl ConnectionLimit {
    pub(super) fn new(all: usize, of_address: usize, exempt: Vec<IpNet>) -> Self {
        Self {
            all: Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS))),
            of_address,
            exempt,
            held: Arc::default(),
        }
    }

    /// Waits until another connection may be accepted.
    pub(super) async fn next(&self) -> Option<OwnedSemaphorePermit> {
        self.all.clone().acquire_owned().await.ok()
    }

    /// The permit of a connection from an address; none if the address has as many as it may.
    pub(super) fn take(&self, of_all: OwnedSemaphorePermit, address: IpAddr) -> Option<ConnectionPermit> {
        let address = address.to_canonical();
        if self.exempt.iter().any(|network| network.contains(&address)) {
            return Some(ConnectionPermit {
                _of_all: of_all,
                _share: None,
            });
        }
        let network = network(address);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(network).or_default();
        if *count >= self.of_address {
            return None;
        }
        *count += 1;
        let share = AddressShare {
            network,
            held: self.held.clone(),
        };
        Some(ConnectionPermit {
            _of_all: of_all,
            _share: Some(share),
        })
    }
}

impl Drop for AddressShare {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.network);
            }
        }
    }
}

/// Of IPv6 the first 64 bits, which identify one network.
fn network(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() & (u128::MAX << 64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(limit: &ConnectionLimit, address: &str) -> Option<ConnectionPermit> {
        let permit = limit.all.clone().try_acquire_owned().ok()?;
        limit.take(permit, address.parse().unwrap())
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let limit = ConnectionLimit::new(10, 2, vec!["10.0.0.0/8".parse().unwrap()]);
        let first = take(&limit, "192.0.2.1").unwrap();
        let _second = take(&limit, "::ffff:192.0.2.1").unwrap();
        assert!(take(&limit, "192.0.2.1").is_none());
        assert_eq!(limit.all.available_permits(), 8, "a refused connection holds nothing");
        assert!(take(&limit, "192.0.2.2").is_some());
        drop(first);
        assert!(take(&limit, "192.0.2.1").is_some());
        let proxied: Vec<_> = (0..5).filter_map(|_| take(&limit, "10.1.2.3")).collect();
        assert_eq!(proxied.len(), 5);
        let v6: Vec<_> = ["2001:db8::1", "2001:db8::2", "2001:db8::3"]
            .map(|address| take(&limit, address))
            .into();
        assert_eq!(v6.iter().flatten().count(), 2, "a network of IPv6 is one address");
    }

    #[test]
    fn what_nobody_holds_is_forgotten() {
        let limit = ConnectionLimit::new(10, 2, Vec::new());
        drop(take(&limit, "192.0.2.1"));
        assert!(limit.held.lock().unwrap().is_empty());
    }
}
