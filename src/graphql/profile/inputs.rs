//! What a distribution profile is made of.

use async_graphql::{ID, InputObject, MaybeUndefined};
use entity::profile::{OnFailure, Strategy};

use crate::distribution::profiles::{NewProfile, ProfileChanges};
use crate::graphql::ids::id_or_unknown;
use crate::graphql::money::MoneyInput;
use crate::graphql::rule::RuleInput;

/// A distribution profile to be made.
#[derive(Clone, Debug, InputObject)]
pub struct CreateProfileInput {
    /// As shown, at most 120 characters.
    name: String,
    /// For people, at most 10,000 characters.
    description: Option<String>,
    /// How it picks among the partners that fit.
    strategy: Strategy,
    /// What follows when a delivery finally fails or is refused.
    #[graphql(default_with = "Some(OnFailure::Stay)")]
    on_failure: Option<OnFailure>,
    /// At most so many partners per lead, 1 to 100; by default no limit.
    max_recipients: Option<i32>,
    /// Which leads it takes, by the fields of the account's flows; by default all. Rules take the PAID plan.
    rule: Option<RuleInput>,
    /// What a partner pays for a lead, where its assignment has no price of its own.
    base_price: Option<MoneyInput>,
    /// Whether it routes.
    #[graphql(default_with = "Some(true)")]
    enabled: Option<bool>,
}

/// Changes of a distribution profile; what is left out stays.
#[derive(Clone, Debug, InputObject)]
pub struct UpdateProfileInput {
    /// Which profile.
    id: ID,
    /// As shown, at most 120 characters.
    name: Option<String>,
    /// For people, at most 10,000 characters; null removes it.
    description: MaybeUndefined<String>,
    /// How it picks among the partners that fit.
    strategy: Option<Strategy>,
    /// What follows when a delivery finally fails or is refused.
    on_failure: Option<OnFailure>,
    /// At most so many partners per lead, 1 to 100; null means no limit.
    max_recipients: MaybeUndefined<i32>,
    /// Which leads it takes; null means all.
    rule: MaybeUndefined<RuleInput>,
    /// What a partner pays for a lead, where its assignment has no price of its own; null means nothing.
    base_price: MaybeUndefined<MoneyInput>,
}

impl From<CreateProfileInput> for NewProfile {
    fn from(input: CreateProfileInput) -> Self {
        Self {
            name: input.name,
            description: input.description,
            strategy: input.strategy,
            on_failure: input.on_failure.unwrap_or(OnFailure::Stay),
            max_recipients: input.max_recipients,
            rule: input.rule.map(Into::into),
            base_price: input.base_price.map(Into::into),
            enabled: input.enabled.unwrap_or(true),
        }
    }
}

impl From<UpdateProfileInput> for ProfileChanges {
    fn from(input: UpdateProfileInput) -> Self {
        Self {
            id: id_or_unknown(&input.id),
            name: input.name,
            description: input.description,
            strategy: input.strategy,
            on_failure: input.on_failure,
            max_recipients: input.max_recipients,
            rule: input.rule.map_value(Into::into),
            base_price: input.base_price.map_value(Into::into),
        }
    }
}
