//! A step of a flow.

use crate::cap_usage::Cap;
use crate::ids::{AccountId, ConnectionId, FlowId, InvitationId, ProfileId, SettingsId, StepId};
use async_graphql::{InputObject, SimpleObject};
use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{FromJsonQueryResult, QueryOrder};
use serde::{Deserialize, Serialize};

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum StepConfig {
    /// Stops the lead when the rule holds.
    Filter {
        /// Canonical rule tree.
        rule: Json,
        /// What the sender is told.
        reason: String,
    },
    /// Sets fields from templates, in order.
    Transform {
        /// Field and template.
        assignments: Vec<TemplateAssignment>,
    },
    /// Delivers to a connected account; which one is told by the row's `connection_id` or `invitation_id`.
    Buyer {
        /// What is shared, and under which names.
        settings_id: SettingsId,
        /// What the buyer pays for a lead, in 1/10,000 of the currency unit.
        price_e4: Option<i64>,
        /// ISO 4217.
        price_currency: Option<String>,
        /// Limits of leads that the buyer takes.
        caps: Vec<Cap>,
        /// Whether it is to be enabled as soon as the buyer accepts the invitation.
        enable_when_ready: bool,
    },
    /// Routes to partners through a profile.
    Distribute {
        /// Which profile.
        profile_id: ProfileId,
    },
}

/// A field and the template that sets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, SimpleObject, InputObject)]
#[graphql(input_name = "TemplateAssignmentInput")]
pub struct TemplateAssignment {
    /// Name of the field. A template that reads an encrypted field may only set an encrypted field.
    pub field: String,
    /// Template of the value, such as `{{ lead.first_name }} {{ lead.last_name }}`, at most 2,000 characters. An empty
    /// result empties the field.
    pub template: String,
}

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "step")]
pub struct Model {
    /// Identifier.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: StepId,
    /// Whose.
    pub account_id: AccountId,
    /// Which flow.
    pub flow_id: FlowId,
    /// Order, from 0.
    pub position: i32,
    /// As shown.
    pub name: String,
    /// Whether leads pass through it.
    pub enabled: bool,
    /// Canonical rule tree; a lead that does not fit skips the step.
    pub criteria: Option<Json>,
    /// What it does.
    pub config: StepConfig,
    /// The profile of a DISTRIBUTE step.
    pub profile_id: Option<ProfileId>,
    /// The connection with the buyer of a BUYER step.
    pub connection_id: Option<ConnectionId>,
    /// The invitation that a BUYER step waited for, or still waits for.
    pub invitation_id: Option<InvitationId>,
    /// Set when removed.
    pub deleted_at: Option<DateTime<Utc>>,
}

crate::no_relations!();

impl Entity {
    /// What may be large of a row.
    pub const LARGE: &'static [Column] = &[Column::Criteria, Column::Config];

    /// Steps of one account, removed ones left out.
    pub fn in_account(account: AccountId) -> Select<Self> {
        Self::find()
            .filter(Column::AccountId.eq(account))
            .filter(Column::DeletedAt.is_null())
    }

    /// Steps of one flow, removed ones left out, in order.
    pub fn of_flow(flow: FlowId) -> Select<Self> {
        Self::find()
            .filter(Column::FlowId.eq(flow))
            .filter(Column::DeletedAt.is_null())
            .order_by_asc(Column::Position)
    }

    /// Every step that a flow ever had, for reverting.
    pub fn ever_of_flow(flow: FlowId) -> Select<Self> {
        Self::find().filter(Column::FlowId.eq(flow))
    }
}
