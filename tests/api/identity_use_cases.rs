//! The use cases of accounts, people and credentials, on `SQLite` and, where one is given, on PostgreSQL.

mod authentication;
mod instance_mail;
mod keys_and_settings;
mod lockouts;
mod log_in;
mod new_passwords;
mod people;
mod portal;
mod refreshing;
pub(crate) mod support;
