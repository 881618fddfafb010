//! Credits of a profile's weighted round robin: they decide which partner gets the next lead.

use std::collections::BTreeMap;

use crate::ids::{AssignmentId, ProfileId};
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};

/// Credit by assignment, in units of `leads::allocate`; negative for a partner that is ahead of its share, zero for one that is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Credits(pub BTreeMap<AssignmentId, i64>);

/// A row; none before the first lead.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "profile_credit")]
pub struct Model {
    /// Which profile.
    #[sea_orm(primary_key, auto_increment = false)]
    pub profile_id: ProfileId,
    /// Credits of its partners.
    pub credits: Credits,
}

crate::no_relations!();

impl Entity {
    /// The rows of some profiles.
    pub fn of_profiles(profiles: impl IntoIterator<Item = ProfileId>) -> Select<Self> {
        Self::find().filter(Column::ProfileId.is_in(profiles))
    }

    /// The same, locked in one order, so that two transactions cannot wait for each other.
    pub fn locked(profiles: impl IntoIterator<Item = ProfileId>) -> Select<Self> {
        Self::of_profiles(profiles)
            .order_by_asc(Column::ProfileId)
            .lock_exclusive()
    }
}
