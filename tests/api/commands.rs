//! The binary, run as its users run it.

mod demo;
mod import;
mod migrate;
mod process;
mod serve;
