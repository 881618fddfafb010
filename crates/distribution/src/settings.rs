//! How a partner gets its leads. Settings are written once and never changed: a delivery keeps the version that it was
//! made with, and a change makes a new version that counts from the next delivery on.

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

use super::change::Change;
use super::known_fields::KnownFields;
use super::partners::{self, Changed};
use super::{assignments, secrets};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::rights;

pub use email::EmailInput;
pub use headers::HeaderInput;
use headers::Sealing;
pub use retry::{ResponseRuleInput, RetryInput};
pub use warnings::{email_warnings, encrypted_warnings, warnings};
pub use webhook::WebhookInput;

/// Delivery settings as somebody asks for them. They are whole: what is absent gets its default, not its value before.
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
    /// The fields that its selection names.
    fn named_fields(&self) -> &[String] {
        let fields = match self {
            Self::Email(input) => &input.fields,
            Self::Webhook(input) => &input.fields,
            Self::Portal(input) => &input.fields,
            Self::Account(input) => &input.fields,
        };
        fields.as_ref().map_or(&[], |selection| &selection.fields)
    }

    /// Puts what the recipient gets to see in place of what the input says.
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
    /// Names that the account gets in place of the flow's.
    pub mapping: Vec<FieldMapping>,
}

/// A change of how a partner gets its leads, in all profiles or in one place of one profile.
#[derive(Clone, Debug)]
pub struct SetDelivery {
    /// Which partner.
    pub partner: PartnerId,
    /// One of its places; none means wherever a place has no settings of its own.
    pub assignment: Option<AssignmentId>,
    /// From now on.
    pub delivery: DeliveryInput,
}

/// Settings that somebody asks for, checked as far as that goes before their change begins: reading the fields that they may speak
/// of, and templates, takes longer than anybody should wait for a transaction.
pub(super) struct Asked<'p> {
    delivery: CheckedDelivery,
    path: &'p str,
}

enum CheckedDelivery {
    Email(EmailConfig, SetBy),
    Webhook(Box<WebhookConfig>, Vec<HeaderInput>),
    Portal(PortalConfig),
    Account(AccountInput, KnownFields),
}

/// Whose settings these are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SetBy {
    Account,
    Recipient,
}

impl<'p> Asked<'p> {
    /// By somebody of the account.
    pub(super) async fn check(app: &App, account: AccountId, delivery: DeliveryInput, path: &'p str) -> Result<Self> {
        let known = KnownFields::of(app.db.read(), account, delivery.named_fields()).await?;
        Self::of(app, delivery, known, path)
    }

    /// By the recipient, who goes on seeing what `sharing` says, whatever the input says.
    async fn check_of_recipient(
        app: &App,
        account: AccountId,
        (mut delivery, sharing): (DeliveryInput, FieldSelection),
        path: &'p str,
    ) -> Result<Self> {
        delivery.share(sharing);
        let known = KnownFields::of(app.db.read(), account, delivery.named_fields()).await?;
        Self::of(app, delivery, known.for_recipient(), path).map_err(without_names)
    }

    fn of(app: &App, delivery: DeliveryInput, known: KnownFields, path: &'p str) -> Result<Self> {
        let by = if known.is_for_recipient() {
            SetBy::Recipient
        } else {
            SetBy::Account
        };
        let delivery = match delivery {
            DeliveryInput::Email(input) => {
                CheckedDelivery::Email(email::check(input, known, &format!("{path}.email"))?, by)
            }
            DeliveryInput::Webhook(input) => {
                let (config, headers) = webhook::check(*input, &app.config, known, &format!("{path}.webhook"))?;
                CheckedDelivery::Webhook(Box::new(config), headers)
            }
            DeliveryInput::Portal(input) => CheckedDelivery::Portal(PortalConfig {
                fields: shared::selection(input.fields, &known, &format!("{path}.portal.fields"))?,
            }),
            DeliveryInput::Account(input) => CheckedDelivery::Account(input, known),
        };
        Ok(Self { delivery, path })
    }
}

/// To a recipient no field is named but those that it has named itself: not what is held back from it, nor what flows have whose leads
/// never come to it.
fn without_names(error: Error) -> Error {
    let Error::Broken(mut broken) = error else { return error };
    for rule in &mut broken {
        if rule.code == UserErrorCode::UnknownField {
            "this names a field that is not among those that you get: name one of the portal's columns, or leave it out"
                .clone_into(&mut rule.message);
        }
    }
    Error::Broken(broken)
}

/// Settings that are checked and sealed but not stored yet.
pub(super) struct Prepared {
    pub(super) id: SettingsId,
    config: DeliveryConfig,
}

impl Prepared {
    /// What the trail says about them: no secret, and of a URL (which may hold one) the host only.
    pub(super) fn told(&self) -> Value {
        told(&self.config)
    }
}

/// Sets how a partner gets its leads.
pub async fn set(app: &App, caller: &Caller, input: SetDelivery) -> Result<Changed> {
    let account = caller.require(Action::ManagePartners)?;
    let asked = Asked::check(app, account, input.delivery, "input.delivery").await?;
    let change = Change::begin(app, caller).await?;
    let partner = partners::hold(&change, input.partner, "input.partnerId").await?;
    let Some(assignment) = input.assignment else {
        return replace(change, partner, asked).await;
    };
    let place = assignments::hold(&change, assignment, "input.assignmentId").await?;
    if place.partner_id != partner.id {
        let message = "this is a place of another partner: give an assignment of the partner that partnerId names";
        return Err(Error::broken(UserErrorCode::NotFound, "input.assignmentId", message));
    }
    let changed = override_in(&change, &place, partner, asked).await?;
    change.commit().await?;
    Ok(changed)
}

/// Sets how a partner gets its leads, by somebody of the partner with `EDIT_DELIVERY`. What it gets to see stays as the
/// account has set it, whatever the input says; and fields beyond that are unknown here.
pub async fn set_from_portal(app: &App, caller: &Caller, delivery: DeliveryInput) -> Result<Changed> {
    let (account, id) = caller.require_portal(PortalPermission::EditDelivery)?;
    let sharing = shared_with(app, account, id).await?;
    let asked = Asked::check_of_recipient(app, account, (delivery, sharing.clone()), "input").await?;
    let change = Change::of(app, caller, account).await?;
    let partner = partners::hold(&change, id, "input").await?;
    // They may have been removed while this waited for its turn.
    let may = rights::in_portal(&change.tx, caller, PortalPermission::EditDelivery).await?;
    if !partner.portal_enabled || !may {
        return Err(Error::Forbidden(
            "your access to this portal has ended: ask the account that gave it to you",
        ));
    }
    if *current(&change, partner.settings_id).await?.config.fields() != sharing {
        return Err(Error::Unavailable(
            "what is shared with you was changed this moment: nothing was changed, try again",
        ));
    }
    replace(change, partner, asked).await
}

/// What a partner gets to see.
async fn shared_with(app: &App, account: AccountId, id: PartnerId) -> Result<FieldSelection> {
    let db = app.db.read();
    let partner = partner::Entity::in_account(account).filter(partner::Column::Id.eq(id));
    let partner = partner.one(db).await?.ok_or(Error::NotFound("partner"))?;
    let row = Entity::in_account(account).filter(Column::Id.eq(partner.settings_id));
    let row = row.one(db).await?;
    let row = row.ok_or_else(|| anyhow::anyhow!("the delivery settings of {id} are gone"))?;
    Ok(row.config.fields().clone())
}

/// How a partner gets its leads, as its people see it in the portal: no secret, nothing of what the account decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InPortal {
    /// On which way.
    pub channel: Channel,
    /// Where that leads; none for people without `EDIT_DELIVERY`, in the portal and into an account.
    pub destination: Option<Destination>,
}

/// Where leads go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To these addresses.
    Email(Vec<String>),
    /// To this address, as it was set; it may hold a token of the recipient's own.
    Webhook(String),
}

/// How the calling portal user's company gets its leads, where no place in a profile says otherwise.
pub async fn in_portal(app: &App, caller: &Caller) -> Result<InPortal> {
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
    Ok(InPortal { channel, destination })
}

/// Moves a partner to new settings, and commits.
async fn replace(change: Change<'_>, partner: partner::Model, asked: Asked<'_>) -> Result<Changed> {
    let before = current(&change, partner.settings_id).await?;
    let settings = prepare(&change, asked, Some(&before)).await?;
    insert(&change, partner.id, &settings).await?;
    let row = partner::ActiveModel {
        id: Unchanged(partner.id),
        updated_at: Set(change.app.clock.now()),
        ..Default::default()
    };
    let (row, signing_secret) = adopt(&change, row, &settings, Some(&partner))?;
    let partner = row.update(&change.tx).await?;
    let told = json!({"delivery": {"from": told(&before.config), "to": settings.told()}});
    let subject = partners::subject(&partner);
    change.record("partner.delivery_set", subject, Some(told)).await?;
    change.commit().await?;
    Ok(Changed {
        partner,
        signing_secret,
    })
}

/// Gives one place of a partner settings of its own.
pub(super) async fn override_in(
    change: &Change<'_>,
    place: &assignment::Model,
    partner: partner::Model,
    asked: Asked<'_>,
) -> Result<Changed> {
    let before = match place.settings_id {
        Some(id) => Some(current(change, id).await?),
        None => None,
    };
    let settings = prepare(change, asked, before.as_ref()).await?;
    insert(change, partner.id, &settings).await?;
    let row = assignment::ActiveModel {
        id: Unchanged(place.id),
        settings_id: Set(Some(settings.id)),
        ..Default::default()
    };
    row.update(&change.tx).await?;
    let changed = sign_if_asked(change, partner, &settings).await?;
    let told = json!({"delivery": {"from": before.map(|row| told(&row.config)), "to": settings.told()}});
    let subject = assignments::subject(place, &changed.partner);
    change.record("assignment.delivery_set", subject, Some(told)).await?;
    Ok(changed)
}

/// Makes the partner's signing secret if the settings sign and there is none.
async fn sign_if_asked(change: &Change<'_>, partner: partner::Model, settings: &Prepared) -> Result<Changed> {
    let row = partner::ActiveModel {
        id: Unchanged(partner.id),
        ..Default::default()
    };
    let (row, signing_secret) = with_secret(change, row, settings, Some(&partner))?;
    let partner = match signing_secret {
        Some(_) => row.update(&change.tx).await?,
        None => partner,
    };
    Ok(Changed {
        partner,
        signing_secret,
    })
}

/// The partner's row with these settings, and with a signing secret if they need one and `before` has none. The row
/// carries its identifier.
pub(super) fn adopt(
    change: &Change<'_>,
    mut row: partner::ActiveModel,
    settings: &Prepared,
    before: Option<&partner::Model>,
) -> Result<(partner::ActiveModel, Option<String>)> {
    row.settings_id = Set(settings.id);
    with_secret(change, row, settings, before)
}

fn with_secret(
    change: &Change<'_>,
    mut row: partner::ActiveModel,
    settings: &Prepared,
    before: Option<&partner::Model>,
) -> Result<(partner::ActiveModel, Option<String>)> {
    let signs = matches!(&settings.config, DeliveryConfig::Webhook(config) if config.sign);
    let has_secret = before.is_some_and(|partner| partner.sealed_secret.is_some());
    if !signs || has_secret {
        return Ok((row, None));
    }
    let secret = secrets::make(change, *row.id.as_ref())?;
    row.sealed_secret = Set(Some(secret.sealed));
    row.secret_hint = Set(Some(secret.hint));
    row.secret_rotated_at = Set(Some(change.app.clock.now()));
    Ok((row, Some(secret.revealed)))
}

/// Checks what depends on the account's other settings, and seals what takes the place of `before`.
pub(super) async fn prepare(
    change: &Change<'_>,
    asked: Asked<'_>,
    before: Option<&delivery_settings::Model>,
) -> Result<Prepared> {
    let id: SettingsId = change.app.clock.id();
    let path = asked.path;
    let config = match asked.delivery {
        CheckedDelivery::Email(config, by) => {
            if by == SetBy::Recipient {
                has_mail_server(change, &format!("{path}.email")).await?;
            }
            DeliveryConfig::Email(config)
        }
        CheckedDelivery::Webhook(mut config, headers) => {
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
        CheckedDelivery::Portal(config) => DeliveryConfig::Portal(config),
        CheckedDelivery::Account(input, known) => {
            let by_recipient = known.is_for_recipient();
            let config = account::check(change, input, known, &format!("{path}.account")).await;
            DeliveryConfig::Account(config.map_err(|error| if by_recipient { without_names(error) } else { error })?)
        }
    };
    Ok(Prepared { id, config })
}

/// The account may choose mail before it has a mail server, and is warned; a recipient could not see why nothing comes.
async fn has_mail_server(change: &Change<'_>, path: &str) -> Result<()> {
    let server = smtp_settings::Entity::in_account(change.account.id);
    if server.one(&change.tx).await?.is_some() {
        return Ok(());
    }
    let message = format!(
        "{} has not set up a mail server yet, so no lead could be sent by mail: ask them to, or choose another way",
        change.account.name
    );
    Err(Error::broken(UserErrorCode::NotConfigured, path, &message))
}

/// Stores a version of a partner's settings.
pub(super) async fn insert(change: &Change<'_>, partner: PartnerId, settings: &Prepared) -> Result<()> {
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

fn told(config: &DeliveryConfig) -> Value {
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
