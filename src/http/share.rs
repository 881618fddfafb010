//! How much of a process one person or key may hold open, so that nobody takes the places of all others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use uuid::Uuid;

/// What the callers of a process hold.
#[derive(Clone, Debug, Default)]
pub struct Shares(Arc<Mutex<HashMap<Uuid, Weak<Share>>>>);

impl Shares {
    /// That caller's, for as long as any copy of the answer is kept.
    pub fn of(&self, caller: Uuid) -> Arc<Share> {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&caller).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::default();
        shares.insert(caller, Arc::downgrade(&share));
        share
    }
}

/// What one caller holds.
#[derive(Debug, Default)]
pub struct Share {
    connections: Arc<()>,
    streams: Arc<()>,
    /// Counting and taking are one step.
    turn: Mutex<()>,
}

/// A place that is free again once this is dropped.
#[derive(Debug)]
pub struct Held {
    _place: Arc<()>,
    _share: Arc<Share>,
}

impl Share {
    /// A place for a socket or a stream of server-sent events, of which the caller may have `most`.
    pub fn connection(self: &Arc<Self>, most: usize) -> Option<Held> {
        self.take(&self.connections, most)
    }

    /// A place for a subscription, of which the caller may have `most`.
    pub fn stream(self: &Arc<Self>, most: usize) -> Option<Held> {
        self.take(&self.streams, most)
    }

    fn take(self: &Arc<Self>, places: &Arc<()>, most: usize) -> Option<Held> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        (Arc::strong_count(places) <= most).then(|| Held {
            _place: places.clone(),
            _share: self.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_so_many_places_and_gets_them_back() {
        let shares = Shares::default();
        let (ann, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let held: Vec<_> = (0..2).filter_map(|_| shares.of(ann).connection(2)).collect();
        assert_eq!(held.len(), 2);
        assert!(shares.of(ann).connection(2).is_none());
        assert!(shares.of(ann).stream(1).is_some() && shares.of(bob).connection(2).is_some());
        drop(held);
        assert!(shares.of(ann).connection(2).is_some());
        drop(shares.of(bob));
        assert_eq!(shares.0.lock().unwrap().len(), 1, "what nobody holds is forgotten");
    }
}
