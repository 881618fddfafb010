//! The `leadmesh` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    leadmesh::commands::run()
}
