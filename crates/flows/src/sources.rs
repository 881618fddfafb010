//! The sources of a flow: who may submit leads to it. A flow may have none.

use async_graphql::{InputObject, MaybeUndefined};
use entity::delivery_config::FieldMapping;
use entity::ids::{AccountId, ConnectionId, FlowId, InvitationId, SourceId};
use entity::source::{self, Mappings, SourceKind};
use entity::{connection, flow};
use sea_orm::{ColumnTrait, QueryFilter};

use super::MAX_SOURCES;
use super::caps::CapInput;
use super::contents::changed_parts;
use super::edit::{Change, Edit, SavedFlow};
use super::pattern_sizes::{FlowRef, measure_patterns};
use super::price::PriceInput;
use super::usage;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_forms::rules::Rule;

/// A source to add to a flow: a connected account with `connectionId` or `invitationId`, otherwise one of the account's
/// own.
#[derive(Clone, Debug, InputObject)]
pub struct AddSource {
    /// Identifier of the flow.
    pub flow_id: FlowId,
    /// Display name, at most 120 characters. Defaults to the partner's name, or to a numbered name.
    pub name: Option<String>,
    /// Which leads the source may submit, in addition to the flow's rule. Null means all. Requires the PAID plan.
    pub acceptance_rule: Option<Rule>,
    /// Mapping from the sender's field names to the flow's, at most 200 entries.
    pub mapping: Option<Vec<FieldMapping>>,
    /// Caps on accepted leads, in addition to the flow's, at most one per period. Requires the PAID plan.
    pub caps: Option<Vec<CapInput>>,
    /// Price paid to the sender for an accepted lead, instead of the flow's.
    pub price: Option<PriceInput>,
    /// Whether the source may submit immediately. For an invited account: whether it may submit once it has accepted.
    #[graphql(default_with = "Some(true)")]
    pub enabled: Option<bool>,
}

impl AddSource {
    /// The rules that it saves.
    pub fn rules(&self) -> Vec<&Rule> {
        self.acceptance_rule.iter().collect()
    }
}

/// The connected account that submits through a source, or will once it has accepted an invitation.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The default name of the source.
    pub name: String,
    /// None while only the address of the account is known.
    pub account: Option<AccountId>,
    pub connection: Option<ConnectionId>,
    /// The invitation that is not accepted yet.
    pub invitation: Option<InvitationId>,
}

/// Changes to a source; omitted fields stay unchanged.
#[derive(Clone, Debug, Default, InputObject)]
pub struct UpdateSource {
    /// Display name, at most 120 characters.
    pub name: Option<String>,
    /// Whether the source may submit. A connected account's source can be enabled only with an active connection
    /// (`NOT_CONNECTED`) that lets the partner send (`DIRECTION_NOT_AGREED`).
    pub enabled: Option<bool>,
    /// Which leads the source may submit, in addition to the flow's rule. Null means all. Requires the PAID plan.
    pub acceptance_rule: MaybeUndefined<Rule>,
    /// The whole mapping, at most 200 entries. Null removes it.
    pub mapping: MaybeUndefined<Vec<FieldMapping>>,
    /// All caps, at most one per period. Null removes them. Requires the PAID plan.
    pub caps: MaybeUndefined<Vec<CapInput>>,
    /// Price paid to the sender, instead of the flow's. Null means the flow's price.
    pub price: MaybeUndefined<PriceInput>,
}

/// Adds a source of the account's own to a flow.
pub async fn add(app: &App, caller: &Caller, input: AddSource) -> Result<SavedFlow> {
    let sizes = measure_patterns(app, caller, FlowRef::Flow(input.flow_id), input.rules()).await?;
    let edit = Edit::of_flow(app, caller, input.flow_id, "input.flowId").await?;
    let edit = edit.with_pattern_sizes(sizes);
    add_to(edit, input, None).await
}

/// Adds a source to the flow under change: a connected account's, whose right was checked before, or one of the account's own.
pub async fn add_to(mut edit: Edit<'_>, input: AddSource, sender: Option<Sender>) -> Result<SavedFlow> {
    let count = edit.after.sources.len();
    if count >= MAX_SOURCES {
        let text = format!("a flow has at most {MAX_SOURCES} sources: remove one that is not used any more");
        edit.check.broken(UserErrorCode::LimitReached, "input.flowId", text);
    }
    let usual = sender.as_ref().map(|sender| sender.name.clone());
    let name = input.name.or(usual).unwrap_or_else(|| format!("Source {}", count + 1));
    let kind = sender.as_ref().map_or(SourceKind::Own, |_| SourceKind::Account);
    let mut source = blank(edit.app, &edit.after.flow, kind, name.clone());
    if let Some(sender) = sender {
        source.sender_account_id = sender.account;
        source.connection_id = sender.connection;
        source.invitation_id = sender.invitation;
    }
    let positions = edit.after.sources.iter().map(|source| source.position + 1);
    source.position = positions.max().unwrap_or(0);
    let given = UpdateSource {
        name: Some(name),
        enabled: Some(input.enabled.unwrap_or(true)),
        acceptance_rule: Some(input.acceptance_rule).into(),
        mapping: MaybeUndefined::Value(input.mapping.unwrap_or_default()),
        caps: MaybeUndefined::Value(input.caps.unwrap_or_default()),
        price: Some(input.price).into(),
    };
    apply(&mut edit, &mut source, given);
    let change = change("source.added", &source, format!("Added source {}", source.name));
    edit.after.sources.push(source);
    edit.save(change).await
}

/// Changes a source.
pub async fn update(app: &App, caller: &Caller, id: SourceId, input: UpdateSource) -> Result<SavedFlow> {
    let rules = input.acceptance_rule.value().into_iter().collect();
    let sizes = measure_patterns(app, caller, FlowRef::Source(id), rules).await?;
    let (edit, index) = Edit::of_source(app, caller, id, "input.id").await?;
    let mut edit = edit.with_pattern_sizes(sizes);
    let before = edit.after.sources.remove(index);
    let mut source = before.clone();
    if input.enabled == Some(true) {
        check_connection(&mut edit, &source).await?;
    }
    apply(&mut edit, &mut source, input);
    let parts = changes(&before, &source);
    let change = change(
        "source.updated",
        &source,
        format!("Changed {parts} of source {}", source.name),
    );
    edit.after.sources.insert(index, source);
    edit.save(change).await
}

/// Removes a source. Its leads stay.
pub async fn remove(app: &App, caller: &Caller, id: SourceId) -> Result<SavedFlow> {
    let (mut edit, index) = Edit::of_source(app, caller, id, "id").await?;
    let sellers = edit.after.sources.get(index).map(|source| source.kind);
    if sellers == Some(SourceKind::Seller) {
        let text = "this source belongs to the connection with its seller: disable it instead";
        return Err(Error::user(UserErrorCode::Conflict, "id", text));
    }
    let source = edit.after.sources.remove(index);
    let change = change("source.removed", &source, format!("Removed source {}", source.name));
    edit.save(change).await
}

/// A connected account's source can be enabled only while there is a connection, suspended or not, whose type lets the account send.
async fn check_connection(edit: &mut Edit<'_>, source: &source::Model) -> Result<()> {
    let Some(sender) = source.sender_account_id.filter(|_| source.kind != SourceKind::Own) else {
        if source.kind != SourceKind::Own {
            edit.check.broken(UserErrorCode::NotConnected, "input.enabled", NOT_YET);
        }
        return Ok(());
    };
    let live = connection::Entity::live_between(source.account_id, sender);
    let link = match source.connection_id {
        Some(id) => live.filter(connection::Column::Id.eq(id)).one(&edit.tx).await?,
        None => None,
    };
    match link {
        None => edit.check.broken(UserErrorCode::NotConnected, "input.enabled", NOT_YET),
        Some(link) if !link.type_for(sender).sends() => {
            let text = "the relationship does not let this account send leads to you: ask for a wider one first";
            edit.check
                .broken(UserErrorCode::DirectionNotAgreed, "input.enabled", text);
        }
        Some(_) => {}
    }
    Ok(())
}

const NOT_YET: &str =
    "the account is not connected with you: it can submit once it has accepted an invitation of yours";

/// An enabled source with default settings, first in order.
pub(super) fn blank(app: &App, flow: &flow::Model, kind: SourceKind, name: String) -> source::Model {
    source::Model {
        id: app.clock.id(),
        account_id: flow.account_id,
        flow_id: flow.id,
        kind,
        name,
        enabled: true,
        acceptance_rule: None,
        mapping: Mappings::default(),
        caps: entity::cap_usage::Caps::default(),
        price_e4: None,
        price_currency: None,
        sender_account_id: None,
        connection_id: None,
        invitation_id: None,
        position: 0,
        created_at: app.clock.now(),
        deleted_at: None,
    }
}

fn apply(edit: &mut Edit<'_>, source: &mut source::Model, input: UpdateSource) {
    let (fields, check) = (&edit.after.flow.fields.0, &mut edit.check);
    if let Some(name) = input.name {
        source.name = check.name(&name, "input.name");
    }
    if input.enabled == Some(false) && source.kind == SourceKind::Seller {
        check.paid("input.enabled", "refusing what other accounts deliver");
    }
    source.enabled = input.enabled.unwrap_or(source.enabled);
    match input.acceptance_rule {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => source.acceptance_rule = None,
        MaybeUndefined::Value(rule) => {
            source.acceptance_rule = check.rule(&rule, fields, "input.acceptanceRule", "acceptance rules");
        }
    }
    match input.mapping {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => source.mapping = Mappings::default(),
        MaybeUndefined::Value(mapping) => source.mapping = check.mapping(&mapping, fields, "input.mapping"),
    }
    match input.caps {
        MaybeUndefined::Undefined => {}
        MaybeUndefined::Null => source.caps.0.clear(),
        MaybeUndefined::Value(caps) => source.caps = check.caps(&caps, &source.caps, "input.caps"),
    }
    if !input.price.is_undefined() {
        (source.price_e4, source.price_currency) = check.price(input.price.value(), "input.price");
    }
    edit.warnings.extend(usage::out_of_reach(&edit.after.flow, source));
}

fn changes(before: &source::Model, after: &source::Model) -> String {
    let price = |source: &source::Model| (source.price_e4, source.price_currency.clone());
    changed_parts(&[
        ("the name", before.name != after.name),
        ("whether it may submit", before.enabled != after.enabled),
        ("the acceptance rule", before.acceptance_rule != after.acceptance_rule),
        ("the renamings", before.mapping != after.mapping),
        ("the caps", before.caps != after.caps),
        ("the price", price(before) != price(after)),
    ])
}

fn change(action: &'static str, source: &source::Model, summary: String) -> Change {
    Change {
        action,
        subject_type: match source.kind {
            SourceKind::Own => "OwnSource",
            SourceKind::Account | SourceKind::Seller => "AccountSource",
        },
        subject_id: source.id.to_string(),
        label: source.name.clone(),
        summary,
    }
}
