//! Reading the leads of the caller's account.

use std::ops::Range;

use chrono::{DateTime, Utc};
use entity::choice::distinct;
use entity::ids::{AccountId, FlowId, LeadId, PartnerId, SourceId};
use entity::lead::{self, LeadOutcome};
use entity::{bulk, delivery, lead_event};
use sea_orm::sea_query::{Expr, ExprTrait, LikeExpr, SelectStatement};
use sea_orm::{ColumnTrait, Condition, QueryFilter, QuerySelect, QueryTrait, Select, Set};
use serde_json::{Map, Value};

use super::sealed::{open_fields, plain, sealed_text};
use leadmesh_core::app::App;
use leadmesh_core::audit::{self, Entry};
use leadmesh_core::error::{Error, Result};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::policy::Action;
use leadmesh_forms::fields::{TypingContext, search_key_email, search_key_name, search_key_phone};

/// Stands in place of an encrypted value.
pub const MASK: &str = "••••••••";
/// Longest search text, in characters.
const MAX_SEARCH: usize = 200;

/// The most bytes of leads that one query reads where no request budget applies.
const MAX_READ: u64 = 16 * 1024 * 1024;

/// Selects leads.
#[derive(Clone, Debug, Default)]
pub struct LeadFilter {
    pub flow: Option<FlowId>,
    pub source: Option<SourceId>,
    /// Delivered to this partner.
    pub partner: Option<PartnerId>,
    pub outcomes: Option<Vec<LeadOutcome>>,
    /// Submitted in this time.
    pub during: Option<Range<DateTime<Utc>>>,
    /// Email address, phone number, or beginning of the name.
    pub search: Option<String>,
    pub include_tests: bool,
}

/// A lead of the caller's account; none if there is none.
pub async fn find(app: &App, caller: &Caller, id: LeadId) -> Result<Option<lead::Head>> {
    let account = caller.require(Action::ReadLeads)?;
    let found = lead::Entity::in_account(account).filter(lead::Column::Id.eq(id));
    Ok(lead::Entity::heads(found).into_model().one(app.db.read()).await?)
}

/// Refuses to read parts of several leads that have too many bytes together. A single lead is always read.
pub async fn check_bytes(app: &App, account: AccountId, ids: &[LeadId], parts: &[lead::Part]) -> Result<()> {
    if ids.len() > 1 && lead::Entity::bytes_of(app.db.read(), account, ids, parts).await? > MAX_READ {
        return Err(Error::AnswerTooLarge(format!(
            "These leads have more than {MAX_READ} bytes together. Ask for a smaller page."
        )));
    }
    Ok(())
}

/// The leads that match, for paging; unordered.
pub async fn list(app: &App, caller: &Caller, filter: LeadFilter) -> Result<Select<lead::Entity>> {
    let account = caller.require(Action::ReadLeads)?;
    let mut found = Condition::all()
        .add_option(filter.flow.map(|flow| lead::Column::FlowId.eq(flow)))
        .add_option(filter.source.map(|source| lead::Column::SourceId.eq(source)))
        .add_option(
            filter
                .outcomes
                .map(|outcomes| lead::Column::Outcome.is_in(distinct(outcomes))),
        )
        .add_option(
            filter
                .during
                .as_ref()
                .map(|range| lead::Column::SubmittedAt.gte(range.start)),
        )
        .add_option(
            filter
                .during
                .as_ref()
                .map(|range| lead::Column::SubmittedAt.lt(range.end)),
        )
        .add_option((!filter.include_tests).then(|| lead::Column::Test.eq(false)))
        .add_option(
            filter
                .partner
                .map(|partner| lead::Column::Id.in_subquery(sent_to(account, partner))),
        );
    if let Some(text) = filter.search.filter(|text| !text.trim().is_empty()) {
        found = found.add(matching(app, caller, account, &text).await?);
    }
    Ok(lead::Entity::in_account(account).filter(found))
}

fn sent_to(account: AccountId, partner: PartnerId) -> SelectStatement {
    let deliveries = delivery::Entity::in_account(account).filter(delivery::Column::PartnerId.eq(partner));
    deliveries.select_only().column(delivery::Column::LeadId).into_query()
}

/// A subquery for the identifiers of the leads that a search text finds.
pub async fn searched(app: &App, caller: &Caller, text: &str) -> Result<SelectStatement> {
    let account = caller.require(Action::ReadLeads)?;
    let found = lead::Entity::in_account(account).filter(matching(app, caller, account, text).await?);
    Ok(found.select_only().column(lead::Column::Id).into_query())
}

/// Leads whose email address or phone number is the text, or whose name begins with it. Encrypted values are found by their keyed hash,
/// so only whole, and not for callers who may not reveal them: a hit would confirm a guess.
async fn matching(app: &App, caller: &Caller, account: AccountId, text: &str) -> Result<Condition> {
    if text.chars().count() > MAX_SEARCH {
        return Err(Error::BadInput(format!(
            "a search text has at most {MAX_SEARCH} characters"
        )));
    }
    let keys = if caller.may_reveal() {
        Some(app.vault.keys(app.db.write(), &app.clock, Some(account)).await?)
    } else {
        None
    };
    let hashed = |kind, key: &String| keys.as_ref().map(|keys| keys.index(kind, key));
    let both = |kind, key: String| hashed(kind, &key).into_iter().chain([key]).collect::<Vec<String>>();
    let (email, name) = (search_key_email(text), search_key_name(text));
    let begins = LikeExpr::new(format!("{}%", escaped(&name))).escape('!');
    let mut found = Condition::any()
        .add(lead::Column::EmailKey.is_in(both("email", email)))
        .add(Expr::col((lead::Entity, lead::Column::NameKey)).like(begins))
        .add_option(hashed("name", &name).map(|name| lead::Column::NameKey.eq(name)));
    if let Some(phone) = search_key_phone(text, &TypingContext::default()) {
        found = found.add(lead::Column::PhoneKey.is_in(both("phone", phone)));
    }
    Ok(found)
}

fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            matches!(character, '!' | '%' | '_')
                .then_some('!')
                .into_iter()
                .chain([character])
        })
        .collect()
}

/// Stored values of a lead, with the encrypted ones masked.
pub fn masked(stored: &Value) -> Map<String, Value> {
    let mut values = stored.as_object().cloned().unwrap_or_default();
    for value in values.values_mut() {
        *value = match sealed_text(value) {
            Some(_) => Value::String(MASK.into()),
            None => plain(value.take()),
        };
    }
    values
}

/// Stored values of a lead, opened. The audit log and the lead's timeline record it. The caller's rights are read again, because a stream
/// may have begun under another role.
pub async fn reveal(app: &App, caller: &Caller, lead: &lead::Head, stored: &Value) -> Result<Map<String, Value>> {
    let caller = &app.rights.refresh(caller).await?;
    let account = caller.require(Action::RevealFields)?;
    if account != lead.account_id {
        return Err(Error::NotFound("lead"));
    }
    let values = open_fields(app, account, lead.id, stored).await?;
    let who = caller.actor();
    let tx = app.db.begin().await?;
    let entry = Entry {
        action: "lead.revealed",
        subject_type: "Lead",
        subject_id: lead.id.to_string(),
        label: None,
        changes: None,
    };
    audit::record(&tx, &app.clock, account, &who, entry).await?;
    let seen = lead_event::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(account),
        lead_id: Set(lead.id),
        at: Set(app.clock.now()),
        kind: Set(lead_event::LeadEventKind::Revealed),
        message: Set(format!("{} looked at the encrypted values", who.name)),
    };
    bulk::insert::<lead_event::Entity>(&tx, vec![seen]).await?;
    tx.commit().await?;
    Ok(values)
}
