//! Encryption at rest: a data key per account, wrapped by the operator's master key; values sealed by XChaCha20-Poly1305
//! (draft-irtf-cfrg-xchacha-03) with their account and place as associated data, so that a sealed value opens nowhere else.

pub mod key_holders;
pub mod master_key;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use entity::account_key::{self, KeyPurpose};
use entity::ids::AccountId;
use ring::hmac;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, Set};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Secret;

const NONCE: usize = 24;
const KEY_ID: usize = 16;
/// How long another process may go on sealing with a key after it was rotated. Rotated keys open for ever.
const FRESH: Duration = Duration::from_secs(30);
const CHECK: &str = "leadmesh master key";

/// Opens and seals for every account.
#[derive(Clone)]
pub struct Vault {
    master: MasterKey,
    /// Opens and seals nothing: while the operator moves from one master key to another.
    other: Option<MasterKey>,
    cache: moka::future::Cache<Option<AccountId>, Arc<Keys>>,
}

#[derive(Clone)]
struct MasterKey {
    cipher: XChaCha20Poly1305,
    fingerprint: String,
}

impl MasterKey {
    fn new(secret: &Secret) -> Self {
        Self {
            cipher: XChaCha20Poly1305::new((&secret.0).into()),
            fingerprint: fingerprint(secret),
        }
    }
}

/// Names a master key without revealing it: half of a SHA-256 hash, under a prefix of its own.
fn fingerprint(secret: &Secret) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(b"leadmesh master key fingerprint");
    context.update(&secret.0);
    let hash = context.finish();
    STANDARD_NO_PAD.encode(hash.as_ref().get(..16).unwrap_or_default())
}

/// A sealed value with the owner and the place that it was sealed for.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    pub owner: Option<AccountId>,
    pub place: &'a str,
    pub text: &'a str,
}

/// The keys of one account, or of the instance.
pub struct Keys {
    owner: Option<AccountId>,
    active: Uuid,
    seal: HashMap<Uuid, XChaCha20Poly1305>,
    index: hmac::Key,
}

impl Vault {
    pub fn new(master: &Secret) -> Self {
        let cache = moka::future::Cache::builder()
            .max_capacity(10_000)
            .time_to_live(FRESH)
            .build();
        Self {
            master: MasterKey::new(master),
            other: None,
            cache,
        }
    }

    /// Opens also what is under another master key: the previous or the next one.
    #[must_use]
    pub fn opening_also(self, other: Option<&Secret>) -> Self {
        Self {
            other: other.map(MasterKey::new),
            ..self
        }
    }

    /// A sealed constant, stored to recognize a wrong master key at the start.
    pub fn check_value(&self) -> anyhow::Result<String> {
        Ok(STANDARD_NO_PAD.encode(encrypt(&self.master.cipher, CHECK.as_bytes(), CHECK.as_bytes())?))
    }

    /// Whether the constant was sealed under a master key that opens.
    pub fn is_check_value(&self, value: &str) -> bool {
        STANDARD_NO_PAD
            .decode(value)
            .is_ok_and(|sealed| self.unseal(&sealed, CHECK.as_bytes()).is_ok())
    }

    /// Names the master key that seals.
    pub fn fingerprint(&self) -> &str {
        &self.master.fingerprint
    }

    /// Names the master keys that open.
    pub fn fingerprints(&self) -> Vec<&str> {
        let all = [Some(&self.master), self.other.as_ref()];
        all.into_iter().flatten().map(|key| key.fingerprint.as_str()).collect()
    }

    fn unseal(&self, sealed: &[u8], context: &[u8]) -> anyhow::Result<Vec<u8>> {
        let opened = decrypt(&self.master.cipher, sealed, context);
        match &self.other {
            Some(other) => opened.or_else(|_other_key| decrypt(&other.cipher, sealed, context)),
            None => opened,
        }
    }

    /// The keys of an account, or of the instance; made when there are none yet.
    pub async fn keys(
        &self,
        db: &impl ConnectionTrait,
        clock: &Clock,
        owner: Option<AccountId>,
    ) -> anyhow::Result<Arc<Keys>> {
        if let Some(keys) = self.cache.get(&owner).await {
            return Ok(keys);
        }
        self.reload(db, clock, owner).await
    }

    /// Reads the keys from the database: for a value sealed with a key that the cached ones lack.
    pub async fn reload(
        &self,
        db: &impl ConnectionTrait,
        clock: &Clock,
        owner: Option<AccountId>,
    ) -> anyhow::Result<Arc<Keys>> {
        let mut rows = account_key::Entity::owned_by(owner).all(db).await?;
        if rows.is_empty() {
            self.make(db, clock, owner, KeyPurpose::Index).await?;
            self.make(db, clock, owner, KeyPurpose::Seal).await?;
            rows = account_key::Entity::owned_by(owner).all(db).await?;
        }
        let keys = Arc::new(self.unwrap(owner, &rows)?);
        self.cache.insert(owner, keys.clone()).await;
        Ok(keys)
    }

    /// Opens a value that may be sealed with a key newer than the cached ones.
    pub async fn open(&self, db: &impl ConnectionTrait, clock: &Clock, value: Sealed<'_>) -> anyhow::Result<Vec<u8>> {
        let Sealed { owner, place, text } = value;
        match self.keys(db, clock, owner).await?.open(place, text) {
            Err(OpenError::UnknownKey) => Ok(self.reload(db, clock, owner).await?.open(place, text)?),
            opened => Ok(opened?),
        }
    }

    /// Makes the first key of a purpose. Of two processes that try, one key is kept.
    async fn make(
        &self,
        db: &impl ConnectionTrait,
        clock: &Clock,
        owner: Option<AccountId>,
        purpose: KeyPurpose,
    ) -> anyhow::Result<()> {
        let row = self.new_key(db, clock, owner, purpose).await?;
        account_key::Entity::insert(row)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(db)
            .await?;
        Ok(())
    }

    /// A new wrapped key, not yet stored.
    pub async fn new_key(
        &self,
        db: &impl ConnectionTrait,
        clock: &Clock,
        owner: Option<AccountId>,
        purpose: KeyPurpose,
    ) -> anyhow::Result<account_key::ActiveModel> {
        let id: Uuid = clock.id();
        let key: [u8; 32] = rand::random();
        let wrapped = encrypt(&self.wrapping(db).await?.cipher, &key, &wrap_context(id, owner))?;
        Ok(account_key::ActiveModel {
            id: Set(id),
            account_id: Set(owner),
            purpose: Set(purpose),
            wrapped: Set(wrapped),
            active: Set(true),
            created_at: Set(clock.now()),
        })
    }

    /// The master key that the database's keys are under now: the other one, after they were moved to it while this process
    /// runs. A key made under the previous one could not be opened once that is no longer set.
    async fn wrapping(&self, db: &impl ConnectionTrait) -> anyhow::Result<&MasterKey> {
        let Some(other) = &self.other else {
            return Ok(&self.master);
        };
        let kept = master_key::shared_check_value(db).await?;
        let is_under_other = kept
            .and_then(|value| STANDARD_NO_PAD.decode(value).ok())
            .is_some_and(|sealed| decrypt(&other.cipher, &sealed, CHECK.as_bytes()).is_ok());
        Ok(if is_under_other { other } else { &self.master })
    }

    pub fn opens(&self, row: &account_key::Model) -> bool {
        self.unseal(&row.wrapped, &wrap_context(row.id, row.account_id)).is_ok()
    }

    /// Gives an owner a new key to seal with; earlier keys still open.
    pub async fn rotate(
        &self,
        tx: &DatabaseTransaction,
        clock: &Clock,
        owner: Option<AccountId>,
    ) -> anyhow::Result<()> {
        account_key::Entity::retire(owner).exec(tx).await?;
        self.new_key(tx, clock, owner, KeyPurpose::Seal)
            .await?
            .insert(tx)
            .await?;
        Ok(())
    }

    /// Drops cached keys; after the commit of a change.
    pub async fn forget(&self, owner: Option<AccountId>) {
        self.cache.invalidate(&owner).await;
    }

    /// Moves a key from another master key to this one.
    pub async fn rewrap(
        &self,
        db: &impl ConnectionTrait,
        previous: &Self,
        row: account_key::Model,
    ) -> anyhow::Result<()> {
        let context = wrap_context(row.id, row.account_id);
        if decrypt(&self.master.cipher, &row.wrapped, &context).is_ok() {
            return Ok(());
        }
        let key = decrypt(&previous.master.cipher, &row.wrapped, &context)?;
        let mut row: account_key::ActiveModel = row.into();
        row.wrapped = Set(encrypt(&self.master.cipher, &key, &context)?);
        row.update(db).await?;
        Ok(())
    }

    fn unwrap(&self, owner: Option<AccountId>, rows: &[account_key::Model]) -> anyhow::Result<Keys> {
        let mut seal = HashMap::new();
        let (mut active, mut index) = (None, None);
        for row in rows {
            let key = self
                .unseal(&row.wrapped, &wrap_context(row.id, owner))
                .context("a data key is not sealed under this master key")?;
            match row.purpose {
                KeyPurpose::Index => index = Some(hmac::Key::new(hmac::HMAC_SHA256, &key)),
                KeyPurpose::Seal => {
                    seal.insert(
                        row.id,
                        XChaCha20Poly1305::new_from_slice(&key)
                            .map_err(|_length| anyhow!("a data key has a wrong length"))?,
                    );
                    active = row.active.then_some(row.id).or(active);
                }
            }
        }
        let missing = || anyhow!("the data keys of {owner:?} are incomplete");
        Ok(Keys {
            owner,
            active: active.ok_or_else(missing)?,
            seal,
            index: index.ok_or_else(missing)?,
        })
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(…)")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The loaded keys may be older than the value's.
    #[error("the value is sealed with a key that is not loaded")]
    UnknownKey,
    /// The value was changed, or moved from another place.
    #[error("the value does not open in this place")]
    Damaged,
}

impl Keys {
    /// Seals a value for one place, such as `lead_…/email`.
    pub fn seal(&self, place: &str, plain: &[u8]) -> anyhow::Result<String> {
        let cipher = self
            .seal
            .get(&self.active)
            .ok_or_else(|| anyhow!("the active data key is not loaded"))?;
        let mut out = self.active.as_bytes().to_vec();
        out.extend(encrypt(cipher, plain, &self.context(place))?);
        Ok(STANDARD_NO_PAD.encode(out))
    }

    pub fn open(&self, place: &str, sealed: &str) -> Result<Vec<u8>, OpenError> {
        let bytes = STANDARD_NO_PAD
            .decode(sealed)
            .map_err(|_not_base64| OpenError::Damaged)?;
        let (id, rest) = bytes.split_at_checked(KEY_ID).ok_or(OpenError::Damaged)?;
        let id = Uuid::from_slice(id).map_err(|_short| OpenError::Damaged)?;
        let cipher = self.seal.get(&id).ok_or(OpenError::UnknownKey)?;
        decrypt(cipher, rest, &self.context(place)).map_err(|_opaque| OpenError::Damaged)
    }

    /// A keyed hash for comparing values of one kind (such as `email`) without storing them.
    pub fn index(&self, kind: &str, value: &str) -> String {
        let mut context = hmac::Context::with_key(&self.index);
        context.update(kind.as_bytes());
        context.update(&[0]);
        context.update(value.as_bytes());
        STANDARD_NO_PAD.encode(context.sign().as_ref())
    }

    fn context(&self, place: &str) -> Vec<u8> {
        format!(
            "{}|{place}",
            self.owner.map(|owner| owner.to_string()).unwrap_or_default()
        )
        .into_bytes()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({:?}, {} keys)", self.owner, self.seal.len())
    }
}

fn wrap_context(id: Uuid, owner: Option<AccountId>) -> Vec<u8> {
    format!("key|{id}|{}", owner.map(|owner| owner.to_string()).unwrap_or_default()).into_bytes()
}

/// Nonce and ciphertext. Random nonces of 192 bits never repeat.
fn encrypt(cipher: &XChaCha20Poly1305, plain: &[u8], context: &[u8]) -> anyhow::Result<Vec<u8>> {
    let nonce: [u8; NONCE] = rand::random();
    let sealed = cipher
        .encrypt(
            &XNonce::from(nonce),
            Payload {
                msg: plain,
                aad: context,
            },
        )
        .map_err(|_opaque| anyhow!("sealing failed"))?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn decrypt(cipher: &XChaCha20Poly1305, sealed: &[u8], context: &[u8]) -> anyhow::Result<Vec<u8>> {
    let Some((nonce, rest)) = sealed.split_first_chunk::<NONCE>() else {
        bail!("a sealed value is too short")
    };
    cipher
        .decrypt(
            &XNonce::from(*nonce),
            Payload {
                msg: rest,
                aad: context,
            },
        )
        .map_err(|_opaque| anyhow!("a sealed value does not open"))
}
