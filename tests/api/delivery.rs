//! Deliveries by webhook, email and portal: what partners get, and what becomes of it.

mod webhook;
