//! The mail server through which an account delivers by email.

use crate::ids::AccountId;
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// Security of the connection to a mail server.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SmtpSecurity {
    /// A plain connection upgraded before anything is sent. Usually port 587.
    Starttls,
    /// TLS from the first byte. Usually port 465.
    Tls,
    /// No encryption. Only for a mail server on the same machine or network.
    None,
}

/// How Leadmesh signs in to a mail server.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
    async_graphql::Enum,
)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SmtpAuth {
    /// User name and password, by PLAIN or LOGIN as the server offers.
    #[default]
    Password,
    /// User name and an OAuth 2.0 access token instead of a password, by XOAUTH2. Set a new token before it expires.
    #[sea_orm(string_value = "XOAUTH2")]
    #[serde(rename = "XOAUTH2")]
    #[graphql(name = "XOAUTH2")]
    Xoauth2,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "smtp_settings")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: i32,
    /// How the connection is protected.
    pub security: SmtpSecurity,
    /// How to sign in.
    pub auth: SmtpAuth,
    /// For AUTH.
    pub username: Option<String>,
    /// Sealed with the account's key.
    pub sealed_password: Option<String>,
    /// Shown in From.
    pub from_name: Option<String>,
    /// Envelope and From.
    pub from_address: String,
    /// Reply-To.
    pub reply_to: Option<String>,
    /// The most mails a minute; none for no limit.
    pub mails_per_minute: Option<i32>,
    /// Last successful test mail with these settings.
    pub verified_at: Option<DateTime<Utc>>,
    /// What the last failed test said.
    pub last_error: Option<String>,
    /// Last change: connections kept from before are not used again.
    pub updated_at: DateTime<Utc>,
}

crate::no_relations!();

impl Entity {
    /// The settings of one account.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find_by_id(account)
    }
}
