//! The GraphQL transport on a small schema of its own: real sockets, nothing of the product.

mod backpressure;
mod events;
mod http;
mod listen;
mod schema;
mod security;
mod server;
mod websocket;
