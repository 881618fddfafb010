//! Checks of the rules of profiles and assignments. The slow part (reading known fields, compiling patterns) comes before the
//! change's transaction, the rest within it.

use async_graphql::MaybeUndefined;
use entity::ids::{AccountId, AssignmentId, ProfileId};
use entity::{assignment, profile};
use sea_orm::{ActiveValue, ColumnTrait, QueryFilter};
use serde_json::Value;

use super::check;
use super::known_fields::KnownFields;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::change::Change;
use leadmesh_core::identity::policy::Action;
use leadmesh_forms::limits::PROFILE_PATTERN_BYTES;
use leadmesh_forms::rules::{PatternSizes, Rule};

const PATH: &str = "input.rule";

/// Where a rule is saved.
#[derive(Clone, Copy, Debug)]
pub(super) enum RuleTarget {
    NewProfile,
    /// Replaces the rule of this profile.
    Profile(ProfileId),
    /// In a new assignment of this profile.
    NewAssignment(ProfileId),
    /// Replaces the rule of this assignment.
    Assignment(AssignmentId),
}

pub(super) struct RuleCheck {
    known: KnownFields,
    sizes: PatternSizes,
}

impl RuleCheck {
    /// Reads the known fields and compiles the patterns; nothing without a rule. Refuses a rule whose patterns together with
    /// the others of its profile exceed the limit.
    pub(super) async fn read(app: &App, caller: &Caller, of: RuleTarget, rule: Option<&Rule>) -> Result<Self> {
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
            return Err(Error::user(UserErrorCode::LimitReached, PATH, &message));
        }
        Ok(Self { known, sizes })
    }

    /// The rule at `input.rule` as a column, absent if it stays; the FREE plan does not include rules.
    pub(super) fn column(&self, change: &Change<'_>, rule: MaybeUndefined<Rule>) -> Result<ActiveValue<Option<Value>>> {
        if rule.is_value() {
            change.require_paid(PATH, "rules")?;
        }
        check::cleared_or_given(rule, |rule| self.known.rule(&rule, &self.sizes, PATH).map(Some))
    }
}

/// The other rules of the profile.
async fn others(app: &App, account: AccountId, of: RuleTarget) -> Result<Vec<Rule>> {
    let db = app.db.read();
    let profile = match of {
        RuleTarget::Assignment(id) => {
            let found = assignment::Entity::in_account(account).filter(assignment::Column::Id.eq(id));
            found.one(db).await?.map(|assignment| assignment.profile_id)
        }
        RuleTarget::Profile(id) | RuleTarget::NewAssignment(id) => Some(id),
        RuleTarget::NewProfile => None,
    };
    let Some(profile) = profile else { return Ok(Vec::new()) };
    let assignments = assignment::Entity::in_account(account).filter(assignment::Column::ProfileId.eq(profile));
    let assignments = assignments.all(db).await?.into_iter();
    let replaced = |assignment: &assignment::Model| matches!(of, RuleTarget::Assignment(id) if id == assignment.id);
    let mut rules: Vec<Value> = assignments
        .filter(|assignment| !replaced(assignment))
        .filter_map(|assignment| assignment.rule)
        .collect();
    if !matches!(of, RuleTarget::Profile(_)) {
        let own = profile::Entity::in_account(account).filter(profile::Column::Id.eq(profile));
        rules.extend(own.one(db).await?.and_then(|profile| profile.rule));
    }
    Ok(rules
        .into_iter()
        .filter_map(|rule| serde_json::from_value(rule).ok())
        .collect())
}
