//! The two accounts of a relationship, as a change of it sees them.

use entity::account;
use entity::ids::AccountId;
use sea_orm::DatabaseTransaction;

use leadmesh_core::error::Result;
use leadmesh_core::identity::accounts;

/// The account that acts, and the other one.
#[derive(Clone, Debug)]
pub struct Sides {
    /// Whose caller acts.
    pub mine: account::Model,
    /// The partner.
    pub theirs: account::Model,
}

impl Sides {
    /// Locks both, always the lower identifier first, so that two changes cannot wait for each other.
    pub async fn lock(tx: &DatabaseTransaction, mine: AccountId, theirs: AccountId) -> Result<Self> {
        let low = accounts::lock(tx, mine.min(theirs)).await?;
        let high = accounts::lock(tx, mine.max(theirs)).await?;
        Ok(if mine < theirs {
            Self {
                mine: low,
                theirs: high,
            }
        } else {
            Self {
                mine: high,
                theirs: low,
            }
        })
    }

    /// Tells every node that what was compiled for either account may have changed.
    pub async fn touch(&self, tx: &DatabaseTransaction) -> Result<()> {
        let (mine, theirs) = (self.mine.id, self.theirs.id);
        accounts::touch_config(tx, mine.min(theirs)).await?;
        accounts::touch_config(tx, mine.max(theirs)).await
    }
}
