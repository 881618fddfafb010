//! Webs of accounts that sell to each other, made up at random: whatever is decided, the counters of caps say exactly what
//! deliveries and accepted leads hold.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::cap_usage::{Cap, CapPeriod};
use entity::delivery_config::{Channel, FieldSelection};
use entity::ids::{AccountId, AssignmentId, CapId, ConnectionId, FlowId, LeadId, PartnerId, ProfileId, SettingsId};
use entity::ids::{SourceId, StepId};
use entity::profile::{OnFailure, Strategy as Picks};
use entity::source::SourceKind;
use proptest::prelude::*;
use serde_json::Map;
use uuid::Uuid;

use super::*;
use crate::decide::decide;
use crate::draft::InboundLead;
use crate::handoff::{DownstreamTarget, DownstreamTargets, HandoffPlanner, MAX_HOPS, ReceivingFlow, ResolvedTarget};
use crate::outcome::{Reason, ReasonCode, Subject, display_reasons};
use crate::snapshot::{self, AccountRecipient, Action, Buyer, Candidate, LoadedRule, Profile, Snapshot, Source};

/// An account: what its flow takes, and to whom it sells.
#[derive(Clone, Debug)]
struct Company {
    takes: bool,
    free: bool,
    limit: Option<i32>,
    sales: Vec<Sale>,
}

/// A step that sells to an account, or to several by a profile.
#[derive(Clone, Debug)]
struct Sale {
    to: Vec<usize>,
    profile: bool,
    next_partner: bool,
    limit: Option<i32>,
}

const COMPANIES: usize = 5;

fn sales() -> impl Strategy<Value = Vec<Sale>> {
    let sale = (
        prop::collection::vec(0..COMPANIES, 1..4),
        any::<bool>(),
        any::<bool>(),
        prop::option::of(0..3_i32),
    );
    let sale = sale.prop_map(|(to, profile, next_partner, limit)| Sale {
        to,
        profile,
        next_partner,
        limit,
    });
    prop::collection::vec(sale, 0..4)
}

fn companies() -> impl Strategy<Value = Vec<Company>> {
    let company = (
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.2),
        prop::option::of(0..4_i32),
        sales(),
    );
    let company = company.prop_map(|(takes, free, limit, sales)| Company {
        takes,
        free,
        limit,
        sales,
    });
    prop::collection::vec(company, COMPANIES)
}

fn id(kind: u128, place: usize, more: usize) -> Uuid {
    let wide = |number: usize| u128::try_from(number).unwrap();
    Uuid::from_u128(kind << 64 | wide(place) << 32 | wide(more))
}

fn account(place: usize) -> AccountId {
    AccountId(id(1, place, 0))
}

fn connection(from: usize, to: usize) -> ConnectionId {
    ConnectionId(id(2, from, to))
}

fn caps(limit: Option<i32>, (kind, place, more): (u128, usize, usize)) -> Vec<Cap> {
    let cap = |limit| Cap {
        id: CapId(id(kind, place, more)),
        period: CapPeriod::Lifetime,
        limit,
        timezone: "UTC".into(),
    };
    limit.into_iter().map(cap).collect()
}

fn recipient(from: usize, to: usize) -> AccountRecipient {
    AccountRecipient {
        connection: connection(from, to),
        buyer: account(to),
        fields: FieldSelection::default(),
        mapping: Vec::new(),
        blocked: None,
    }
}

fn step(from: usize, place: usize, sale: &Sale) -> snapshot::Step {
    let number = place * 10;
    let subject = Subject::new(place, "step");
    let candidate = |(at, to): (usize, &usize)| Candidate {
        assignment: AssignmentId(id(3, from, number + at)),
        partner: PartnerId(id(4, from, *to)),
        subject: subject.clone(),
        enabled: true,
        active: true,
        weight: 1,
        rule: None,
        schedule: None,
        caps: caps(sale.limit, (5, from, number + at)),
        price: None,
        settings: SettingsId(Uuid::nil()),
        channel: Channel::Account,
        endpoint: None,
        recipient: Some(recipient(from, *to)),
    };
    let action = if sale.profile {
        Action::Distribute(Arc::new(Profile {
            id: ProfileId(id(6, from, number)),
            subject: subject.clone(),
            enabled: true,
            strategy: Picks::FirstMatch,
            on_failure: if sale.next_partner {
                OnFailure::NextPartner
            } else {
                OnFailure::Stay
            },
            max_recipients: None,
            rule: None,
            candidates: sale.to.iter().enumerate().map(candidate).collect(),
        }))
    } else {
        Action::Buyer(Box::new(Buyer {
            recipient: recipient(from, sale.to[0]),
            settings: SettingsId(Uuid::nil()),
            caps: caps(sale.limit, (7, from, number)),
            price: None,
        }))
    };
    snapshot::Step {
        id: StepId(id(8, from, number)),
        subject,
        enabled: true,
        criteria: None,
        action,
    }
}

/// A flow with a source of its own and one for every other company.
fn flow(place: usize, company: &Company) -> Arc<Snapshot> {
    let steps: Vec<_> = company
        .sales
        .iter()
        .enumerate()
        .map(|(at, sale)| step(place, at, sale))
        .collect();
    let sources = (0..COMPANIES).map(|from| Source {
        id: SourceId(id(9, place, from)),
        subject: Subject::new(from, "source"),
        kind: if from == place {
            SourceKind::Own
        } else {
            SourceKind::Seller
        },
        connection: Some(connection(from, place)),
        sender: account(from),
        access: snapshot::Access::Open,
        enabled: true,
        rule: None,
        mapping: Vec::new(),
        caps: Vec::new(),
        price: None,
    });
    Arc::new(Snapshot {
        pattern_bytes: 0,
        account: account(place),
        paid: !company.free,
        config_version: 1,
        flow: FlowId(id(10, place, 0)),
        version: 1,
        subject: Subject::new(place, "flow"),
        enabled: true,
        beyond_plan: false,
        fields: Arc::default(),
        field_index: HashMap::new(),
        rule: (!company.takes).then(|| LoadedRule::Unusable("takes nothing".into())),
        duplicate_keys: Vec::new(),
        duplicate_days: 0,
        caps: caps(company.limit, (11, place, 0)),
        price: None,
        sources: sources.collect(),
        former_sources: Vec::new(),
        downstream_targets: snapshot::downstream_targets(&steps),
        steps,
    })
}

fn web(companies: &[Company]) -> (Vec<Arc<Snapshot>>, DownstreamTargets) {
    let flows: Vec<_> = companies
        .iter()
        .enumerate()
        .map(|(place, company)| flow(place, company))
        .collect();
    let mut targets = DownstreamTargets::new();
    for from in 0..COMPANIES {
        for to in (0..COMPANIES).filter(|to| *to != from) {
            let target = DownstreamTarget {
                buyer: account(to),
                version: 1,
                receiving_flow: Ok(ReceivingFlow {
                    flow: flows[to].clone(),
                    source: from,
                }),
            };
            let resolved = ResolvedTarget {
                target: Arc::new(target),
                keys: None,
            };
            targets.insert(recipient(from, to).key(), resolved);
        }
    }
    (flows, targets)
}

fn enter(flows: &[Arc<Snapshot>], targets: &DownstreamTargets, now: DateTime<Utc>) -> InboundLead {
    let flow = flows[0].clone();
    let mut lead = InboundLead {
        id: LeadId(Uuid::nil()),
        version: 1,
        source: 0,
        keys: None,
        path: Vec::new(),
        draft: decide(&flow, &flow.sources[0], &Map::new(), now),
        flow,
    };
    HandoffPlanner::new(targets, now, &|| LeadId(Uuid::nil())).plan_handoffs(&mut lead);
    lead
}

/// Counts what an accepted lead and its deliveries hold, here and at buyers.
fn held(lead: &InboundLead, chosen: &[Selection], now: DateTime<Utc>, counts: &mut BTreeMap<Counter, i32>) {
    let source = lead.source().unwrap();
    if lead.draft.reasons.is_empty() && !lead.flow.takes_all_from(source) {
        for cap in &lead.flow.caps {
            *counts.entry(counter(cap, now)).or_default() += 1;
        }
    }
    for chosen in chosen {
        assert!(
            chosen.placement.is_placed() || chosen.reservations.is_empty(),
            "a refused delivery holds a place"
        );
        for place in &chosen.reservations {
            *counts.entry((place.cap, place.window)).or_default() += 1;
        }
        if let Placement::Entered(nested, chosen) = &chosen.placement {
            held(nested, chosen, now, counts);
        }
    }
}

/// No account has a lead twice on its way, and none more than it may pass.
fn passes_each_account_once(lead: &InboundLead, chosen: &[Selection]) {
    assert!(!lead.path.contains(&lead.flow.account) && lead.path.len() < MAX_HOPS);
    for chosen in chosen {
        if let Placement::Entered(nested, chosen) = &chosen.placement {
            assert_eq!(nested.path.last(), Some(&lead.flow.account));
            passes_each_account_once(nested, chosen);
        }
    }
}

proptest! {
    #[test]
    fn counters_say_what_is_held(companies in companies(), leads in 1..4_usize) {
        let now = DateTime::UNIX_EPOCH;
        let (flows, targets) = web(&companies);
        let mut allocation = AllocationContext::new(Ledger::default(), RoundRobin::default(), now);
        let mut counts = BTreeMap::new();
        for _ in 0..leads {
            let mut lead = enter(&flows, &targets, now);
            let mut locked = LockSet::default();
            locked.add(&lead, now);
            let chosen = allocate(&mut lead, &mut allocation);
            passes_each_account_once(&lead, &chosen);
            held(&lead, &chosen, now, &mut counts);
            for (counter, used) in allocation.ledger.changes() {
                prop_assert!(used == 0 || counts.contains_key(&counter));
            }
            prop_assert!(counts.keys().all(|counter| allocation.ledger.changes().iter().any(|(changed, _)| changed == counter)));
        }
        for (counter, used) in allocation.ledger.changes() {
            prop_assert_eq!(used, counts.get(&counter).copied().unwrap_or_default(), "{:?}", counter);
        }
    }
}

fn sells(to: usize) -> Company {
    let sale = Sale {
        to: vec![to],
        profile: false,
        next_partner: false,
        limit: Some(1),
    };
    Company {
        takes: true,
        free: false,
        limit: None,
        sales: vec![sale],
    }
}

#[test]
fn a_lead_that_would_come_back_stops_with_a_warning() {
    let now = DateTime::UNIX_EPOCH;
    let (flows, targets) = web(&[sells(1), sells(0), sells(0), sells(0), sells(0)]);
    let mut allocation = AllocationContext::new(Ledger::default(), RoundRobin::default(), now);
    let mut lead = enter(&flows, &targets, now);
    let chosen = allocate(&mut lead, &mut allocation);
    let Placement::Entered(nested, back) = &chosen[0].placement else {
        panic!("{chosen:?}")
    };
    assert!(matches!(back[0].placement, Placement::Loop(_)), "{back:?}");
    let codes: Vec<_> = nested.draft.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, [ReasonCode::Loop, ReasonCode::NoMatchingPartner]);
    assert!(back[0].reservations.is_empty() && lead.draft.warnings.is_empty());
}

#[test]
fn a_full_cap_skips_the_step_and_a_free_buyer_has_no_rules() {
    let now = DateTime::UNIX_EPOCH;
    let mut second = sells(2);
    (second.takes, second.free, second.limit) = (false, true, Some(0));
    let (flows, targets) = web(&[sells(1), second, sells(0), sells(0), sells(0)]);
    let mut allocation = AllocationContext::new(Ledger::default(), RoundRobin::default(), now);
    let first = allocate(&mut enter(&flows, &targets, now), &mut allocation);
    assert!(first[0].placement.is_placed(), "{first:?}");
    let mut lead = enter(&flows, &targets, now);
    assert!(allocate(&mut lead, &mut allocation).is_empty());
    assert_eq!(lead.draft.warnings[0].code, ReasonCode::NoMatchingPartner);
}

#[test]
fn reasons_are_displayed_by_code_field_and_message() {
    let reasons = [
        Reason::about(ReasonCode::Required, "mail", "Email is required"),
        Reason::new(ReasonCode::NotAccepted, "state is not Texas"),
    ];
    assert_eq!(
        display_reasons(&reasons),
        "REQUIRED mail: Email is required; NOT_ACCEPTED: state is not Texas"
    );
}
