//! Whether an email address counts before a link that was mailed to it was used.

/// What the operator asks of an address before it counts as somebody's. Every query by address takes it: what the rows say of
/// unproven addresses may have been written while another setting was in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressProof {
    /// It counts once it is proven.
    Required,
    /// It counts for the first who claims it, until somebody proves it.
    NotRequired,
}
