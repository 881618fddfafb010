//! Leadmesh: a self-hosted server through which companies exchange sales leads.

pub mod commands;
pub mod descriptors;
pub mod housekeeping;
pub mod server;
