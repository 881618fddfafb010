//! The binary, run as its users run it.

mod account;
mod demo;
mod import;
mod process;
mod serve;
