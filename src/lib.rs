//! Leadmesh: a self-hosted server through which companies exchange sales leads.

pub mod leads;
