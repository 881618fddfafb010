//! The sources of a flow: who may submit to it. A flow may have none.

use async_graphql::MaybeUndefined;
use entity::delivery_config::FieldMapping;
use entity::flow;
use entity::ids::{ConnectionId, FlowId, InvitationId, SourceId};
use entity::source::{self, Mappings, SourceKind};

use super::MAX_SOURCES;
use super::caps::CapInput;
use super::checks::PriceInput;
use super::contents::words;
use super::edit::{Change, Changed, Edit};
use super::usage;
use crate::app::App;
use crate::error::{Error, Result, UserErrorCode};
use crate::identity::caller::Caller;
use crate::leads::rules::Rule;

/// A source to add: an account's with `connection_id` or `invitation_id`, else one of the caller's own.
#[derive(Clone, Debug)]
pub struct AddSource {
    /// Where.
    pub flow_id: FlowId,
    /// The connection with the sender.
    pub connection_id: Option<ConnectionId>,
    /// The invitation that the sender has not accepted yet.
    pub invitation_id: Option<InvitationId>,
    /// At most 120 characters; numbered if absent.
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

/// Adds a source to a flow.
pub async fn add(app: &App, caller: &Caller, input: AddSource) -> Result<Changed> {
    let mut edit = Edit::of_flow(app, caller, input.flow_id, "input.flowId").await?;
    refuse_accounts(&input)?;
    let count = edit.after.sources.len();
    if count >= MAX_SOURCES {
        let text = format!("a flow has at most {MAX_SOURCES} sources: remove one that is not used any more");
        edit.check.broken(UserErrorCode::LimitReached, "input.flowId", text);
    }
    let name = input.name.unwrap_or_else(|| format!("Source {}", count + 1));
    let mut source = blank(app, &edit.after.flow, SourceKind::Own, name.clone());
    source.position = edit
        .after
        .sources
        .iter()
        .map(|source| source.position + 1)
        .max()
        .unwrap_or(0);
    let given = UpdateSource {
        name: Some(name),
        enabled: Some(input.enabled),
        acceptance_rule: Some(input.acceptance_rule).into(),
        mapping: MaybeUndefined::Value(input.mapping),
        caps: MaybeUndefined::Value(input.caps),
        price: Some(input.price).into(),
    };
    apply(&mut edit, &mut source, given);
    let change = change("source.add", &source, format!("Added source {}", source.name));
    edit.after.sources.push(source);
    edit.save(change).await
}

/// Changes a source.
pub async fn update(app: &App, caller: &Caller, id: SourceId, input: UpdateSource) -> Result<Changed> {
    let (mut edit, place) = Edit::of_source(app, caller, id, "input.id").await?;
    let before = edit.after.sources.remove(place);
    let mut source = before.clone();
    apply(&mut edit, &mut source, input);
    let parts = words(&changed_parts(&before, &source));
    let change = change(
        "source.update",
        &source,
        format!("Changed {parts} of source {}", source.name),
    );
    edit.after.sources.insert(place, source);
    edit.save(change).await
}

/// Removes a source: it may not submit any more. Its leads stay.
pub async fn remove(app: &App, caller: &Caller, id: SourceId) -> Result<Changed> {
    let (mut edit, place) = Edit::of_source(app, caller, id, "id").await?;
    let source = edit.after.sources.remove(place);
    let change = change("source.remove", &source, format!("Removed source {}", source.name));
    edit.save(change).await
}

/// Connected accounts come with the network room.
fn refuse_accounts(input: &AddSource) -> Result<()> {
    let path = match (input.connection_id, input.invitation_id) {
        (None, None) => return Ok(()),
        (Some(_), Some(_)) => {
            let text = "give a connection or an invitation, not both";
            return Err(Error::broken(UserErrorCode::Invalid, "input.invitationId", text));
        }
        (Some(_), None) => "input.connectionId",
        (None, Some(_)) => "input.invitationId",
    };
    let text = "the two accounts are not connected: connect them first, or leave it out to add a source of your own";
    Err(Error::broken(UserErrorCode::NotConnected, path, text))
}

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
