//! Whose an email address is.
//!
//! Anybody may claim an address; it counts only for the one person who has proven it by a link that was mailed there. Only such an
//! address receives invitations to connect, and goes first at log-in and when a new password is asked for. Where the operator
//! asks for no proof, the first person who claims an address holds it, until somebody proves it.

use entity::ids::AccountId;
use entity::proof::AddressProof;
use entity::{account, user};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, DbErr, QueryOrder, QuerySelect, Set};

use super::accounts;
use crate::app::App;
use crate::audit::{self, Entry, Who};
use crate::error::{Error, OrBroken, Result, UserErrorCode};

const TAKEN: &str =
    "this address is proven by another user of this server: sign in as that one, or choose another address";

/// What became of a proof.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The address counts for this person now, or did before.
    Proven(user::Model),
    /// Somebody else has proven it before; nothing was changed.
    HeldByAnother(user::Model),
}

impl Proof {
    /// The person, however it went.
    pub fn user(self) -> user::Model {
        match self {
            Self::Proven(user) | Self::HeldByAnother(user) => user,
        }
    }

    /// The person, if the address counts for them.
    pub fn require(self, path: &str) -> Result<user::Model> {
        match self {
            Self::Proven(user) => Ok(user),
            Self::HeldByAnother(_) => Err(taken(path)),
        }
    }
}

fn taken(path: &str) -> Error {
    Error::broken(UserErrorCode::Taken, path, TAKEN)
}

/// Makes the address of a person proven: they have used a link that was mailed to it. The person's account is locked already, and
/// with it come all who claim the address, in one order, so that of two proofs at once the second sees the first.
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
    // Somebody may have signed up by a mailed invitation at this moment: the index decides.
    let proven = row.update(tx).await.or_broken(UserErrorCode::Taken, "input", TAKEN)?;
    prove_contact(tx, app, proven.account_id, &proven.email).await?;
    Ok(Proof::Proven(proven))
}

/// Lets somebody hold an address without proof, if nobody holds it.
pub(super) async fn assume(tx: &DatabaseTransaction, person: user::Model) -> Result<user::Model> {
    let claims = lock_claims(tx, &person.email).await?;
    if claims.iter().any(|claim| claim.holds_email) {
        return Ok(person);
    }
    let mut row: user::ActiveModel = person.into();
    row.holds_email = Set(true);
    row.update(tx).await.or_broken(UserErrorCode::Taken, "input", TAKEN)
}

/// Makes room for somebody new who brings the proof along. Refused when the address is proven already: the one who holds it
/// reads this answer, so it tells no stranger.
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

/// Brings what is kept in line with the operator's setting: where proof is required, addresses that were taken without it are
/// free for others; where it is not, the first who claims an address holds it.
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

/// Everybody who claims an address, not to be changed by others until the end of the transaction.
pub(super) async fn lock_claims(tx: &DatabaseTransaction, email: &str) -> Result<Vec<user::Model>> {
    let claims = user::Entity::claiming(email).order_by_asc(user::Column::Id);
    Ok(claims.lock_exclusive().all(tx).await?)
}

/// Locks what the use of a mailed link may change, always in this order: the account of a person, then all who claim its address.
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

/// Takes an address from somebody who holds it without proof. They stay signed in and keep their account.
async fn displace(tx: &DatabaseTransaction, app: &App, other: &user::Model) -> Result<()> {
    if !other.holds_email {
        return Ok(());
    }
    let mut row: user::ActiveModel = other.clone().into();
    row.holds_email = Set(false);
    let other = row.update(tx).await?;
    let entry = Entry {
        action: "user.address_lost",
        subject_type: "User",
        subject_id: other.id.to_string(),
        label: Some(&other.name),
        changes: None,
    };
    audit::record(tx, &app.clock, other.account_id, &Who::system(), entry).await
}
