//! Partners: recipients without an account of their own.

use async_graphql::MaybeUndefined;
use entity::cap_usage::Caps;
use entity::flow::Names;
use entity::ids::PartnerId;
use entity::partner::{ActiveModel, Column, Entity, Model};
use entity::portal_user::{Permissions, PortalPermission};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ActiveModelTrait, ColumnTrait, PaginatorTrait, QueryFilter, Select, Set, Unchanged};
use serde_json::{Value, json};

use super::check::{self, Checked, MAX_NOTES};
use super::rows::{begin, lock_partner, partner_entry};
use super::settings::{self, CheckedSettings, DeliveryInput, PartnerResult};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::change::{Change, differences};
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::{email_address, search, texts};
use leadmesh_flows::caps::CapInput;

pub const MAX_PARTNERS: u64 = 10_000;
pub const MAX_TAGS: usize = 50;
/// In characters.
pub const MAX_TAG: usize = 40;
const MAX_PHONE: usize = 50;

/// A partner to be made.
#[derive(Clone, Debug)]
pub struct NewPartner {
    /// As shown, at most 120 characters.
    pub name: String,
    /// Contact.
    pub email: String,
    /// Contact, as people write it.
    pub phone: Option<String>,
    /// Never shared; at most 10,000 characters.
    pub notes: Option<String>,
    /// Free labels.
    pub tags: Option<Vec<String>>,
    /// IANA name; none means the account's zone.
    pub timezone: Option<String>,
    /// How it gets its leads; none means the portal with all fields.
    pub delivery: Option<DeliveryInput>,
    /// Limits of leads routed to it.
    pub caps: Option<Vec<CapInput>>,
}

/// Changes of a partner; what is absent stays.
#[derive(Clone, Debug)]
pub struct PartnerChanges {
    /// Which.
    pub id: PartnerId,
    /// As shown.
    pub name: Option<String>,
    /// Contact.
    pub email: Option<String>,
    /// Contact.
    pub phone: MaybeUndefined<String>,
    /// Never shared.
    pub notes: MaybeUndefined<String>,
    /// All of its labels; null removes them.
    pub tags: MaybeUndefined<Vec<String>>,
    /// IANA name. Caps that were made before keep the zone that they have.
    pub timezone: Option<String>,
    /// All of its limits; null removes them.
    pub caps: MaybeUndefined<Vec<CapInput>>,
}

/// Which partners are listed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those that get leads, or that do not.
    pub active: Option<bool>,
    /// Only those with exactly this tag.
    pub tag: Option<String>,
    /// Only those with this in their name or address, in any case (on `SQLite`, of ASCII letters only).
    pub search: Option<String>,
}

/// Makes an active partner with a closed portal.
pub async fn create(app: &App, caller: &Caller, input: NewPartner) -> Result<PartnerResult> {
    let account = caller.require(Action::ManagePartners)?;
    let delivery = input.delivery.clone().unwrap_or_default();
    let delivery = CheckedSettings::check(app, account, delivery, "input.delivery").await?;
    let change = begin(app, caller).await?;
    let count = Entity::in_account(change.account.id).count(&change.tx).await?;
    if count >= MAX_PARTNERS {
        let message = "an account has 10,000 partners at most: ask the operator of this server";
        return Err(Error::user(UserErrorCode::LimitReached, "input", message));
    }
    let row = new_row(&change, input)?;
    let id = *row.id.as_ref();
    let settings = settings::prepare(&change, delivery, None).await?;
    let (row, signing_secret) = settings::adopt(&change, row, &settings, None).await?;
    let partner = row.insert(&change.tx).await?;
    settings::insert(&change, id, &settings).await?;
    let changes = json!({"email": partner.email, "delivery": settings.audit_view()});
    change
        .commit_with(partner_entry("partner.created", &partner).with(changes))
        .await?;
    Ok(PartnerResult {
        partner,
        signing_secret,
    })
}

fn new_row(change: &Change<'_>, input: NewPartner) -> Result<ActiveModel> {
    let (clock, account) = (&change.app.clock, &change.account);
    let timezone = match input.timezone {
        Some(name) => texts::timezone(&name, "input.timezone")?,
        None => account.timezone.clone(),
    };
    let caps = check::caps(change, &input.caps.unwrap_or_default(), &Caps::default(), &timezone)?;
    let optional = |text: Option<String>, check: &dyn Fn(&str) -> Checked<Option<String>>| {
        text.map_or(Ok(None), |text| check(&text))
    };
    let permissions = vec![
        PortalPermission::ViewLeads,
        PortalPermission::Export,
        PortalPermission::Review,
        PortalPermission::Return,
        PortalPermission::EditContact,
    ];
    Ok(ActiveModel {
        id: Set(clock.id()),
        account_id: Set(account.id),
        name: Set(texts::name(&input.name, "input.name")?),
        email: Set(email_address::parse(&input.email, "input.email")?),
        phone: Set(optional(input.phone, &checked_phone)?),
        notes: Set(optional(input.notes, &checked_notes)?),
        tags: Set(checked_tags(&input.tags.unwrap_or_default())?),
        active: Set(true),
        timezone: Set(timezone),
        caps: Set(caps),
        portal_enabled: Set(false),
        portal_permissions: Set(Permissions(permissions)),
        created_at: Set(clock.now()),
        updated_at: Set(clock.now()),
        ..Default::default()
    })
}

pub async fn update(app: &App, caller: &Caller, input: PartnerChanges) -> Result<Model> {
    let change = begin(app, caller).await?;
    let before = lock_partner(&change, input.id, "input.id").await?;
    let timezone = check::given(input.timezone, |name| Ok(texts::timezone(&name, "input.timezone")?))?;
    let zone = timezone.try_as_ref().unwrap_or(&before.timezone);
    let row = ActiveModel {
        id: Unchanged(before.id),
        name: check::given(input.name, |text| Ok(texts::name(&text, "input.name")?))?,
        email: check::given(input.email, |text| Ok(email_address::parse(&text, "input.email")?))?,
        phone: check::cleared_or_given(input.phone, |text| Ok(checked_phone(&text)?))?,
        notes: check::cleared_or_given(input.notes, |text| Ok(checked_notes(&text)?))?,
        tags: check::list_or_none(input.tags, |tags| checked_tags(&tags))?,
        caps: check::list_or_none(input.caps, |caps| check::caps(&change, &caps, &before.caps, zone))?,
        timezone,
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    let after = row.update(&change.tx).await?;
    let mut entry = partner_entry("partner.updated", &after);
    entry.changes = differences(&audit_view(&before), &audit_view(&after));
    change.commit_with(entry).await?;
    Ok(after)
}

/// Switches routing to a partner on or off. Deliveries under way go on.
pub async fn set_active(app: &App, caller: &Caller, id: PartnerId, active: bool) -> Result<Model> {
    let change = begin(app, caller).await?;
    let before = lock_partner(&change, id, "id").await?;
    if before.active == active {
        return Ok(before);
    }
    let row = ActiveModel {
        id: Unchanged(id),
        active: Set(active),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    let after = row.update(&change.tx).await?;
    let action = if active {
        "partner.activated"
    } else {
        "partner.deactivated"
    };
    change.commit_with(partner_entry(action, &after)).await?;
    Ok(after)
}

pub async fn find(app: &App, caller: &Caller, id: PartnerId) -> Result<Option<Model>> {
    let account = caller.require(Action::ReadSetup)?;
    let found = Entity::in_account(account).filter(Column::Id.eq(id));
    Ok(found.one(app.db.read()).await?)
}

/// For paging; unordered.
pub fn list(app: &App, caller: &Caller, filter: &Filter) -> Result<Select<Entity>> {
    let mut found = Entity::in_account(caller.require(Action::ReadSetup)?);
    if let Some(active) = filter.active {
        found = found.filter(Column::Active.eq(active));
    }
    if let Some(tag) = &filter.tag {
        found = found.filter(Entity::tagged(app.db.is_postgres(), tag));
    }
    if let Some(text) = &filter.search {
        let named = search::contains(Column::Name, text);
        found = found.filter(named.or(search::contains(Column::Email, text)));
    }
    Ok(found)
}

fn checked_phone(text: &str) -> Checked<Option<String>> {
    check::optional_line(text, MAX_PHONE, "input.phone")
}

fn checked_notes(text: &str) -> Checked<Option<String>> {
    check::optional_text(text, MAX_NOTES, "input.notes")
}

fn checked_tags(tags: &[String]) -> Result<Names> {
    let mut checked: Vec<String> = Vec::new();
    for (index, tag) in tags.iter().enumerate() {
        let tag = texts::line(tag, MAX_TAG, &format!("input.tags.{index}"))?;
        if !checked.contains(&tag) {
            checked.push(tag);
        }
    }
    if checked.len() > MAX_TAGS {
        let message = "a partner has 50 tags at most: remove some";
        return Err(Error::user(UserErrorCode::LimitReached, "input.tags", message));
    }
    Ok(Names(checked))
}

fn audit_view(partner: &Model) -> Value {
    json!({
        "name": partner.name,
        "email": partner.email,
        "phone": partner.phone,
        "notes": partner.notes,
        "tags": partner.tags,
        "timezone": partner.timezone,
        "caps": partner.caps,
    })
}
