//! Steps: what happens to a lead that a flow takes.

use async_graphql::{Context, ID, Interface, Json, Object, SimpleObject};
use entity::ids::ProfileId;
use entity::step::{self, StepConfig};
use serde_json::Value;

use super::loaders::{self, FlowRow, ProfileRow};
use super::profile::DistributionProfile;
use super::rule;
use crate::error::{Error, Result};

/// One step of a flow. Leads pass through the steps in order.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Identifier."),
    field(name = "name", ty = "String", desc = "As shown; at most 120 characters."),
    field(
        name = "enabled",
        ty = "bool",
        desc = "Whether leads pass through it; one that is off is as if it were not there."
    ),
    field(
        name = "criteria",
        ty = "Option<Json<Value>>",
        desc = "Which leads it concerns, the others skip it: the canonical form of what was put in as RuleInput. Null means all."
    ),
    field(name = "criteria_text", ty = "Option<String>", desc = "The criteria in words.")
)]
pub enum FlowStep {
    /// Stops leads.
    FilterStep(FilterStep),
    /// Sets fields.
    TransformStep(TransformStep),
    /// Routes to partners.
    DistributeStep(DistributeStep),
}

impl From<step::Model> for FlowStep {
    fn from(row: step::Model) -> Self {
        match row.config.clone() {
            StepConfig::Filter { rule, reason } => Self::FilterStep(FilterStep {
                row,
                does: Filter { rule, reason },
            }),
            StepConfig::Transform { assignments } => Self::TransformStep(TransformStep { row, does: assignments }),
            StepConfig::Distribute { profile_id } => Self::DistributeStep(DistributeStep { row, does: profile_id }),
        }
    }
}

struct Filter {
    rule: Value,
    reason: String,
}

/// A kind of step: what all have in common, the type of what it does, and in braces what only this kind has.
macro_rules! step_object {
    ($(#[doc = $doc:literal])+ $name:ident: $does:ty { $($own:tt)* }) => {
        $(#[doc = $doc])+
        pub struct $name {
            row: step::Model,
            does: $does,
        }

        $(#[doc = $doc])+
        #[Object]
        impl $name {
            /// Identifier.
            pub(crate) async fn id(&self) -> ID {
                self.row.id.to_string().into()
            }

            /// As shown; at most 120 characters.
            async fn name(&self) -> &str {
                &self.row.name
            }

            /// Whether leads pass through it; one that is off is as if it were not there.
            async fn enabled(&self) -> bool {
                self.row.enabled
            }

            /// Which leads it concerns, the others skip it: the canonical form of what was put in as `RuleInput`. Null means all.
            async fn criteria(&self) -> Option<Json<Value>> {
                self.row.criteria.clone().map(Json)
            }

            /// The criteria in words.
            async fn criteria_text(&self, ctx: &Context<'_>) -> Result<Option<String>> {
                match &self.row.criteria {
                    Some(stored) => rule_text(ctx, &self.row, stored).await.map(Some),
                    None => Ok(None),
                }
            }

            $($own)*
        }
    };
}

step_object! {
    /// Stops the lead when its rule holds.
    FilterStep: Filter {
        /// Which leads it stops: the canonical form of what was put in as `RuleInput`.
        async fn rule(&self) -> Json<Value> {
            Json(self.does.rule.clone())
        }

        /// The rule in words.
        async fn rule_text(&self, ctx: &Context<'_>) -> Result<String> {
            rule_text(ctx, &self.row, &self.does.rule).await
        }

        /// What the sender is told; at most 500 characters.
        async fn reason(&self) -> &str {
            &self.does.reason
        }
    }
}

step_object! {
    /// Sets fields from templates.
    TransformStep: Vec<step::TemplateAssignment> {
        /// What it sets, in order; a later template sees what an earlier one has set.
        async fn assignments(&self) -> Vec<TemplateAssignment> {
            self.does.iter().cloned().map(TemplateAssignment::from).collect()
        }
    }
}

step_object! {
    /// Routes to partners through a distribution profile.
    DistributeStep: ProfileId {
        /// Which picks the partners.
        async fn profile(&self, ctx: &Context<'_>) -> Result<DistributionProfile> {
            let profile = loaders::load(ctx, ProfileRow(self.row.account_id, self.does)).await?;
            profile
                .map(DistributionProfile)
                .ok_or_else(|| missing("profile", &self.row))
        }
    }
}

/// A field, and the template that it is set from.
#[derive(Clone, Debug, SimpleObject)]
pub struct TemplateAssignment {
    /// The field of the flow.
    field: String,
    /// What it becomes, such as `{{ lead.first_name }} {{ lead.last_name }}`; an empty text empties it.
    template: String,
}

impl From<step::TemplateAssignment> for TemplateAssignment {
    fn from(assignment: step::TemplateAssignment) -> Self {
        Self {
            field: assignment.field,
            template: assignment.template,
        }
    }
}

async fn rule_text(ctx: &Context<'_>, step: &step::Model, stored: &Value) -> Result<String> {
    let flow = loaders::load(ctx, FlowRow(step.account_id, step.flow_id)).await?;
    let flow = flow.ok_or_else(|| missing("flow", step))?;
    rule::text(stored, &flow.fields.0)
}

/// The database keeps flows, and profiles are not deleted while steps use them.
fn missing(what: &str, step: &step::Model) -> Error {
    Error::Internal(anyhow::anyhow!("the {what} of {} is gone", step.id))
}
