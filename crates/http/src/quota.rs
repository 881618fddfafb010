//! How many sockets and streams one caller may hold open in a process, so that no caller takes them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use uuid::Uuid;

/// Limits of open sockets and streams in this process.
#[derive(Debug, Clone)]
pub struct OpenLimits {
    /// Sockets and event streams of all callers.
    pub all: usize,
    /// Sockets and event streams of one user or API key.
    pub of_caller: usize,
    /// Subscriptions of one user or API key.
    pub streams_of_caller: usize,
    /// Sockets and event streams of all callers without a token at one address, and as many subscriptions.
    pub of_address: usize,
}

impl Default for OpenLimits {
    fn default() -> Self {
        Self {
            all: 20_000,
            of_caller: 100,
            streams_of_caller: 1_000,
            of_address: 20,
        }
    }
}

/// The quotas of a process, by caller.
#[derive(Clone, Debug, Default)]
pub struct Quotas(Arc<Mutex<HashMap<Uuid, Weak<Quota>>>>);

impl Quotas {
    /// The caller's quota. It is forgotten with the last copy.
    pub fn of(&self, caller: Uuid) -> Arc<Quota> {
        let mut quotas = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(quota) = quotas.get(&caller).and_then(Weak::upgrade) {
            return quota;
        }
        quotas.retain(|_, quota| quota.strong_count() > 0);
        let quota = Arc::default();
        quotas.insert(caller, Arc::downgrade(&quota));
        quota
    }
}

/// What one caller holds open.
#[derive(Debug, Default)]
pub struct Quota {
    connections: Arc<()>,
    streams: Arc<()>,
    /// Makes counting and taking one step.
    taking: Mutex<()>,
}

/// Counts against a quota until it is dropped.
#[derive(Debug)]
pub struct Permit {
    _counted: Arc<()>,
    _quota: Arc<Quota>,
}

impl Quota {
    /// A permit for a socket or an event stream; none if the caller has `limit` already.
    pub fn connection(self: &Arc<Self>, limit: usize) -> Option<Permit> {
        self.take(&self.connections, limit)
    }

    /// A permit for a subscription; none if the caller has `limit` already.
    pub fn stream(self: &Arc<Self>, limit: usize) -> Option<Permit> {
        self.take(&self.streams, limit)
    }

    fn take(self: &Arc<Self>, counted: &Arc<()>, limit: usize) -> Option<Permit> {
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        (Arc::strong_count(counted) <= limit).then(|| Permit {
            _counted: counted.clone(),
            _quota: self.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_so_many_permits_and_gets_them_back() {
        let quotas = Quotas::default();
        let (ann, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let held: Vec<_> = (0..2).filter_map(|_| quotas.of(ann).connection(2)).collect();
        assert_eq!(held.len(), 2);
        assert!(quotas.of(ann).connection(2).is_none());
        assert!(quotas.of(ann).stream(1).is_some() && quotas.of(bob).connection(2).is_some());
        drop(held);
        assert!(quotas.of(ann).connection(2).is_some());
        drop(quotas.of(bob));
        assert_eq!(quotas.0.lock().unwrap().len(), 1, "unused quotas are forgotten");
    }
}
