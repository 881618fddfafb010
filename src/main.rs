//! The `leadmesh` binary.
fn main() {}
