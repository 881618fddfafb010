//! How much of a process one person or key may hold open, so that nobody takes the places of all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use uuid::Uuid;

/// What the callers of a process hold.
#[derive(Clone, Debug, Default)]
pub struct Quotas(Arc<Mutex<HashMap<Uuid, Weak<Quota>>>>);

impl Quotas {
    /// That caller's, for as long as any copy of the answer is kept.
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

/// What one caller holds.
#[derive(Debug, Default)]
pub struct Quota {
    connections: Arc<()>,
    streams: Arc<()>,
    /// Counting and taking are one step.
    turn: Mutex<()>,
}

/// A place that is free again once this is dropped.
#[derive(Debug)]
pub struct Permit {
    _place: Arc<()>,
    _quota: Arc<Quota>,
}

impl Quota {
    /// A place for a socket or a stream of server-sent events, of which the caller may have `most`.
    pub fn connection(self: &Arc<Self>, most: usize) -> Option<Permit> {
        self.take(&self.connections, most)
    }

    /// A place for a subscription, of which the caller may have `most`.
    pub fn stream(self: &Arc<Self>, most: usize) -> Option<Permit> {
        self.take(&self.streams, most)
    }

    fn take(self: &Arc<Self>, places: &Arc<()>, most: usize) -> Option<Permit> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        (Arc::strong_count(places) <= most).then(|| Permit {
            _place: places.clone(),
            _quota: self.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_so_many_places_and_gets_them_back() {
        let quotas = Quotas::default();
        let (ann, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let permit: Vec<_> = (0..2).filter_map(|_| quotas.of(ann).connection(2)).collect();
        assert_eq!(permit.len(), 2);
        assert!(quotas.of(ann).connection(2).is_none());
        assert!(quotas.of(ann).stream(1).is_some() && quotas.of(bob).connection(2).is_some());
        drop(permit);
        assert!(quotas.of(ann).connection(2).is_some());
        drop(quotas.of(bob));
        assert_eq!(quotas.0.lock().unwrap().len(), 1, "what nobody holds is forgotten");
    }
}
