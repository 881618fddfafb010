//! Partners, profiles and assignments over GraphQL, on both databases.

mod figures;
mod preview;
mod room;
mod set_up;
