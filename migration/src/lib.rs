//! Leadmesh's schema changes, a file each. Tables are named by text: a migration must not change when an entity does.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

mod concurrently;
mod ddl;
mod m0001_identity;
mod m0002_flows;
mod m0003_partners;
mod m0004_leads;
mod m0005_deliveries;
mod m0006_events;
mod m0007_network;
mod m0008_docs_read;
mod m0009_notices;
mod m0010_routing;
mod m0011_erasure;
mod m0014_delivery;
mod m0015_due;
mod m0019_suspects;
mod m0020_lanes;
mod m0021_invalid_values;
mod m0023_history;
mod m0024_bounded_steps;
mod m0025_proof_of_address;
mod m0026_known_proofs;
mod m0027_key_holder;
mod m0028_guards;
mod m0029_settings_usage;
mod m0032_known_networks;
mod m0033_mail_counts;
mod m0036_confirmed_people;
mod m0039_delivery_chain;
mod m0040_circuits;
mod public_id;

/// Brings a database to the newest schema.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_identity::Migration),
            Box::new(m0002_flows::Migration),
            Box::new(m0003_partners::Migration),
            Box::new(m0004_leads::Migration),
            Box::new(m0005_deliveries::Migration),
            Box::new(m0006_events::Migration),
            Box::new(m0007_network::Migration),
            Box::new(m0008_docs_read::Migration),
            Box::new(m0009_notices::Migration),
            Box::new(m0010_routing::Migration),
            Box::new(m0011_erasure::Migration),
            Box::new(m0014_delivery::Migration),
            Box::new(m0015_due::Migration),
            Box::new(m0019_suspects::Migration),
            Box::new(m0020_lanes::Migration),
            Box::new(m0021_invalid_values::Migration),
            Box::new(m0023_history::Migration),
            Box::new(m0024_bounded_steps::Migration),
            Box::new(m0025_proof_of_address::Migration),
            Box::new(m0026_known_proofs::Migration),
            Box::new(m0027_key_holder::Migration),
            Box::new(m0028_guards::Migration),
            Box::new(m0029_settings_usage::Migration),
            Box::new(m0032_known_networks::Migration),
            Box::new(m0033_mail_counts::Migration),
            Box::new(m0036_confirmed_people::Migration),
            Box::new(m0039_delivery_chain::Migration),
            Box::new(m0040_circuits::Migration),
        ]
    }
}
