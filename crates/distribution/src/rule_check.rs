//! Checking rules of profiles and assignments: what takes long (reading the fields that they may name, compiling patterns) before
//! their change begins, the rest within it.

use async_graphql::MaybeUndefined;
use entity::ids::{AccountId, AssignmentId, ProfileId};
use entity::{assignment, profile};
use sea_orm::{ActiveValue, ColumnTrait, QueryFilter};
use serde_json::Value;

use super::change::Change;
use super::check;
use super::known_fields::KnownFields;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_forms::limits::PROFILE_PATTERN_BYTES;
use leadmesh_forms::rules::{PatternSizes, Rule};

const PATH: &str = "input.rule";

/// Where a rule is going to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    /// In a profile that is not there yet.
    NewProfile,
    /// In this profile, in place of its rule.
    Profile(ProfileId),
    /// In a new place of this profile.
    NewAssignment(ProfileId),
    /// In this place, in place of its rule.
    Assignment(AssignmentId),
}

/// What a rule is checked with.
pub(super) struct RuleCheck {
    known: KnownFields,
    sizes: PatternSizes,
}

impl RuleCheck {
    /// Reads and compiles; nothing where there is no rule. Refuses a rule that together with the others of its profile takes too
    /// much.
    pub(super) async fn read(app: &App, caller: &Caller, of: Of, rule: Option<&Rule>) -> Result<Self> {
        let account = caller.require(Action::ManagePartners)?;
        let Some(rule) = rule else {
            return Ok(Self {
                known: KnownFields::default(),
                sizes: PatternSizes::default(),
            });
        };
        let known = KnownFields::of(app.db.read(), account, &[]).await?;
        if rule.patterns().next().is_none() {
            return Ok(Self {
                known,
                sizes: PatternSizes::default(),
            });
        }
        let mut all = vec![rule.clone()];
        all.extend(others(app, account, of).await?);
        let sizes = PatternSizes::measure(all.clone()).await;
        let together = sizes.total(&all);
        if together > PROFILE_PATTERN_BYTES {
            let message = format!(
                "compiled, the patterns of a profile and its assignments may take {} MiB together, and with this rule they take {} \
                 MiB: use smaller repetitions, [a-z] or [0-9] in place of \\w or \\d, or fewer patterns",
                PROFILE_PATTERN_BYTES >> 20,
                together.div_ceil(1 << 20)
            );
            return Err(Error::broken(UserErrorCode::LimitReached, PATH, &message));
        }
        Ok(Self { known, sizes })
    }

    /// A rule at `input.rule` as a column, absent if it stays; the FREE plan does not include rules.
    pub(super) fn column(&self, change: &Change<'_>, rule: MaybeUndefined<Rule>) -> Result<ActiveValue<Option<Value>>> {
        if rule.is_value() {
            change.require_paid(PATH, "rules")?;
        }
        check::cleared_or_given(rule, |rule| self.known.rule(&rule, &self.sizes, PATH).map(Some))
    }
}

/// The other rules of the profile.
async fn others(app: &App, account: AccountId, of: Of) -> Result<Vec<Rule>> {
    let db = app.db.read();
    let place = match of {
        Of::Assignment(id) => {
            let place = assignment::Entity::in_account(account).filter(assignment::Column::Id.eq(id));
            place.one(db).await?.map(|place| place.profile_id)
        }
        Of::Profile(id) | Of::NewAssignment(id) => Some(id),
        Of::NewProfile => None,
    };
    let Some(profile) = place else { return Ok(Vec::new()) };
    let places = assignment::Entity::in_account(account).filter(assignment::Column::ProfileId.eq(profile));
    let places = places.all(db).await?.into_iter();
    let replaced = |place: &assignment::Model| matches!(of, Of::Assignment(id) if id == place.id);
    let mut rules: Vec<Value> = places
        .filter(|place| !replaced(place))
        .filter_map(|place| place.rule)
        .collect();
    if !matches!(of, Of::Profile(_)) {
        let own = profile::Entity::in_account(account).filter(profile::Column::Id.eq(profile));
        rules.extend(own.one(db).await?.and_then(|profile| profile.rule));
    }
    Ok(rules
        .into_iter()
        .filter_map(|rule| serde_json::from_value(rule).ok())
        .collect())
}
