//! Who did something.

use async_graphql::{ID, SimpleObject};
use entity::audit_event::ActorKind;

/// Who did something, as known when it was done.
#[derive(Clone, Debug, SimpleObject)]
pub struct Actor {
    /// What they are.
    pub kind: ActorKind,
    /// Their identifier; null for the system.
    pub id: Option<ID>,
    /// Their name then.
    pub name: String,
}
