//! HTTP and WebSocket: the edge of the system.

pub mod authenticate;
pub mod client_address;
pub mod cors;
pub mod csv;
pub mod deliveries_csv;
pub mod docs;
pub mod graphql;
pub mod health;
pub mod links;
pub mod listen;
pub mod metrics;
pub mod pages;
pub mod portal_csv;
pub mod quota;
mod refusal;
pub mod request_id;
pub mod router;
pub mod session;
pub mod websocket;
