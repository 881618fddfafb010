//! HTTP and WebSocket: the edge of the system.

pub mod authenticate;
pub mod client_address;
pub mod cors;
pub mod csv;
pub mod deliveries_csv;
pub mod docs;
pub mod graphql;
pub mod health;
pub mod lenient_json;
pub mod links;
pub mod listen;
pub mod metrics;
pub mod pages;
pub mod portal_csv;
mod refusal;
pub mod request_id;
pub mod router;
pub mod session;
pub mod share;
pub mod websocket;
