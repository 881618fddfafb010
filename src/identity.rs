//! Accounts, people, credentials, and what each may do.

pub mod accounts;
pub mod api_keys;
pub mod audit_trail;
pub mod authenticate;
pub mod caller;
pub mod data_keys;
pub mod email_address;
pub mod jwt_ring;
pub mod letters;
pub mod links;
pub mod mail_server;
pub mod mailbox;
pub mod password_reset;
pub mod passwords;
pub mod people;
pub mod person;
pub mod policy;
pub mod portal_users;
pub mod recent;
pub mod rights;
pub mod sessions;
pub mod sign_up;
pub mod texts;
pub mod throttle;
pub mod tokens;
pub mod viewer;
