//! What a distribution profile is made of.

use async_graphql::{InputObject, MaybeUndefined};
use entity::ids::ProfileId;
use entity::profile::{OnFailure, Strategy};

use leadmesh_distribution::profiles::{NewProfile, ProfileChanges};
use leadmesh_flows::PriceInput;
use leadmesh_forms::rules::Rule;

/// A distribution profile to create.
#[derive(Clone, Debug, InputObject)]
pub struct CreateProfileInput {
    /// Display name, at most 120 characters.
    name: String,
    /// Description for people, at most 10,000 characters.
    description: Option<String>,
    /// How the profile chooses among matching partners.
    strategy: Strategy,
    /// What happens when a delivery finally fails or is refused.
    #[graphql(default_with = "Some(OnFailure::Stay)")]
    on_failure: Option<OnFailure>,
    /// The most partners per lead, 1 to 100. Defaults to no limit.
    max_recipients: Option<i32>,
    /// Which leads the profile takes, by the fields of the account's flows. Defaults to all. Rules require the PAID
    /// plan.
    rule: Option<Rule>,
    /// Price that a partner pays for a lead, unless its assignment has its own.
    base_price: Option<PriceInput>,
    /// Whether the profile routes leads.
    #[graphql(default_with = "Some(true)")]
    enabled: Option<bool>,
}

/// Changes to a distribution profile; omitted fields stay unchanged.
#[derive(Clone, Debug, InputObject)]
pub struct UpdateProfileInput {
    /// Identifier of the profile.
    id: ProfileId,
    /// Display name, at most 120 characters.
    name: Option<String>,
    /// Description for people, at most 10,000 characters. Null removes it.
    description: MaybeUndefined<String>,
    /// How the profile chooses among matching partners.
    strategy: Option<Strategy>,
    /// What happens when a delivery finally fails or is refused.
    on_failure: Option<OnFailure>,
    /// The most partners per lead, 1 to 100. Null means no limit.
    max_recipients: MaybeUndefined<i32>,
    /// Which leads the profile takes. Null means all.
    rule: MaybeUndefined<Rule>,
    /// Price that a partner pays for a lead, unless its assignment has its own. Null means none.
    base_price: MaybeUndefined<PriceInput>,
}

impl From<CreateProfileInput> for NewProfile {
    fn from(input: CreateProfileInput) -> Self {
        Self {
            name: input.name,
            description: input.description,
            strategy: input.strategy,
            on_failure: input.on_failure.unwrap_or(OnFailure::Stay),
            max_recipients: input.max_recipients,
            rule: input.rule,
            base_price: input.base_price,
            enabled: input.enabled.unwrap_or(true),
        }
    }
}

impl From<UpdateProfileInput> for ProfileChanges {
    fn from(input: UpdateProfileInput) -> Self {
        Self {
            id: input.id,
            name: input.name,
            description: input.description,
            strategy: input.strategy,
            on_failure: input.on_failure,
            max_recipients: input.max_recipients,
            rule: input.rule,
            base_price: input.base_price,
        }
    }
}
