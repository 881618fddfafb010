//! Access tokens (RFC 7519, signed by HS256), and the random texts behind refresh tokens, one-time links and API keys.
//!
//! The random texts hold 256 bits, so they are kept as a plain SHA-256: there is nothing to guess.

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

use super::jwt_ring::install_jwt_provider;
use super::recent::Recent;
use crate::config::Secret;

/// How long an access token works, if its session does not end before.
pub const ACCESS_LIFETIME: TimeDelta = TimeDelta::minutes(15);
/// What API keys start with.
pub const API_KEY: &str = "lmk_";
/// What the tokens of one-time links start with.
pub const ONE_TIME: &str = "lmt_";
const REFRESH: &str = "lmr_";
const ISSUER: &str = "leadmesh";
const SESSION_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;

/// The two worlds that a person can be signed in to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// An account's own people.
    Account,
    /// A partner's people, in the portal.
    Portal,
}

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who made it.
    pub iss: String,
    /// The person, as `usr_…` or `pusr_…`.
    pub sub: String,
    /// The account whose person, or whose partner's person, it is.
    pub acct: AccountId,
    /// Where it may be used.
    pub scope: Scope,
    /// The log-in that it belongs to.
    pub sid: SessionId,
    /// When it was made, in Unix seconds.
    pub iat: i64,
    /// When it ends, in Unix seconds.
    pub exp: i64,
}

/// Keys of access tokens, and who used credentials lately.
#[derive(Clone)]
pub struct TokenKeys {
    sign: EncodingKey,
    verify: DecodingKey,
    /// Makes refresh tokens from those before them.
    successors: hmac::Key,
    /// Hides the networks that people were in.
    networks: hmac::Key,
    validation: Validation,
    /// Who used credentials lately.
    pub recent: Recent,
}

impl TokenKeys {
    /// Keys from the operator's secret.
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
            recent: Recent::default(),
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

    /// The refresh token that replaces another one: always the same, so that a repeated refresh gives what the first one gave
    /// although only hashes of tokens are kept. Who has seen only one of the two cannot make the other without the secret.
    pub fn successor(&self, session: SessionId, token: &str) -> String {
        let secret = hmac::sign(&self.successors, token.as_bytes());
        refresh_text(session, secret.as_ref())
    }

    /// What is kept of a network: there are few enough of them to find one from a plain hash.
    pub fn network(&self, network: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.networks, network.as_bytes()).as_ref())
    }

    /// What a token says, if it is one of ours and has not ended. Whether its session has is another question.
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

/// A key for one use from the operator's secret, so that what is made for one use is worth nothing in another.
fn derived(secret: &Secret, usage: &[u8]) -> hmac::Key {
    let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret.0), usage);
    hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())
}

/// For whom an access token is.
#[derive(Clone, Debug)]
pub struct Subject {
    /// As `usr_…` or `pusr_…`.
    pub person: String,
    /// Of which account.
    pub account: AccountId,
    /// Where it may be used.
    pub scope: Scope,
    /// Which log-in.
    pub session: SessionId,
}

/// A new random text with that prefix.
pub fn random(prefix: &str) -> String {
    let secret: [u8; SECRET_BYTES] = rand::random();
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(secret))
}

/// The first refresh token of a session. It names its session, so that even one that was replaced long ago can be told as
/// re-used; knowing the session alone is enough to end it, never to use it.
pub fn refresh_token(session: SessionId) -> String {
    let secret: [u8; SECRET_BYTES] = rand::random();
    refresh_text(session, &secret)
}

fn refresh_text(session: SessionId, secret: &[u8]) -> String {
    let bytes = [session.0.as_bytes().as_slice(), secret].concat();
    format!("{REFRESH}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// The session that a refresh token names.
pub fn session_of(token: &str) -> Option<SessionId> {
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(REFRESH)?).ok()?;
    let (session, secret) = bytes.split_first_chunk::<SESSION_BYTES>()?;
    (secret.len() == SECRET_BYTES).then(|| SessionId(Uuid::from_bytes(*session)))
}

/// SHA-256 in hexadecimal digits: what is kept of a random text.
pub fn hash(token: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    digest.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _never_fails = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
