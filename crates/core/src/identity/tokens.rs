//! Access tokens (RFC 7519, signed by HS256), and the random texts of refresh tokens, one-time links and API keys.
//!
//! The random texts have 256 bits, too many to guess, so a plain SHA-256 of them is stored.

use std::fmt::Write;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::{AccountId, SessionId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::hmac;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::credential_cache::CredentialCache;
use super::jwt_ring::install_jwt_provider;
use crate::config::Secret;

/// Unless the session ends before.
pub const ACCESS_LIFETIME: TimeDelta = TimeDelta::minutes(15);
/// Prefix of API keys.
pub const API_KEY: &str = "lmk_";
/// Prefix of the tokens of one-time links.
pub const ONE_TIME: &str = "lmt_";
const REFRESH: &str = "lmr_";
const ISSUER: &str = "leadmesh";
const SESSION_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;

/// Where a person signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// An account's users.
    Account,
    /// A partner's people, in its portal.
    Portal,
}

/// The content of an access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    /// The person, as `usr_…` or `pusr_…`.
    pub sub: String,
    /// The user's account, or the account of the portal user's partner.
    pub acct: AccountId,
    pub scope: Scope,
    pub sid: SessionId,
    /// When it was made, in Unix seconds.
    pub iat: i64,
    /// When it ends, in Unix seconds.
    pub exp: i64,
}

/// Keys of access tokens, and the credential cache.
#[derive(Clone)]
pub struct TokenKeys {
    sign: EncodingKey,
    verify: DecodingKey,
    /// Derives each refresh token from the one before.
    successors: hmac::Key,
    /// Hides the networks from which people sign in.
    networks: hmac::Key,
    validation: Validation,
    pub credentials: CredentialCache,
}

impl TokenKeys {
    pub fn new(secret: &Secret) -> Self {
        install_jwt_provider();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // Compared with the App's clock in `read` instead.
        validation.validate_exp = false;
        Self {
            sign: EncodingKey::from_secret(&secret.0),
            verify: DecodingKey::from_secret(&secret.0),
            successors: derived(secret, b"leadmesh successor of a refresh token"),
            networks: derived(secret, b"leadmesh network of a person"),
            validation,
            credentials: CredentialCache::default(),
        }
    }

    /// An access token, and when it ends: after [`ACCESS_LIFETIME`], or with its session if that ends before.
    pub fn issue(
        &self,
        who: Subject,
        now: DateTime<Utc>,
        session_ends: DateTime<Utc>,
    ) -> anyhow::Result<(String, DateTime<Utc>)> {
        let exp = session_ends.min(now + ACCESS_LIFETIME).timestamp();
        let claims = Claims {
            iss: ISSUER.into(),
            sub: who.person,
            acct: who.account,
            scope: who.scope,
            sid: who.session,
            iat: now.timestamp(),
            exp,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign)
            .context("cannot sign an access token")?;
        Ok((token, DateTime::from_timestamp(exp, 0).unwrap_or(now)))
    }

    /// The successor of a refresh token: always the same, so that a repeated refresh gives the same answer although only hashes
    /// are stored. Without the secret neither token gives the other.
    pub fn successor(&self, session: SessionId, token: &str) -> String {
        let secret = hmac::sign(&self.successors, token.as_bytes());
        refresh_text(session, secret.as_ref())
    }

    /// A keyed hash: networks are few enough to be found from a plain one.
    pub fn network(&self, network: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.networks, network.as_bytes()).as_ref())
    }

    /// The content of a valid token. Whether its session has ended is not checked.
    pub fn read(&self, token: &str, now: DateTime<Utc>) -> Option<Claims> {
        let claims: Claims = jsonwebtoken::decode(token, &self.verify, &self.validation).ok()?.claims;
        (now.timestamp() < claims.exp).then_some(claims)
    }
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKeys(…)")
    }
}

/// A key for one use, so that what is made for one use is worth nothing in another.
fn derived(secret: &Secret, usage: &[u8]) -> hmac::Key {
    let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret.0), usage);
    hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())
}

#[derive(Clone, Debug)]
pub struct Subject {
    /// As `usr_…` or `pusr_…`.
    pub person: String,
    pub account: AccountId,
    pub scope: Scope,
    pub session: SessionId,
}

pub fn random(prefix: &str) -> String {
    let secret: [u8; SECRET_BYTES] = rand::random();
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(secret))
}

/// The first refresh token of a session. It names its session, so that reuse is recognized long after the token was replaced.
/// Knowing the session is enough to end it, never to use it.
pub fn refresh_token(session: SessionId) -> String {
    let secret: [u8; SECRET_BYTES] = rand::random();
    refresh_text(session, &secret)
}

fn refresh_text(session: SessionId, secret: &[u8]) -> String {
    let bytes = [session.0.as_bytes().as_slice(), secret].concat();
    format!("{REFRESH}{}", URL_SAFE_NO_PAD.encode(bytes))
}

pub fn session_of(token: &str) -> Option<SessionId> {
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(REFRESH)?).ok()?;
    let (session, secret) = bytes.split_first_chunk::<SESSION_BYTES>()?;
    (secret.len() == SECRET_BYTES).then(|| SessionId(Uuid::from_bytes(*session)))
}

/// SHA-256 in hexadecimal digits.
pub fn hash(token: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    digest.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _never_fails = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
