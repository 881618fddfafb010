//! The binary, run as its users run it.

mod account;
mod check;
mod chores;
mod demo;
mod import;
mod keys;
mod migrate;
mod process;
mod serve;
