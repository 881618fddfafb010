//! Previews of deliveries with sample values.

use async_graphql::{InputObject, Json};
use std::collections::HashSet;
use std::time::Duration;

use entity::delivery_config::{Channel, DeliveryConfig, FieldSelection};
use entity::field::{FieldDef, FieldType};
use entity::ids::{AccountId, AssignmentId, FlowId, PartnerId, ProfileId, SettingsId};
use entity::{assignment, delivery_settings, flow, partner, smtp_settings, step};
use sea_orm::{ColumnTrait, DbErr, QueryFilter, QueryOrder};
use serde_json::{Map, Value};

use super::known_fields::KnownFields;
use super::settings;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_delivery::preview::{self, Preview};
use leadmesh_forms::fields::{TypedValue, TypingContext, type_value};

/// How long a preview waits for its turn to be rendered.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A test delivery to a partner.
#[derive(Clone, Debug, InputObject)]
#[graphql(name = "TestDeliveryInput")]
pub struct PreviewInput {
    /// Identifier of the partner.
    #[graphql(name = "partnerId")]
    pub partner: PartnerId,
    /// One of the partner's assignments. If omitted, the partner's general settings apply.
    #[graphql(name = "assignmentId")]
    pub assignment: Option<AssignmentId>,
    /// Values by field name, as a sender would submit them, as a JSON object of at most 64 KiB.
    pub fields: Json<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewResult {
    /// The body is empty if the delivery would fail before anything is sent.
    pub preview: Preview,
    pub warnings: Vec<String>,
}

/// Shows what a partner would get. Nothing is sent or stored, and no secret is opened. Values are typed as those of a lead, by
/// the fields of the flows that distribute to the partner, or of all flows while none does.
pub async fn preview(app: &App, caller: &Caller, input: PreviewInput) -> Result<PreviewResult> {
    let account = caller.require(Action::ReadSetup)?;
    let Value::Object(given) = input.fields.0 else {
        return Err(Error::BadInput("fields is an object of values by field name".into()));
    };
    let target = Target::load(app, account, input.partner, input.assignment).await?;
    let target = target.map_err(|missing| match missing {
        Missing::Partner => Error::NotFound("partner"),
        Missing::Assignment => Error::NotFound("assignment of this partner"),
    })?;
    let sample = compose(app, target, given).await?;
    let config = &sample.settings.config;
    let mut warnings = sample.warnings;
    let (own, definitions, lead) = (config.clone(), sample.definitions, sample.lead);
    let rendered = app.rendering.run(PATIENCE, move |budget| {
        preview::preview(&own, &definitions, &lead, budget)
    });
    let preview = rendered.await?.unwrap_or_else(|error| {
        warnings.push(format!("The delivery would fail: {error}."));
        Preview::of(config.channel(), String::new())
    });
    Ok(PreviewResult { preview, warnings })
}

/// Where sample values would go.
pub(super) struct Target {
    partner: partner::Model,
    /// The named assignment, or all of the partner.
    assignments: Vec<assignment::Model>,
    /// Settings of the named assignment.
    own_settings: Option<SettingsId>,
}

#[derive(Clone, Copy)]
pub(super) enum Missing {
    Partner,
    Assignment,
}

impl Target {
    pub(super) async fn load(
        app: &App,
        account: AccountId,
        partner: PartnerId,
        named: Option<AssignmentId>,
    ) -> Result<std::result::Result<Self, Missing>> {
        let found = partner::Entity::in_account(account).filter(partner::Column::Id.eq(partner));
        let Some(partner) = found.one(app.db.read()).await? else {
            return Ok(Err(Missing::Partner));
        };
        let mut assignments =
            assignment::Entity::in_account(account).filter(assignment::Column::PartnerId.eq(partner.id));
        if let Some(id) = named {
            assignments = assignments.filter(assignment::Column::Id.eq(id));
        }
        let assignments = assignments.all(app.db.read()).await?;
        if named.is_some() && assignments.is_empty() {
            return Ok(Err(Missing::Assignment));
        }
        let own_settings = named
            .and(assignments.first())
            .and_then(|assignment| assignment.settings_id);
        Ok(Ok(Self {
            partner,
            assignments,
            own_settings,
        }))
    }
}

/// What a delivery of sample values is made of.
pub(super) struct SampleDelivery {
    pub(super) partner: partner::Model,
    pub(super) settings: delivery_settings::Model,
    /// None while no flow leads to the partner.
    pub(super) flow: Option<FlowId>,
    pub(super) definitions: Vec<FieldDef>,
    /// Values as a flow with these fields would store them.
    pub(super) lead: Map<String, Value>,
    pub(super) warnings: Vec<String>,
}

pub(super) async fn compose(app: &App, target: Target, given: Map<String, Value>) -> Result<SampleDelivery> {
    let Target {
        partner,
        assignments,
        own_settings,
    } = target;
    let settings = settings_of(app, &partner, own_settings).await?;
    let (flow, definitions) = definitions(app, partner.account_id, &assignments, settings.config.fields()).await?;
    let mut warnings = warnings(app, &partner, &settings.config).await?;
    let lead = typed(&definitions, given, &mut warnings);
    Ok(SampleDelivery {
        partner,
        settings,
        flow,
        definitions,
        lead,
        warnings,
    })
}

async fn settings_of(app: &App, partner: &partner::Model, own: Option<SettingsId>) -> Result<delivery_settings::Model> {
    let id = own.unwrap_or(partner.settings_id);
    let row = delivery_settings::Entity::in_account(partner.account_id).filter(delivery_settings::Column::Id.eq(id));
    let row = row.one(app.db.read()).await?;
    Ok(row.ok_or_else(|| anyhow::anyhow!("the delivery settings {id} are gone"))?)
}

/// The fields of the flows that distribute through the profiles of these assignments. While there are none: those of all flows
/// and of the selection, because settings may be made before their flow.
async fn definitions(
    app: &App,
    account: AccountId,
    assignments: &[assignment::Model],
    selection: &FieldSelection,
) -> std::result::Result<(Option<FlowId>, Vec<FieldDef>), DbErr> {
    let profiles: HashSet<ProfileId> = assignments.iter().map(|assignment| assignment.profile_id).collect();
    let steps = step::Entity::in_account(account).filter(step::Column::ProfileId.is_in(profiles));
    let feeding = steps.all(app.db.read()).await?.into_iter().map(|step| step.flow_id);
    let flows = flow::Entity::in_account(account).filter(flow::Column::Id.is_in(feeding));
    let flows = flows.order_by_asc(flow::Column::Id).all(app.db.read()).await?;
    if flows.is_empty() {
        let known = KnownFields::of(app.db.read(), account, &[]).await?;
        return Ok((None, known.under(selection)));
    }
    let first = flows.first().map(|flow| flow.id);
    let fields = flows.into_iter().flat_map(|flow| flow.fields.0);
    Ok((first, KnownFields::union(fields).under(&FieldSelection::default())))
}

async fn warnings(app: &App, partner: &partner::Model, config: &DeliveryConfig) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    if !partner.active {
        warnings.push("The partner is not active: no lead is routed to it.".to_owned());
    }
    let mut can_mail = true;
    match config.channel() {
        Channel::Email => {
            let server = smtp_settings::Entity::in_account(partner.account_id);
            can_mail = server.one(app.db.read()).await?.is_some();
        }
        Channel::Portal if !partner.portal_enabled => {
            warnings.push("The partner's portal is closed: its people see the lead once it is opened.".to_owned());
        }
        Channel::Webhook | Channel::Portal | Channel::Account => {}
    }
    match config {
        DeliveryConfig::Webhook(config) => warnings.extend(settings::warnings(config)),
        DeliveryConfig::Email(config) => warnings.extend(settings::email_warnings(config, can_mail)),
        DeliveryConfig::Portal(_) | DeliveryConfig::Account(_) => {}
    }
    Ok(warnings)
}

/// The values as a flow with these fields would store them.
fn typed(definitions: &[FieldDef], given: Map<String, Value>, warnings: &mut Vec<String>) -> Map<String, Value> {
    let defined = |name: &str| definitions.iter().find(|field| field.name == name);
    let is_country = |name: &str| defined(name).is_some_and(|field| field.field_type == FieldType::Country);
    let country = given.iter().find(|(name, _)| is_country(name));
    let country = country.and_then(|(_, value)| value.as_str()).map(str::to_owned);
    let context = TypingContext {
        country: country.as_deref(),
    };
    let mut lead = Map::new();
    for (name, value) in given {
        let Some(field) = defined(&name) else {
            warnings.push(format!(
                "No flow that leads to the partner has a field {}: it was left out.",
                short(&name)
            ));
            continue;
        };
        match type_value(field, &value, &context) {
            TypedValue::Empty => {}
            TypedValue::Valid(value) => drop(lead.insert(name, value)),
            TypedValue::Invalid(what) => {
                warnings.push(format!("{}: {what}; it is shown as given.", short(&name)));
                lead.insert(name, value);
            }
        }
    }
    lead
}

/// A name for a message.
fn short(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn field(name: &str, field_type: FieldType) -> FieldDef {
        FieldDef {
            name: name.into(),
            label: name.into(),
            field_type,
            required: false,
            encrypted: false,
            choices: None,
            example: None,
            description: None,
        }
    }

    #[test]
    fn values_are_typed_as_those_of_a_lead_with_warnings() {
        let fields = [
            field("country", FieldType::Country),
            field("phone", FieldType::Phone),
            field("age", FieldType::Integer),
            field("note", FieldType::Text),
        ];
        let given = json!({"phone": "030 1234567", "country": "Germany", "age": "old", "note": "  ", "nope": 1});
        let Value::Object(given) = given else { unreachable!() };
        let mut warnings = Vec::new();
        let lead = typed(&fields, given, &mut warnings);
        assert_eq!(
            Value::Object(lead),
            json!({"phone": "+49301234567", "country": "DE", "age": "old"})
        );
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings.iter().any(|text| text.starts_with("age: ")));
        assert!(warnings.iter().any(|text| text.contains("a field nope")));
    }
}
