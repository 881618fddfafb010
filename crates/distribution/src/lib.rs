//! Partners, and the profiles that choose among them.
//!
//! Every use case that writes is one [`Change`](leadmesh_core::identity::change::Change).

pub mod assignments;
mod check;
pub mod diagnosis;
mod known_fields;
pub mod partners;
pub mod preview;
pub mod profiles;
mod rows;
mod rule_check;
pub mod secrets;
pub mod settings;
pub mod test_delivery;
pub mod wording;
