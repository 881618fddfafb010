//! Who holds an email address.
//!
//! Anybody may claim an address; only the person who proves it through a mailed link holds it. A held address receives invitations
//! to connect, and comes first at log-in and password reset. Where the operator requires no proof, the first person who claims an
//! address holds it until another proves it.

use entity::ids::AccountId;
use entity::proof::AddressProof;
use entity::{account, user};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, DbErr, QueryOrder, QuerySelect, Set};

use super::accounts;
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::error::{Error, OnUniqueViolation, Result, UserErrorCode};

const TAKEN: &str =
    "this address is proven by another user of this server: sign in as that one, or choose another address";

/// The outcome of a proof.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The address counts for this user, now or since before.
    Proven(user::Model),
    /// Another user has proven it before; nothing was changed.
    HeldByAnother(user::Model),
}

impl Proof {
    pub fn user(self) -> user::Model {
        match self {
            Self::Proven(user) | Self::HeldByAnother(user) => user,
        }
    }

    pub fn require(self, path: &str) -> Result<user::Model> {
        match self {
            Self::Proven(user) => Ok(user),
            Self::HeldByAnother(_) => Err(taken(path)),
        }
    }
}

fn taken(path: &str) -> Error {
    Error::user(UserErrorCode::Taken, path, TAKEN)
}

/// Makes a user's address proven after the use of a mailed link. The user's account is locked already; all who claim the
/// address are locked here in one order, so that of two concurrent proofs the second sees the first.
pub async fn prove(tx: &DatabaseTransaction, app: &App, person: &user::Model) -> Result<Proof> {
    let claims = lock_claims(tx, &person.email).await?;
    let Some(mine) = claims.iter().find(|claim| claim.id == person.id).cloned() else {
        return Err(Error::Unauthenticated("you have been removed from the account"));
    };
    if mine.holds(AddressProof::Required) {
        return Ok(Proof::Proven(mine));
    }
    if is_proven_by_another(&claims, Some(&mine)) {
        return Ok(Proof::HeldByAnother(mine));
    }
    for other in claims.iter().filter(|claim| claim.id != mine.id) {
        displace(tx, app, other).await?;
    }
    let mut row: user::ActiveModel = mine.into();
    row.holds_email = Set(true);
    row.email_verified_at = Set(Some(app.clock.now()));
    // A concurrent sign-up through a mailed invitation may hold the address: the unique index decides.
    let proven = row
        .update(tx)
        .await
        .on_unique_violation(UserErrorCode::Taken, "input", TAKEN)?;
    prove_contact(tx, app, proven.account_id, &proven.email).await?;
    Ok(Proof::Proven(proven))
}

/// Where no proof is required, lets a user hold an address that nobody holds.
pub(super) async fn assume(tx: &DatabaseTransaction, person: user::Model) -> Result<user::Model> {
    let claims = lock_claims(tx, &person.email).await?;
    if claims.iter().any(|claim| claim.holds_email) {
        return Ok(person);
    }
    let mut row: user::ActiveModel = person.into();
    row.holds_email = Set(true);
    row.update(tx)
        .await
        .on_unique_violation(UserErrorCode::Taken, "input", TAKEN)
}

/// Frees an address for a new user who brings a proof along. The refusal of a proven address reveals nothing: its owner reads
/// the answer.
pub async fn make_room(tx: &DatabaseTransaction, app: &App, email: &str, path: &str) -> Result<()> {
    let claims = lock_claims(tx, email).await?;
    if is_proven_by_another(&claims, None) {
        return Err(taken(path));
    }
    for other in &claims {
        displace(tx, app, other).await?;
    }
    Ok(())
}

/// Makes the contact address of an account proven, if it is this one.
pub async fn prove_contact(tx: &DatabaseTransaction, app: &App, account: AccountId, email: &str) -> Result<bool> {
    let Some(found) = account::Entity::by_id(account).one(tx).await? else {
        return Ok(false);
    };
    if found.contact_email.as_deref() != Some(email) {
        return Ok(false);
    }
    if found.contact_verified_at.is_none() {
        let mut row: account::ActiveModel = found.into();
        row.contact_verified_at = Set(Some(app.clock.now()));
        row.contact_counts = Set(true);
        row.update(tx).await?;
    }
    Ok(true)
}

/// Applies the operator's setting to stored addresses: where proof is required, unproven ones become free; where it is not, the
/// first who claims an address holds it.
pub(super) async fn apply_setting(tx: &DatabaseTransaction, proof: AddressProof) -> std::result::Result<(), DbErr> {
    let required = proof == AddressProof::Required;
    let people = if required {
        user::Entity::drop_unproven()
    } else {
        user::Entity::assume_unproven()
    };
    let people = people.exec(tx).await?.rows_affected;
    let contacts = account::Entity::count_unproven_contacts(!required).exec(tx).await?;
    if people + contacts.rows_affected > 0 {
        tracing::info!(
            people,
            contacts = contacts.rows_affected,
            required,
            "unproven addresses follow LEADMESH_PROOF_OF_ADDRESS"
        );
    }
    Ok(())
}

/// Locks all users who claim an address.
pub(super) async fn lock_claims(tx: &DatabaseTransaction, email: &str) -> Result<Vec<user::Model>> {
    let claims = user::Entity::claiming(email).order_by_asc(user::Column::Id);
    Ok(claims.lock_exclusive().all(tx).await?)
}

/// Locks what the use of a mailed link may change, always in this order: the user's account, then all who claim the address.
pub(super) async fn lock(tx: &DatabaseTransaction, person: &user::Model) -> Result<()> {
    accounts::lock(tx, person.account_id).await?;
    lock_claims(tx, &person.email).await?;
    Ok(())
}

fn is_proven_by_another(claims: &[user::Model], mine: Option<&user::Model>) -> bool {
    let mine = mine.map(|mine| mine.id);
    let mut others = claims.iter().filter(|claim| Some(claim.id) != mine);
    others.any(|claim| claim.holds(AddressProof::Required))
}

/// Takes an address from a user who holds it without proof. The user stays signed in and keeps the account.
async fn displace(tx: &DatabaseTransaction, app: &App, other: &user::Model) -> Result<()> {
    if !other.holds_email {
        return Ok(());
    }
    let mut row: user::ActiveModel = other.clone().into();
    row.holds_email = Set(false);
    let other = row.update(tx).await?;
    let entry = Entry::new("user.address_lost", "User", other.id, &other.name);
    audit::record(tx, &app.clock, other.account_id, &Actor::system(), entry).await
}
