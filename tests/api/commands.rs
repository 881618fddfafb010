//! The binary, run as its users run it.

mod chores;
mod demo;
mod import;
mod keys;
mod process;
mod serve;
