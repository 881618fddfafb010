//! What the partners of a profile are owed of its leads: whose turn is next.

use std::collections::BTreeMap;

use crate::ids::{AssignmentId, ProfileId};
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};

/// By place, in parts of a lead as `leads::allocate` counts them; below zero for who is ahead. Who is not named is owed nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Owed(pub BTreeMap<AssignmentId, i64>);

/// A row; none before the first lead.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "profile_turn")]
pub struct Model {
    /// Which profile.
    #[sea_orm(primary_key, auto_increment = false)]
    pub profile_id: ProfileId,
    /// What its partners are owed.
    pub owed: Owed,
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
