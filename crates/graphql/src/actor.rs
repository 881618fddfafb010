//! Who did something.

use async_graphql::{ID, SimpleObject};
use entity::audit_event::ActorKind;

/// Who did something, as known at that time.
#[derive(Clone, Debug, SimpleObject)]
pub struct Actor {
    /// Kind of actor.
    pub kind: ActorKind,
    /// Identifier of the actor; null for the system.
    pub id: Option<ID>,
    /// Name of the actor at that time.
    pub name: String,
}
