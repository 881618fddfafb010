//! Steps that deliver to connected accounts.

use std::collections::HashSet;

use entity::cap_usage::Caps;
use entity::delivery_config::{AccountConfig, DeliveryConfig, FieldMapping, FieldSelection, FieldSelectionMode};
use entity::field::FieldDef;
use entity::ids::{ConnectionId, InvitationId, SettingsId};
use entity::step::{self, StepConfig};
use entity::{bulk, connection, delivery_settings};
use sea_orm::{ColumnTrait, QueryFilter, Set};

use crate::caps::CapInput;
use crate::checks::Checker;
use crate::edit::Edit;
use crate::price::PriceInput;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_forms::templates::{self, FieldNames, ProblemKind};

/// The most names in a selection, and the most renamings.
const MAX_FIELDS: usize = 500;
/// Unknown names that are reported.
const MAX_UNKNOWN: usize = 10;
/// Longest name that a field may be given, in characters.
const MAX_WIRE_NAME_CHARS: usize = 200;

/// What a BUYER step does. Replaces all settings.
#[derive(Clone, Debug)]
pub struct BuyerInput {
    /// None keeps the buyer of the step.
    pub to: Option<BuyerTo>,
    /// The fields that are shared.
    pub fields: FieldSelection,
    /// Names that the buyer gets instead of the flow's.
    pub mapping: Vec<FieldMapping>,
    pub price: Option<PriceInput>,
    pub caps: Vec<CapInput>,
}

/// Who the buyer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuyerTo {
    /// The account at the other end of a connection.
    Connected(ConnectionId),
    /// The account that accepts an invitation sent in the same transaction.
    Invited(InvitationId),
}

const PATH: &str = "input.step.buyer";

/// Checks the input and sets the step. A step without a buyer needs `input.to`.
pub(super) async fn apply(edit: &mut Edit<'_>, step: &mut step::Model, input: BuyerInput) -> Result<()> {
    edit.check.paid(PATH, "buyer steps");
    let before = match &step.config {
        StepConfig::Buyer { settings_id, caps, .. } => Some((*settings_id, Caps(caps.clone()))),
        _ => None,
    };
    let (before, caps) = before.unzip();
    let fields = edit.after.flow.fields.0.clone();
    let check = &mut edit.check;
    check_sharing(check, &input, &fields);
    let (price_e4, price_currency) = check.price(input.price.as_ref(), &format!("{PATH}.price"));
    let caps = check.caps(&input.caps, &caps.unwrap_or_default(), &format!("{PATH}.caps"));
    let mut enable_when_ready = false;
    match input.to {
        Some(BuyerTo::Connected(id)) => {
            check_connection(edit, id).await?;
            (step.connection_id, step.invitation_id) = (Some(id), None);
        }
        Some(BuyerTo::Invited(id)) => {
            (step.connection_id, step.invitation_id) = (None, Some(id));
            enable_when_ready = step.enabled;
            step.enabled = false;
        }
        None if step.connection_id.is_none() && step.invitation_id.is_none() => {
            let text = "say who the buyer is: the connection with it, or an invitation for it";
            edit.check
                .broken(UserErrorCode::Required, &format!("{PATH}.connectionId"), text);
        }
        None => enable_when_ready = waits_to_be_enabled(step),
    }
    let config = AccountConfig {
        connection_id: None,
        fields: tidy(input.fields),
        mapping: input.mapping,
    };
    step.config = StepConfig::Buyer {
        settings_id: keep_settings(edit, before, config).await?,
        price_e4,
        price_currency,
        caps: caps.0,
        enable_when_ready,
    };
    Ok(())
}

/// Whether the step is enabled when its buyer accepts the invitation.
fn waits_to_be_enabled(step: &step::Model) -> bool {
    matches!(
        step.config,
        StepConfig::Buyer {
            enable_when_ready: true,
            ..
        }
    )
}

/// Checks that leads may go over a connection, suspended or not.
async fn check_connection(edit: &mut Edit<'_>, id: ConnectionId) -> Result<()> {
    let path = format!("{PATH}.connectionId");
    let found = refusal(edit, Some(id)).await?;
    if let Some((code, text)) = found {
        edit.check.broken(code, &path, text);
    }
    Ok(())
}

/// Why a step cannot deliver over a connection.
type Refusal = (UserErrorCode, &'static str);

async fn refusal(edit: &Edit<'_>, id: Option<ConnectionId>) -> Result<Option<Refusal>> {
    use entity::connection::ConnectionStatus::Terminated;
    let Some(id) = id else {
        let text = "the buyer has not accepted the invitation yet: the step can be enabled once it has";
        return Ok(Some((UserErrorCode::NotConnected, text)));
    };
    let account = edit.account.id;
    let found = connection::Entity::of_account(account).filter(connection::Column::Id.eq(id));
    Ok(match found.one(&edit.tx).await? {
        None => Some((
            UserErrorCode::NotConnected,
            "you are not connected with this account: invite it first",
        )),
        Some(row) if row.status == Terminated => Some((
            UserErrorCode::NotConnected,
            "the connection has ended: invite the account again",
        )),
        Some(row) if !row.type_for(account).sends() => Some((
            UserErrorCode::DirectionNotAgreed,
            "the relationship does not let you send leads to this account: ask it for a wider one first",
        )),
        Some(_) => None,
    })
}

/// Refuses to enable a step without a connected buyer. Enabling or disabling a step by hand ends its waiting to be enabled.
pub(super) async fn switch(edit: &mut Edit<'_>, step: &mut step::Model, enabled: bool) -> Result<()> {
    let StepConfig::Buyer { enable_when_ready, .. } = &mut step.config else {
        return Ok(());
    };
    *enable_when_ready = false;
    if enabled && let Some((code, text)) = refusal(edit, step.connection_id).await? {
        edit.check.broken(code, "id", text);
    }
    Ok(())
}

/// Disables steps that a revert has enabled although their buyers are not connected now.
pub(crate) async fn disable_unconnected(edit: &mut Edit<'_>) -> Result<()> {
    for index in 0..edit.after.steps.len() {
        let Some(step) = edit.after.steps.get(index) else {
            continue;
        };
        let buyer = matches!(step.config, StepConfig::Buyer { .. });
        let (enabled, connection) = (step.enabled, step.connection_id);
        if !buyer || !enabled || refusal(edit, connection).await?.is_none() {
            continue;
        }
        if let Some(step) = edit.after.steps.get_mut(index) {
            step.enabled = false;
            let text = format!("step \"{}\" stays disabled: its buyer is not connected", step.name);
            edit.warnings.push(text);
        }
    }
    Ok(())
}

/// The delivery settings with this content: those of the step if they are equal, else new ones.
async fn keep_settings(edit: &Edit<'_>, before: Option<SettingsId>, config: AccountConfig) -> Result<SettingsId> {
    let account = edit.account.id;
    let config = DeliveryConfig::Account(config);
    if let Some(id) = before {
        let kept = delivery_settings::Entity::in_account(account).filter(delivery_settings::Column::Id.eq(id));
        let kept = kept.one(&edit.tx).await?;
        let kept = kept.ok_or_else(|| Error::Internal(anyhow::anyhow!("the delivery settings {id} are gone")))?;
        if kept.config == config {
            return Ok(id);
        }
    }
    let id: SettingsId = edit.app.clock.id();
    let row = delivery_settings::ActiveModel {
        id: Set(id),
        account_id: Set(account),
        partner_id: Set(None),
        config: Set(config),
        created_at: Set(edit.app.clock.now()),
    };
    bulk::insert::<delivery_settings::Entity>(&edit.tx, vec![row]).await?;
    Ok(id)
}

fn tidy(mut selection: FieldSelection) -> FieldSelection {
    if selection.mode == FieldSelectionMode::All {
        selection.fields.clear();
    }
    selection
}

/// Checks that the selection names fields of the flow, and that no two fields get one name.
fn check_sharing(check: &mut Checker, input: &BuyerInput, fields: &[FieldDef]) {
    let selection = tidy(input.fields.clone());
    let (at, named) = (format!("{PATH}.sharedFields.fields"), &selection.fields);
    if named.len() > MAX_FIELDS || input.mapping.len() > MAX_FIELDS {
        let text = "name at most 500 fields, and rename at most 500";
        return check.broken(UserErrorCode::LimitReached, &at, text);
    }
    if selection.mode == FieldSelectionMode::Only && named.is_empty() {
        check.broken(UserErrorCode::Required, &at, "name at least one field, or share ALL");
    }
    let unknown = |name: &&String| !fields.iter().any(|field| field.name == **name);
    let unknown = named.iter().enumerate().filter(|(_, name)| unknown(name));
    for (index, name) in unknown.take(MAX_UNKNOWN) {
        let name: String = name.chars().take(100).collect();
        let text = format!("the flow has no field \"{name}\": use one of its field names");
        check.broken(UserErrorCode::UnknownField, &format!("{at}.{index}"), text);
    }
    check_mapping(check, &selection, &input.mapping, fields);
}

fn check_mapping(check: &mut Checker, selection: &FieldSelection, mapping: &[FieldMapping], fields: &[FieldDef]) {
    let path = format!("{PATH}.mapping");
    let mut renamed = HashSet::new();
    for (index, renaming) in mapping.iter().enumerate() {
        let to = renaming.to.trim();
        if to.is_empty() || to.chars().count() > MAX_WIRE_NAME_CHARS || to.chars().any(char::is_control) {
            let text = "give the name that the buyer gets: 1 to 200 characters without control characters";
            check.broken(UserErrorCode::Invalid, &format!("{path}.{index}.to"), text);
        }
        if !renamed.insert(renaming.from.as_str()) {
            let text = format!("\"{}\" is renamed twice: keep one", renaming.from);
            check.broken(UserErrorCode::Invalid, &format!("{path}.{index}.from"), text);
        }
    }
    for problem in templates::check_fields(&only_known(selection, fields), mapping, &FieldNames::new(fields)) {
        let code = match problem.kind {
            ProblemKind::UnknownField => UserErrorCode::UnknownField,
            ProblemKind::FieldNotShared => UserErrorCode::FieldNotShared,
            ProblemKind::Invalid => UserErrorCode::Invalid,
        };
        check.broken(code, &path, problem.message);
    }
}

/// The selection without unknown names, which are reported at their own paths.
fn only_known(selection: &FieldSelection, fields: &[FieldDef]) -> FieldSelection {
    let known = selection
        .fields
        .iter()
        .filter(|name| fields.iter().any(|field| field.name == **name));
    FieldSelection {
        mode: selection.mode,
        fields: known.cloned().collect(),
    }
}
