//! What a lead may cost: measured by the steps that are counted, never by time.

use std::collections::HashMap;
use std::sync::Arc;

use entity::delivery_config::{Channel, FieldSelection};
use entity::field::{FieldDef, FieldType};
use entity::ids::{AccountId, AssignmentId, ConnectionId, FlowId, LeadId, PartnerId, ProfileId, SettingsId};
use entity::ids::{SourceId, StepId};
use entity::profile::{OnFailure, Strategy};
use entity::source::SourceKind;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::draft::{HandoffPlan, InboundLead};
use crate::handoff::{DownstreamTarget, DownstreamTargets, HandoffPlanner, ReceivingFlow, ResolvedTarget};
use crate::snapshot::{Access, AccountRecipient, Buyer};
use leadmesh_forms::rules::{self, Rule};

/// Takes some thousand steps for each byte of a text of these letters, and all that a lead has for one of the longest.
const COSTLY: &str = "(?:[ab]{0,100}){9}c";
/// Takes a quarter of what a lead has for one of the longest texts.
const QUARTER: &str = "[ab]{1,10}c";

fn account(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(number))
}

fn field(name: &str) -> FieldDef {
    FieldDef {
        name: name.to_owned(),
        label: name.to_owned(),
        field_type: FieldType::Text,
        required: false,
        encrypted: false,
        choices: None,
        example: None,
        description: None,
    }
}

fn rule(operator: &str, pattern: &str) -> LoadedRule {
    let rule = json!({"condition": {"field": "a", "operator": operator, "value": pattern}});
    let rule: Rule = serde_json::from_value(rule).unwrap();
    LoadedRule::Ready(rules::compile(&rule, &[field("a"), field("b")]).unwrap())
}

fn step(number: u32, criteria: Option<LoadedRule>, action: Action) -> Step {
    Step {
        id: StepId(Uuid::nil()),
        subject: Subject::new(number, &format!("step {number}")),
        enabled: true,
        criteria,
        action,
    }
}

fn filter(number: u32, rule: LoadedRule) -> Step {
    let reason = "filtered".to_owned();
    step(number, None, Action::Filter { rule, reason })
}

fn distribute(number: u32, rule: Option<LoadedRule>, places: Vec<Option<LoadedRule>>) -> Step {
    let candidate = |rule| Candidate {
        assignment: AssignmentId(Uuid::nil()),
        partner: PartnerId(Uuid::nil()),
        subject: Subject::new(number, "partner"),
        enabled: true,
        active: true,
        weight: 1,
        rule,
        schedule: None,
        caps: Vec::new(),
        price: None,
        settings: SettingsId(Uuid::nil()),
        channel: Channel::Portal,
        endpoint: None,
        recipient: None,
    };
    let profile = Profile {
        id: ProfileId(Uuid::nil()),
        subject: Subject::new(number, "profile"),
        enabled: true,
        strategy: Strategy::FirstMatch,
        on_failure: OnFailure::Stay,
        max_recipients: None,
        rule,
        candidates: places.into_iter().map(candidate).collect(),
    };
    step(number, None, Action::Distribute(Arc::new(profile)))
}

fn sell(number: u32, to: u128) -> Step {
    let buyer = Buyer {
        recipient: recipient(to),
        settings: SettingsId(Uuid::nil()),
        caps: Vec::new(),
        price: None,
    };
    step(number, None, Action::Buyer(Box::new(buyer)))
}

fn recipient(to: u128) -> AccountRecipient {
    AccountRecipient {
        connection: ConnectionId(Uuid::from_u128(to)),
        buyer: account(to),
        blocked: None,
        fields: FieldSelection::default(),
        mapping: Vec::new(),
    }
}

fn flow(of: u128, rule: Option<LoadedRule>, steps: Vec<Step>) -> Snapshot {
    let source = Source {
        id: SourceId(Uuid::nil()),
        subject: Subject::new(of, "source"),
        kind: SourceKind::Seller,
        connection: None,
        sender: account(of),
        access: Access::Open,
        enabled: true,
        rule: None,
        mapping: Vec::new(),
        caps: Vec::new(),
        price: None,
    };
    Snapshot {
        pattern_bytes: 0,
        former_sources: Vec::new(),
        account: account(of),
        paid: true,
        config_version: 1,
        flow: FlowId(Uuid::nil()),
        version: 1,
        subject: Subject::new(of, "flow"),
        enabled: true,
        beyond_plan: false,
        fields: Arc::new(vec![field("a"), field("b")]),
        field_index: HashMap::from([("a".to_owned(), 0), ("b".to_owned(), 1)]),
        rule,
        duplicate_keys: Vec::new(),
        duplicate_days: 0,
        caps: Vec::new(),
        price: None,
        sources: vec![source],
        downstream_targets: crate::snapshot::downstream_targets(&steps),
        steps,
    }
}

fn long() -> Map<String, Value> {
    let lead = json!({"a": "ab".repeat(5_000)});
    lead.as_object().unwrap().clone()
}

fn decided(flow: &Snapshot) -> Draft {
    decide(flow, &flow.sources[0], &long(), DateTime::UNIX_EPOCH)
}

#[test]
fn a_rule_that_cannot_be_answered_refuses_the_lead_and_is_named_wherever_it_stands() {
    let costly = || rule("MATCHES", COSTLY);
    let free = || distribute(9, None, vec![None]);
    let cases = [
        (flow(1, Some(costly()), vec![free()]), "acceptance rule of \"flow\""),
        (flow(1, None, vec![filter(1, costly()), free()]), "filter of \"step 1\""),
        (
            flow(1, None, vec![free(), step(2, Some(costly()), free().action)]),
            "criteria of \"step 2\"",
        ),
        (
            flow(1, None, vec![distribute(1, Some(costly()), vec![None]), free()]),
            "profile rule of \"profile\"",
        ),
        (
            flow(
                1,
                None,
                vec![distribute(1, None, vec![None, Some(costly()), None]), free()],
            ),
            "rule of \"partner\"",
        ),
    ];
    for (flow, named) in cases {
        let draft = decided(&flow);
        let [reason] = &draft.reasons[..] else {
            panic!("{named}: {:?}", draft.reasons)
        };
        assert_eq!(reason.code, ReasonCode::Error, "{named}");
        assert!(
            reason.message.starts_with(&format!("the {named} could not")),
            "{reason:?}"
        );
        assert!(draft.routes.is_empty() && draft.filtered.is_none(), "{named}");
        let unknown = |entry: &&crate::outcome::TraceEntry| entry.detail.starts_with("unknown: ");
        assert_eq!(
            draft.trace.entries().iter().filter(unknown).count(),
            1,
            "{named}: {:?}",
            draft.trace
        );
        assert!(draft.work() <= 2_000_000, "{named}: {}", draft.work());
    }
}

#[test]
fn a_negated_pattern_that_cannot_be_answered_lets_nothing_through_either() {
    let condition = json!({"condition": {"field": "a", "operator": "MATCHES", "value": COSTLY}});
    for rule in [json!({"not": condition}), json!({"any": [condition, {"all": []}]})] {
        let rule: Rule = serde_json::from_value(rule).unwrap();
        let loaded = LoadedRule::Ready(rules::compile(&rule, &[field("a")]).unwrap());
        let draft = decided(&flow(1, Some(loaded), vec![distribute(1, None, vec![None])]));
        assert!(
            draft.reasons[0].code == ReasonCode::Error && draft.routes.is_empty(),
            "{rule:?}"
        );
    }
}

#[test]
fn all_rules_of_a_lead_share_its_budget() {
    let few = (1..3).map(|number| filter(number, rule("MATCHES", QUARTER)));
    let draft = decided(&flow(1, None, few.chain([distribute(9, None, vec![None])]).collect()));
    assert!(
        draft.reasons.is_empty() && draft.routes.len() == 1,
        "{:?}",
        draft.reasons
    );
    let many = (1..50).map(|number| filter(number, rule("MATCHES", QUARTER)));
    let draft = decided(&flow(1, None, many.chain([distribute(99, None, vec![None])]).collect()));
    assert!(
        draft.reasons[0].message.contains("filter of \"step "),
        "{:?}",
        draft.reasons
    );
    let places = (1..50).map(|_| Some(rule("MATCHES", QUARTER))).collect();
    let draft = decided(&flow(1, None, vec![distribute(1, None, places)]));
    assert_eq!(draft.reasons[0].code, ReasonCode::Error);
    // Whatever looks through a long text counts, not only patterns.
    let conditions = |number| filter(number, rule("CONTAINS", "c"));
    let draft = decided(&flow(1, None, (0..100).map(conditions).collect()));
    assert!(draft.work() > 100 * 10_000 / 16, "{}", draft.work());
}

#[test]
fn what_must_be_taken_is_taken_and_goes_no_further() {
    let steps = vec![
        distribute(1, None, vec![None]),
        filter(2, rule("MATCHES", COSTLY)),
        distribute(3, None, vec![None]),
    ];
    let free = Snapshot {
        paid: false,
        ..flow(1, None, steps)
    };
    let draft = decided(&free);
    assert!(draft.reasons.is_empty(), "{:?}", draft.reasons);
    assert_eq!((draft.warnings.len(), draft.warnings[0].code), (1, ReasonCode::Error));
    let steps: Vec<usize> = draft.routes.iter().map(|route| route.step).collect();
    assert_eq!(steps, [0]);
}

#[test]
fn transform_steps_share_a_small_budget_and_leave_what_is_beyond_it() {
    let template =
        |source: &str| leadmesh_forms::templates::Template::parse(source, leadmesh_forms::templates::Escape::None);
    let looped = "{% for x in lead.a %}{% set q = ''|replace(lead.a, '') %}{% endfor %}x";
    for source in [looped, "{{ 'x' }}"] {
        let transform = |number| {
            let set = |_| FieldTemplate {
                field: field("b"),
                template: template(source).unwrap(),
            };
            step(number, None, Action::Transform((0..50).map(set).collect()))
        };
        let draft = decided(&flow(1, None, (0..50).map(transform).collect()));
        let entries = draft.trace.entries();
        let last = entries.iter().rfind(|entry| entry.check == "transform").unwrap();
        assert!(
            !last.passed && last.detail.contains("left as it is"),
            "{source}: {last:?}"
        );
        assert!(draft.reasons.is_empty(), "{:?}", draft.reasons);
        assert!(draft.work() <= 1_000_000, "{source}: {}", draft.work());
    }
}

#[test]
fn what_costs_too_much_together_is_left_to_the_worker() {
    let steps = (2..40).map(|to| sell(0, to)).collect();
    let seller = Arc::new(flow(1, None, steps));
    let targets: DownstreamTargets = (2..40)
        .map(|to| {
            let costly = flow(to, Some(rule("MATCHES", COSTLY)), Vec::new());
            let target = DownstreamTarget {
                buyer: account(to),
                version: 1,
                receiving_flow: Ok(ReceivingFlow {
                    flow: Arc::new(costly),
                    source: 0,
                }),
            };
            let resolved = ResolvedTarget {
                target: Arc::new(target),
                keys: None,
            };
            (recipient(to).key(), resolved)
        })
        .collect();
    let mut lead = InboundLead {
        id: LeadId(Uuid::nil()),
        version: 1,
        source: 0,
        keys: None,
        path: Vec::new(),
        draft: decided(&seller),
        flow: seller,
    };
    HandoffPlanner::new(&targets, DateTime::UNIX_EPOCH, &|| LeadId(Uuid::nil())).plan_handoffs(&mut lead);
    let handoffs = lead.draft.routes.iter().flat_map(|route| &route.handoffs);
    let decided = handoffs
        .filter(|handoff| matches!(handoff.plan, HandoffPlan::Enter(_)))
        .count();
    assert!((1..=4).contains(&decided), "{decided}");
}
