//! The sources of a flow: who may submit to it. A flow may have none.

use async_graphql::MaybeUndefined;
use entity::delivery_config::FieldMapping;
use entity::ids::{AccountId, ConnectionId, FlowId, InvitationId, SourceId};
use entity::source::{self, Mappings, SourceKind};
use entity::{connection, flow};
use sea_orm::{ColumnTrait, QueryFilter};

use super::MAX_SOURCES;
use super::caps::CapInput;
use super::checks::PriceInput;
use super::contents::words;
use super::edit::{Change, Changed, Edit};
use super::usage;
use super::weighing::{Of, weigh};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, Result, UserErrorCode};
use leadmesh_core::identity::caller::Caller;
use leadmesh_forms::rules::Rule;

/// A source to add.
#[derive(Clone, Debug)]
pub struct AddSource {
    /// Where.
    pub flow_id: FlowId,
    /// At most 120 characters; if absent the connected account's name, or numbered.
    pub name: Option<String>,
    /// Which leads it may submit, after the flow's rule; PAID.
    pub acceptance_rule: Option<Rule>,
    /// The sender's field names to the flow's; at most 200.
    pub mapping: Vec<FieldMapping>,
    /// Limits of accepted leads, after the flow's; PAID.
    pub caps: Vec<CapInput>,
    /// In place of the flow's price.
    pub price: Option<PriceInput>,
    /// Whether it may submit at once.
    pub enabled: bool,
}

impl AddSource {
    /// The rules that it saves.
    pub fn rules(&self) -> Vec<&Rule> {
        self.acceptance_rule.iter().collect()
    }
}

/// The connected account that submits through a source, or will once it accepts an invitation.
#[derive(Clone, Debug)]
pub struct Sender {
    /// As shown, unless the source is given another name.
    pub name: String,
    /// Which account; none while it is known by its address only.
    pub account: Option<AccountId>,
    /// Its connection.
    pub connection: Option<ConnectionId>,
    /// The invitation that it has not accepted yet.
    pub invitation: Option<InvitationId>,
}

/// What to change of a source; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct UpdateSource {
    /// At most 120 characters.
    pub name: Option<String>,
    /// Whether it may submit.
    pub enabled: Option<bool>,
    /// Null removes it; a rule is PAID.
    pub acceptance_rule: MaybeUndefined<Rule>,
    /// All renamings anew; null removes them.
    pub mapping: MaybeUndefined<Vec<FieldMapping>>,
    /// All caps anew; null removes them. Caps are PAID.
    pub caps: MaybeUndefined<Vec<CapInput>>,
    /// Null removes it.
    pub price: MaybeUndefined<PriceInput>,
}

/// Adds a source of the account's own to a flow.
pub async fn add(app: &App, caller: &Caller, input: AddSource) -> Result<Changed> {
    let weighed = weigh(app, caller, Of::Flow(input.flow_id), input.rules()).await?;
    let edit = Edit::of_flow(app, caller, input.flow_id, "input.flowId").await?;
    let edit = edit.knowing(weighed);
    add_to(edit, input, None).await
}

/// Adds a source to the flow under change: a connected account's, whose right to be one was looked at, or one of the
/// account's own.
pub async fn add_to(mut edit: Edit<'_>, input: AddSource, sender: Option<Sender>) -> Result<Changed> {
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
        enabled: Some(input.enabled),
        acceptance_rule: Some(input.acceptance_rule).into(),
        mapping: MaybeUndefined::Value(input.mapping),
        caps: MaybeUndefined::Value(input.caps),
        price: Some(input.price).into(),
    };
    apply(&mut edit, &mut source, given);
    let change = change("source.added", &source, format!("Added source {}", source.name));
    edit.after.sources.push(source);
    edit.save(change).await
}

/// Changes a source.
pub async fn update(app: &App, caller: &Caller, id: SourceId, input: UpdateSource) -> Result<Changed> {
    let rules = input.acceptance_rule.value().into_iter().collect();
    let weighed = weigh(app, caller, Of::Source(id), rules).await?;
    let (edit, place) = Edit::of_source(app, caller, id, "input.id").await?;
    let mut edit = edit.knowing(weighed);
    let before = edit.after.sources.remove(place);
    let mut source = before.clone();
    if input.enabled == Some(true) {
        check_connection(&mut edit, &source).await?;
    }
    apply(&mut edit, &mut source, input);
    let parts = words(&changed_parts(&before, &source));
    let change = change(
        "source.updated",
        &source,
        format!("Changed {parts} of source {}", source.name),
    );
    edit.after.sources.insert(place, source);
    edit.save(change).await
}

/// Removes a source: it may not submit any more. Its leads stay.
pub async fn remove(app: &App, caller: &Caller, id: SourceId) -> Result<Changed> {
    let (mut edit, place) = Edit::of_source(app, caller, id, "id").await?;
    let sellers = edit.after.sources.get(place).map(|source| source.kind);
    if sellers == Some(SourceKind::Seller) {
        let text = "this source belongs to the connection with its seller: disable it instead";
        return Err(Error::broken(UserErrorCode::Conflict, "id", text));
    }
    let source = edit.after.sources.remove(place);
    let change = change("source.removed", &source, format!("Removed source {}", source.name));
    edit.save(change).await
}

/// A connected account's source can be switched on only while there is a connection that is meant to let it send, held up or
/// not.
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
            let text = "the relationship does not let this account send leads to you: ask it for a wider one first";
            edit.check
                .broken(UserErrorCode::DirectionNotAgreed, "input.enabled", text);
        }
        Some(_) => {}
    }
    Ok(())
}

/// What whoever switches a draft on is told.
const NOT_YET: &str =
    "the account is not connected with you: it can submit once it has accepted an invitation of yours";

/// An enabled source without anything particular, first in order.
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

/// The name under which a sender gives a field of the flow: the one that is renamed to it, else its own. None if its own
/// means another field to this sender.
pub fn wire_name<'a>(mapping: &'a [FieldMapping], field: &'a str) -> Option<&'a str> {
    if let Some(renaming) = mapping.iter().find(|renaming| renaming.to == field) {
        return Some(&renaming.from);
    }
    let taken = mapping.iter().any(|renaming| renaming.from == field);
    (!taken).then_some(field)
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

fn changed_parts(before: &source::Model, after: &source::Model) -> Vec<&'static str> {
    let price = |source: &source::Model| (source.price_e4, source.price_currency.clone());
    let parts = [
        ("the name", before.name != after.name),
        ("whether it may submit", before.enabled != after.enabled),
        ("the acceptance rule", before.acceptance_rule != after.acceptance_rule),
        ("the renamings", before.mapping != after.mapping),
        ("the caps", before.caps != after.caps),
        ("the price", price(before) != price(after)),
    ];
    parts
        .into_iter()
        .filter(|(_, changed)| *changed)
        .map(|(part, _)| part)
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_sent_under_the_name_that_is_renamed_to_it() {
        let renaming = |from: &str, to: &str| FieldMapping {
            from: from.into(),
            to: to.into(),
        };
        let mapping = [renaming("Mail", "email"), renaming("city", "town")];
        assert_eq!(wire_name(&mapping, "email"), Some("Mail"));
        assert_eq!(wire_name(&mapping, "age"), Some("age"));
        assert_eq!(wire_name(&mapping, "city"), None, "the sender's city is another field");
    }
}
