//! The `leadmesh` binary.

use std::process::ExitCode;

/// Faster under load than the system's: docs/BENCHMARKS.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    leadmesh::commands::run()
}
