//! The `leadmesh` binary.

use std::process::ExitCode;

/// Under load the system's took about a seventh of the server's time: docs/BENCHMARKS.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    leadmesh::commands::run()
}
