//! The `leadmesh` binary.

use std::process::ExitCode;

/// Half of a lead's allocations are freed by another thread than made them, which this one is quick at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    leadmesh::commands::run()
}
