//! Leadmesh: a self-hosted server through which companies exchange sales leads.

pub mod app;
pub mod audit;
pub mod clock;
pub mod commands;
pub mod config;
pub mod crypto;
pub mod database;
pub mod delivery;
pub mod diagnosis;
pub mod distribution;
pub mod error;
pub mod flows;
pub mod gather;
pub mod graphql;
pub mod housekeeping;
pub mod http;
pub mod identity;
pub mod leads;
pub mod live;
pub mod metrics;
pub mod network;
pub mod queue;
pub mod reports;
pub mod server;
pub mod tally;
pub mod tls;
