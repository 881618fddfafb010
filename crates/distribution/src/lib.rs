//! Partners and the profiles that pick among them: what an account sets up so that its leads reach somebody.
//!
//! Every use case here is one `change::Change`: it holds the account's row from its first statement to its commit, so
//! that the changes of an account follow one another and limits, ranks and plans are counted exactly.

pub mod assignments;
mod change;
mod check;
pub mod diagnosis;
mod known_fields;
pub mod partners;
pub mod preview;
pub mod profiles;
mod rule_check;
pub mod secrets;
pub mod settings;
pub mod test_delivery;
pub mod wording;
