//! HTTP and WebSocket: the edge of the system.

pub mod graphql;
pub mod listen;
pub mod pages;
pub mod request_id;
pub mod session;
pub mod websocket;
