//! Accounts, people, credentials, and what each may do.

pub mod accounts;
pub mod authenticate;
pub mod caller;
pub mod policy;
pub mod throttle;
pub mod tokens;
