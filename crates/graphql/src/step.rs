//! Steps: what happens to a lead that a flow takes.

use async_graphql::{Context, ID, Interface, Json, Object};
use entity::delivery_config::{AccountConfig, DeliveryConfig, FieldMapping, FieldSelection};
use entity::ids::{ProfileId, SettingsId};
use entity::step::{self, StepConfig};
use entity::{cap_usage, connection};
use serde_json::Value;

use super::account::AccountProfile;
use super::account_link::AccountLink;
use super::cap::Cap;
use super::context::app_and_caller;
use super::flow_counts::FlowCounts;
use super::invitation::Invitation;
use super::loaders::{self, CanReceiveOver, CountsOf, FlowRow, InvitationSent, LinkOf, ProfileRow, SettingsRow};
use super::money::Money;
use super::profile::DistributionProfile;
use super::rule;
use super::time_range::TimeRangeInput;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::policy::Action;
use leadmesh_delivery::counts::Subject;
use leadmesh_network::buyer_steps::{self, BuyerStepFacts, BuyerStepState};

/// A step of a flow. Leads pass the steps in order.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "Identifier."),
    field(name = "name", ty = "String", desc = "Display name, at most 120 characters."),
    field(
        name = "enabled",
        ty = "bool",
        desc = "Whether the step is enabled. Leads pass a disabled step unchanged."
    ),
    field(
        name = "criteria",
        ty = "Option<Json<Value>>",
        desc = "Leads that the step applies to; others skip it. In the canonical form of RuleInput. Null means all."
    ),
    field(name = "criteria_text", ty = "Option<String>", desc = "The criteria in words.")
)]
pub enum FlowStep {
    /// Stops leads.
    FilterStep(FilterStep),
    /// Sets fields.
    TransformStep(TransformStep),
    /// Delivers to a connected account.
    BuyerStep(BuyerStep),
    /// Routes leads to partners.
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
            StepConfig::Buyer {
                settings_id,
                price_e4,
                price_currency,
                caps,
                ..
            } => Self::BuyerStep(BuyerStep {
                row,
                does: Buyer {
                    settings: settings_id,
                    price: Money::from_columns(price_e4, price_currency),
                    caps,
                },
            }),
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

            /// Display name, at most 120 characters.
            async fn name(&self) -> &str {
                &self.row.name
            }

            /// Whether the step is enabled. Leads pass a disabled step unchanged.
            async fn enabled(&self) -> bool {
                self.row.enabled
            }

            /// Leads that the step applies to; others skip it. In the canonical form of `RuleInput`. Null means all.
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
    /// Stops leads for which the rule holds.
    FilterStep: Filter {
        /// Leads to stop, in the canonical form of `RuleInput`.
        async fn rule(&self) -> Json<Value> {
            Json(self.does.rule.clone())
        }

        /// The rule in words.
        async fn rule_text(&self, ctx: &Context<'_>) -> Result<String> {
            rule_text(ctx, &self.row, &self.does.rule).await
        }

        /// Reason given to the sender, at most 500 characters.
        async fn reason(&self) -> &str {
            &self.does.reason
        }
    }
}

step_object! {
    /// Sets fields from templates.
    TransformStep: Vec<step::TemplateAssignment> {
        /// Fields to set, in order. Later templates see the results of earlier ones.
        async fn assignments(&self) -> Vec<step::TemplateAssignment> {
            self.does.clone()
        }
    }
}

struct Buyer {
    settings: SettingsId,
    price: Option<Money>,
    caps: Vec<cap_usage::Cap>,
}

step_object! {
    /// Delivers to a connected account. The lead enters its receiving flow in the same transaction, so it is in both
    /// accounts or in neither. A flow of a PAID account may reject it; the lead then goes on to the next step.
    BuyerStep: Buyer {
        /// The account that receives the leads; null until an invited account is known.
        async fn buyer(&self, ctx: &Context<'_>) -> Result<Option<AccountProfile>> {
            let Some(connection) = link(ctx, &self.row).await? else {
                return Ok(None);
            };
            let buyer = connection.partner_of(self.row.account_id);
            AccountProfile::load(ctx, buyer).await.map(Some)
        }

        /// The connection with the buyer; null until there is one.
        async fn connection(&self, ctx: &Context<'_>) -> Result<Option<AccountLink>> {
            match self.row.connection_id {
                Some(id) => AccountLink::load(ctx, self.row.account_id, id).await,
                None => Ok(None),
            }
        }

        /// The invitation that the step was added with; null if it was added with a connection, and for callers who may
        /// not read invitations.
        async fn invitation(&self, ctx: &Context<'_>) -> Result<Option<Invitation>> {
            let Some(id) = self.row.invitation_id else { return Ok(None) };
            if !app_and_caller(ctx).await?.1.may(Action::ReadInvitations) {
                return Ok(None);
            }
            let row = loaders::load(ctx, InvitationSent(self.row.account_id, id)).await?;
            Ok(row.map(|row| Invitation::new(row, self.row.account_id)))
        }

        /// Whether the step delivers and, if not, why.
        async fn state(&self, ctx: &Context<'_>) -> Result<BuyerStepState> {
            let connection = link(ctx, &self.row).await?;
            let receiving = match &connection {
                Some(connection) => loaders::load(ctx, CanReceiveOver(self.row.account_id, connection.id)).await?,
                None => None,
            };
            Ok(buyer_steps::state(BuyerStepFacts {
                seller: self.row.account_id,
                enabled: self.row.enabled,
                connection: connection.as_ref(),
                receiving: receiving.unwrap_or_default(),
            }))
        }

        /// Fields that the buyer gets.
        async fn shared_fields(&self, ctx: &Context<'_>) -> Result<FieldSelection> {
            Ok(shared(ctx, &self.row, self.does.settings).await?.fields)
        }

        /// Names that the buyer gets instead of the flow's.
        async fn mapping(&self, ctx: &Context<'_>) -> Result<Vec<FieldMapping>> {
            Ok(shared(ctx, &self.row, self.does.settings).await?.mapping)
        }

        /// Warnings for people: fields that the buyer's receiving flow does not have and drops, and encrypted fields
        /// that go to the buyer without being listed.
        async fn warnings(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
            let (app, _) = app_and_caller(ctx).await?;
            buyer_steps::warnings(app.db.read(), &self.row).await
        }

        /// Price that the buyer pays for a lead. Null means the price of the buyer's flow.
        async fn price(&self) -> Option<Money> {
            self.does.price.clone()
        }

        /// Caps on leads delivered by this step. Leads that the buyer rejects do not count.
        async fn caps(&self) -> Vec<Cap> {
            self.does.caps.iter().cloned().map(Cap::from).collect()
        }

        /// Leads that this step delivered in the range: accepted by the buyer, rejected by its flow, or failed.
        async fn stats(
            &self,
            ctx: &Context<'_>,
            #[graphql(desc = "Range of submission times.")] range: TimeRangeInput,
        ) -> Result<FlowCounts> {
            let (_, caller) = app_and_caller(ctx).await?;
            let wanted = ctx.look_ahead();
            let key = CountsOf {
                account: caller.require(Action::ReadLeads)?,
                subject: Subject::Step(self.row.id),
                range: range.checked()?,
                percentiles: wanted.field("p50Ms").exists() || wanted.field("p95Ms").exists(),
            };
            Ok(loaders::load(ctx, key).await?.unwrap_or_default().into())
        }
    }
}

impl BuyerStep {
    /// The step of a row of that kind.
    pub(super) fn of(row: step::Model) -> Option<Self> {
        match FlowStep::from(row) {
            FlowStep::BuyerStep(step) => Some(step),
            _ => None,
        }
    }
}

/// The connection with the buyer; none until there is one.
async fn link(ctx: &Context<'_>, step: &step::Model) -> Result<Option<connection::Model>> {
    match step.connection_id {
        Some(id) => Ok(loaders::load(ctx, LinkOf(step.account_id, id))
            .await?
            .map(|link| link.row)),
        None => Ok(None),
    }
}

async fn shared(ctx: &Context<'_>, step: &step::Model, settings: SettingsId) -> Result<AccountConfig> {
    let row = loaders::load(ctx, SettingsRow(step.account_id, settings)).await?;
    match row.map(|row| row.config) {
        Some(DeliveryConfig::Account(config)) => Ok(config),
        _ => Err(missing("settings", step)),
    }
}

step_object! {
    /// Routes leads to partners through a distribution profile.
    DistributeStep: ProfileId {
        /// The profile that chooses the partners.
        async fn profile(&self, ctx: &Context<'_>) -> Result<DistributionProfile> {
            let profile = loaders::load(ctx, ProfileRow(self.row.account_id, self.does)).await?;
            profile
                .map(DistributionProfile)
                .ok_or_else(|| missing("profile", &self.row))
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
