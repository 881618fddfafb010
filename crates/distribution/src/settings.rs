//! Delivery settings. They are never changed once written: a delivery keeps its version, and a change writes a new version that
//! counts from the next delivery on.

mod account;
mod email;
mod headers;
mod retry;
mod shared;
mod warnings;
mod webhook;

use entity::delivery_config::{
    Channel, DeliveryConfig, EmailConfig, FieldMapping, FieldSelection, PortalConfig, WebhookConfig,
};
use entity::delivery_settings::{self, ActiveModel, Column, Entity};
use entity::ids::{AccountId, AssignmentId, ConnectionId, PartnerId, SettingsId};
use entity::portal_user::PortalPermission;
use entity::{assignment, partner, smtp_settings};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, Set, Unchanged};
use serde_json::{Value, json};
use url::Url;

use super::known_fields::KnownFields;
use super::rows::{assignment_entry, begin, lock_assignment, lock_partner, partner_entry};
use super::secrets;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::change::Change;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::rights;

pub use email::EmailInput;
pub use headers::HeaderInput;
use headers::Sealing;
pub use retry::{ResponseRuleInput, RetryInput};
pub use warnings::{email_warnings, encrypted_warnings, warnings};
pub use webhook::WebhookInput;

/// New delivery settings. They replace the present ones whole: an omitted value gets its default.
#[derive(Clone, Debug)]
pub enum DeliveryInput {
    /// By mail.
    Email(EmailInput),
    /// By HTTP request.
    Webhook(Box<WebhookInput>),
    /// Into the portal.
    Portal(PortalInput),
    /// Into a connected account.
    Account(AccountInput),
}

impl DeliveryInput {
    fn named_fields(&self) -> &[String] {
        let fields = match self {
            Self::Email(input) => &input.fields,
            Self::Webhook(input) => &input.fields,
            Self::Portal(input) => &input.fields,
            Self::Account(input) => &input.fields,
        };
        fields.as_ref().map_or(&[], |selection| &selection.fields)
    }

    /// Replaces the input's selection by what the recipient gets to see.
    fn share(&mut self, selection: FieldSelection) {
        match self {
            Self::Email(input) => input.fields = Some(selection),
            Self::Webhook(input) => input.fields = Some(selection),
            Self::Portal(input) => input.fields = Some(selection),
            Self::Account(input) => input.fields = Some(selection),
        }
    }
}

impl Default for DeliveryInput {
    fn default() -> Self {
        Self::Portal(PortalInput::default())
    }
}

/// Delivery into the portal.
#[derive(Clone, Debug, Default)]
pub struct PortalInput {
    /// What the partner's people get to see; none means all.
    pub fields: Option<FieldSelection>,
}

/// Delivery into a connected account.
#[derive(Clone, Debug)]
pub struct AccountInput {
    /// The connection that leads there.
    pub connection: ConnectionId,
    /// What the account gets to see; none means all.
    pub fields: Option<FieldSelection>,
    /// Names that the account gets in assignment of the flow's.
    pub mapping: Vec<FieldMapping>,
}

/// A partner after a change of how it gets its leads.
#[derive(Clone, Debug)]
pub struct PartnerResult {
    pub partner: partner::Model,
    /// A signing secret that the change made; never shown again.
    pub signing_secret: Option<String>,
}

/// A change of how a partner gets its leads, in all profiles or in one assignment of one profile.
#[derive(Clone, Debug)]
pub struct SetDelivery {
    /// Which partner.
    pub partner: PartnerId,
    /// One of its assignments; none means wherever an assignment has no settings of its own.
    pub assignment: Option<AssignmentId>,
    /// From now on.
    pub delivery: DeliveryInput,
}

/// Delivery settings, checked as far as possible before their change begins: reading known fields and checking templates takes
/// too long for a transaction.
pub(super) struct CheckedSettings<'p> {
    delivery: CheckedConfig,
    path: &'p str,
}

enum CheckedConfig {
    Email(EmailConfig, SetBy),
    Webhook(Box<WebhookConfig>, Vec<HeaderInput>),
    Portal(PortalConfig),
    Account(AccountInput, KnownFields),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SetBy {
    Account,
    Recipient,
}

impl<'p> CheckedSettings<'p> {
    /// Settings by a user of the account.
    pub(super) async fn check(app: &App, account: AccountId, delivery: DeliveryInput, path: &'p str) -> Result<Self> {
        let known = KnownFields::of(app.db.read(), account, delivery.named_fields()).await?;
        Self::of(app, delivery, known, path)
    }

    /// Settings by the recipient, who goes on seeing what `sharing` says.
    async fn check_of_recipient(
        app: &App,
        account: AccountId,
        mut delivery: DeliveryInput,
        sharing: FieldSelection,
    ) -> Result<Self> {
        delivery.share(sharing);
        let known = KnownFields::of(app.db.read(), account, delivery.named_fields()).await?;
        Self::of(app, delivery, known.for_recipient(), "input").map_err(without_names)
    }

    fn of(app: &App, delivery: DeliveryInput, known: KnownFields, path: &'p str) -> Result<Self> {
        let by = if known.is_for_recipient() {
            SetBy::Recipient
        } else {
            SetBy::Account
        };
        let delivery = match delivery {
            DeliveryInput::Email(input) => {
                CheckedConfig::Email(email::check(input, known, &format!("{path}.email"))?, by)
            }
            DeliveryInput::Webhook(input) => {
                let (config, headers) = webhook::check(*input, &app.config, known, &format!("{path}.webhook"))?;
                CheckedConfig::Webhook(Box::new(config), headers)
            }
            DeliveryInput::Portal(input) => CheckedConfig::Portal(PortalConfig {
                fields: shared::selection(input.fields, &known, &format!("{path}.portal.fields"))?,
            }),
            DeliveryInput::Account(input) => CheckedConfig::Account(input, known),
        };
        Ok(Self { delivery, path })
    }
}

/// Hides all field names that the recipient has not named itself.
fn without_names(error: Error) -> Error {
    let Error::User(mut broken) = error else { return error };
    for rule in &mut broken {
        if rule.code == UserErrorCode::UnknownField {
            "this names a field that is not among those that you get: name one of the portal's columns, or leave it out"
                .clone_into(&mut rule.message);
        }
    }
    Error::User(broken)
}

/// Settings that are checked and sealed but not stored yet.
pub(super) struct NewSettings {
    pub(super) id: SettingsId,
    config: DeliveryConfig,
}

impl NewSettings {
    /// Without secrets, and of a URL, which may hold one, the host only.
    pub(super) fn audit_view(&self) -> Value {
        audit_view(&self.config)
    }
}

/// Sets how a partner gets its leads.
pub async fn set(app: &App, caller: &Caller, input: SetDelivery) -> Result<PartnerResult> {
    let account = caller.require(Action::ManagePartners)?;
    let checked = CheckedSettings::check(app, account, input.delivery, "input.delivery").await?;
    let change = begin(app, caller).await?;
    let partner = lock_partner(&change, input.partner, "input.partnerId").await?;
    let Some(assignment) = input.assignment else {
        return replace(change, partner, checked).await;
    };
    let assignment = lock_assignment(&change, assignment, "input.assignmentId").await?;
    if assignment.partner_id != partner.id {
        let message =
            "this is an assignment of another partner: give an assignment of the partner that partnerId names";
        return Err(Error::user(UserErrorCode::NotFound, "input.assignmentId", message));
    }
    let changed = override_in(&change, &assignment, partner, checked).await?;
    change.commit().await?;
    Ok(changed)
}

/// Sets how a partner gets its leads, by a portal user with `EDIT_DELIVERY`. The field selection stays as the account has set
/// it, and fields beyond it are unknown.
pub async fn set_from_portal(app: &App, caller: &Caller, delivery: DeliveryInput) -> Result<PartnerResult> {
    let (account, id) = caller.require_portal(PortalPermission::EditDelivery)?;
    let sharing = shared_with(app, account, id).await?;
    let checked = CheckedSettings::check_of_recipient(app, account, delivery, sharing.clone()).await?;
    let change = Change::begin(app, caller, account).await?.metered().await?;
    let partner = lock_partner(&change, id, "input").await?;
    // The portal user may have been removed while this waited for the lock.
    let may = rights::has_portal_permission(&change.tx, caller, PortalPermission::EditDelivery).await?;
    if !partner.portal_enabled || !may {
        return Err(Error::Forbidden(
            "your access to this portal has ended: ask the account that gave it to you",
        ));
    }
    if *current(&change, partner.settings_id).await?.config.fields() != sharing {
        return Err(Error::Unavailable(
            "the fields shared with you were changed concurrently: nothing was changed, try again",
        ));
    }
    replace(change, partner, checked).await
}

async fn shared_with(app: &App, account: AccountId, id: PartnerId) -> Result<FieldSelection> {
    let db = app.db.read();
    let partner = partner::Entity::in_account(account).filter(partner::Column::Id.eq(id));
    let partner = partner.one(db).await?.ok_or(Error::NotFound("partner"))?;
    let row = Entity::in_account(account).filter(Column::Id.eq(partner.settings_id));
    let row = row.one(db).await?;
    let row = row.ok_or_else(|| anyhow::anyhow!("the delivery settings of {id} are gone"))?;
    Ok(row.config.fields().clone())
}

/// How a partner gets its leads, for its portal: no secret, and nothing that the account decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalDeliveryView {
    pub channel: Channel,
    /// None for people without `EDIT_DELIVERY`, and for the portal and accounts.
    pub destination: Option<Destination>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    Email(Vec<String>),
    /// As it was set; it may hold a token of the recipient's own.
    Webhook(String),
}

/// How the calling portal user's company gets its leads, where no assignment says otherwise.
pub async fn in_portal(app: &App, caller: &Caller) -> Result<PortalDeliveryView> {
    let (account, id, _) = caller.require_portal_user()?;
    let db = app.db.read();
    let partner = partner::Entity::in_account(account).filter(partner::Column::Id.eq(id));
    let partner = partner.one(db).await?.ok_or(Error::NotFound("partner"))?;
    let row = Entity::in_account(account).filter(Column::Id.eq(partner.settings_id));
    let row = row.one(db).await?;
    let config = row
        .ok_or_else(|| anyhow::anyhow!("the delivery settings of {id} are gone"))?
        .config;
    let channel = config.channel();
    let may = caller.require_portal(PortalPermission::EditDelivery).is_ok();
    let destination = match config {
        DeliveryConfig::Email(config) if may => Some(Destination::Email(config.recipients)),
        DeliveryConfig::Webhook(config) if may => Some(Destination::Webhook(config.url)),
        _ => None,
    };
    Ok(PortalDeliveryView { channel, destination })
}

/// Gives a partner new settings, and commits.
async fn replace(change: Change<'_>, partner: partner::Model, checked: CheckedSettings<'_>) -> Result<PartnerResult> {
    let before = current(&change, partner.settings_id).await?;
    let settings = prepare(&change, checked, Some(&before)).await?;
    insert(&change, partner.id, &settings).await?;
    let row = partner::ActiveModel {
        id: Unchanged(partner.id),
        updated_at: Set(change.app.clock.now()),
        ..Default::default()
    };
    let (row, signing_secret) = adopt(&change, row, &settings, Some(&partner)).await?;
    let partner = row.update(&change.tx).await?;
    let changes = json!({"delivery": {"from": audit_view(&before.config), "to": settings.audit_view()}});
    change
        .commit_with(partner_entry("partner.delivery_set", &partner).with(changes))
        .await?;
    Ok(PartnerResult {
        partner,
        signing_secret,
    })
}

/// Gives one assignment of a partner settings of its own.
pub(super) async fn override_in(
    change: &Change<'_>,
    assignment: &assignment::Model,
    partner: partner::Model,
    checked: CheckedSettings<'_>,
) -> Result<PartnerResult> {
    let before = match assignment.settings_id {
        Some(id) => Some(current(change, id).await?),
        None => None,
    };
    let settings = prepare(change, checked, before.as_ref()).await?;
    insert(change, partner.id, &settings).await?;
    let row = assignment::ActiveModel {
        id: Unchanged(assignment.id),
        settings_id: Set(Some(settings.id)),
        ..Default::default()
    };
    row.update(&change.tx).await?;
    let result = sign_if_asked(change, partner, &settings).await?;
    let changes = json!({"delivery": {"from": before.map(|row| audit_view(&row.config)), "to": settings.audit_view()}});
    let entry = assignment_entry("assignment.delivery_set", assignment, &result.partner);
    change.record(entry.with(changes)).await?;
    Ok(result)
}

/// Makes the partner's signing secret if the settings sign and there is none.
async fn sign_if_asked(change: &Change<'_>, partner: partner::Model, settings: &NewSettings) -> Result<PartnerResult> {
    let row = partner::ActiveModel {
        id: Unchanged(partner.id),
        ..Default::default()
    };
    let (row, signing_secret) = adopt_secret(change, row, settings, Some(&partner)).await?;
    let partner = match signing_secret {
        Some(_) => row.update(&change.tx).await?,
        None => partner,
    };
    Ok(PartnerResult {
        partner,
        signing_secret,
    })
}

/// Sets the settings in the partner's row, and a signing secret if they need one and `before` has none. The row carries its
/// identifier.
pub(super) async fn adopt(
    change: &Change<'_>,
    mut row: partner::ActiveModel,
    settings: &NewSettings,
    before: Option<&partner::Model>,
) -> Result<(partner::ActiveModel, Option<String>)> {
    row.settings_id = Set(settings.id);
    adopt_secret(change, row, settings, before).await
}

async fn adopt_secret(
    change: &Change<'_>,
    mut row: partner::ActiveModel,
    settings: &NewSettings,
    before: Option<&partner::Model>,
) -> Result<(partner::ActiveModel, Option<String>)> {
    let signs = matches!(&settings.config, DeliveryConfig::Webhook(config) if config.sign);
    let has_secret = before.is_some_and(|partner| partner.sealed_secret.is_some());
    if !signs || has_secret {
        return Ok((row, None));
    }
    let secret = secrets::make(change, *row.id.as_ref()).await?;
    row.sealed_secret = Set(Some(secret.sealed));
    row.secret_hint = Set(Some(secret.hint));
    row.secret_rotated_at = Set(Some(change.app.clock.now()));
    Ok((row, Some(secret.revealed)))
}

/// Checks what depends on the account's other settings, and seals headers; `before` is the replaced version.
pub(super) async fn prepare(
    change: &Change<'_>,
    checked: CheckedSettings<'_>,
    before: Option<&delivery_settings::Model>,
) -> Result<NewSettings> {
    let id: SettingsId = change.app.clock.id();
    let path = checked.path;
    let config = match checked.delivery {
        CheckedConfig::Email(config, by) => {
            if by == SetBy::Recipient {
                has_mail_server(change, &format!("{path}.email")).await?;
            }
            DeliveryConfig::Email(config)
        }
        CheckedConfig::Webhook(mut config, headers) => {
            let sealing = Sealing {
                change,
                id,
                url: &config.url,
                before,
                path: &format!("{path}.webhook.headers"),
            };
            config.headers = sealing.seal(headers).await?;
            DeliveryConfig::Webhook(*config)
        }
        CheckedConfig::Portal(config) => DeliveryConfig::Portal(config),
        CheckedConfig::Account(input, known) => {
            let by_recipient = known.is_for_recipient();
            let config = account::check(change, input, known, &format!("{path}.account")).await;
            DeliveryConfig::Account(config.map_err(|error| if by_recipient { without_names(error) } else { error })?)
        }
    };
    Ok(NewSettings { id, config })
}

/// An account may choose email before it has a mail server, and is warned; a recipient could not see why nothing comes.
async fn has_mail_server(change: &Change<'_>, path: &str) -> Result<()> {
    let server = smtp_settings::Entity::in_account(change.account.id);
    if server.one(&change.tx).await?.is_some() {
        return Ok(());
    }
    let message = format!(
        "{} has not set up a mail server yet, so no lead can be sent by email: ask them to, or choose another channel",
        change.account.name
    );
    Err(Error::user(UserErrorCode::NotConfigured, path, &message))
}

pub(super) async fn insert(change: &Change<'_>, partner: PartnerId, settings: &NewSettings) -> Result<()> {
    let row = ActiveModel {
        id: Set(settings.id),
        account_id: Set(change.account.id),
        partner_id: Set(Some(partner)),
        config: Set(settings.config.clone()),
        created_at: Set(change.app.clock.now()),
    };
    Entity::insert(row).exec_without_returning(&change.tx).await?;
    Ok(())
}

async fn current(change: &Change<'_>, id: SettingsId) -> Result<delivery_settings::Model> {
    let row = Entity::in_account(change.account.id).filter(Column::Id.eq(id));
    let found = row.one(&change.tx).await?;
    found.ok_or_else(|| anyhow::anyhow!("the delivery settings {id} are gone").into())
}

fn audit_view(config: &DeliveryConfig) -> Value {
    let destination = match config {
        DeliveryConfig::Email(config) => json!(config.recipients),
        DeliveryConfig::Webhook(config) => json!(host(&config.url)),
        DeliveryConfig::Account(config) => json!(config.connection_id.map(|id| id.to_string())),
        DeliveryConfig::Portal(_) => Value::Null,
    };
    json!({"channel": config.channel(), "destination": destination, "fields": config.fields()})
}

fn host(url: &str) -> Option<String> {
    Some(Url::parse(url).ok()?.host_str()?.to_owned())
}
