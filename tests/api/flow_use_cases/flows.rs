//! Making, changing and deleting flows.

use async_graphql::MaybeUndefined::{Null, Value as Given};
use entity::cap_usage::CapPeriod;
use leadmesh_flows::caps::CapInput;
use leadmesh_flows::manage::UpdateFlow;
use leadmesh_flows::read::{self, FlowFilter};
use leadmesh_flows::steps::{self, AddStep, StepInput};
use leadmesh_flows::{MAX_FLOWS, PriceInput};
use leadmesh_forms::fields::decimal::Decimal;
use rust_decimal::Decimal as Exact;

use super::*;

fn daily(limit: i32) -> CapInput {
    CapInput {
        period: CapPeriod::Day,
        limit,
        timezone: None,
    }
}

both!(
    a_new_flow_has_a_source_a_revision_an_audit_entry_and_its_values_in_canonical_form,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        let account = account_of(&owner);
        let input = CreateFlow {
            name: "  Solar ".into(),
            description: Some(" ".into()),
            acceptance_rule: Some(condition("age", "GREATER_OR_EQUAL", &json!("18"))),
            duplicate_keys: Some(vec!["email".into()]),
            duplicate_window_days: Some(30),
            caps: Some(vec![daily(5)]),
            price: Some(PriceInput {
                amount: Decimal(Exact::new(1250, 2)),
                currency: "usd".into(),
            }),
            ..solar()
        };
        let flow = app.create(&owner, input).await;
        assert_eq!(
            (flow.name.as_str(), flow.description.as_ref(), flow.version),
            ("Solar", None, 1)
        );
        assert_eq!(flow.acceptance_rule.unwrap()["condition"]["value"], json!(18));
        assert_eq!(
            (flow.price_e4, flow.price_currency.as_deref()),
            (Some(125_000), Some("USD"))
        );
        assert_eq!(flow.caps.0[0].timezone, "Europe/Berlin");
        assert_eq!(flow.fields.0[0].label, "Email");
        let sources = app.source_rows(flow.id).await;
        assert_eq!(
            (sources.len(), sources[0].name.as_str(), sources[0].enabled),
            (1, "Default", true)
        );
        let history = app.history(&owner, flow.id).await;
        assert_eq!((history.len(), history[0].summary.as_str()), (1, "Created Solar"));
        assert_eq!(history[0].actor_name, "Olga");
        assert_eq!(history[0].snapshot["sources"][0]["id"], json!(sources[0].id));
        assert_eq!(app.audit_log(account).await, ["flow.created"]);
        assert_eq!(app.config_version(account).await, 2);
    }
);

both!(
    everything_that_is_wrong_with_a_new_flow_is_named_where_it_stands_and_nothing_is_made,
    open,
    |app: TestApp| {
        use UserErrorCode::{Invalid, InvalidRule, TooLong, UnknownField};
        let owner = app.owner_of(Plan::Paid).await;
        let input = CreateFlow {
            name: "x".repeat(121),
            description: Some("y".repeat(2_001)),
            fields: vec![field("email", FieldType::Email), field("Bad Name", FieldType::Text)],
            acceptance_rule: Some(rule(json!({"all": [
                {"condition": {"field": "nope", "operator": "IS_EMPTY"}},
                {"condition": {"field": "email", "operator": "GREATER_THAN", "value": 1}}
            ]}))),
            duplicate_keys: Some(vec!["email".into(), "zip".into(), "email".into()]),
            duplicate_window_days: Some(3_651),
            caps: Some(vec![daily(-1)]),
            price: Some(PriceInput {
                amount: Decimal(Exact::ONE),
                currency: "XXX".into(),
            }),
            enabled: Some(true),
        };
        let expected = [
            (TooLong, "input.name"),
            (TooLong, "input.description"),
            (Invalid, "input.fields.1.name"),
            (UnknownField, "input.acceptanceRule.all.0.condition.field"),
            (InvalidRule, "input.acceptanceRule.all.1.condition.operator"),
            (Invalid, "input.caps.0.limit"),
            (Invalid, "input.price.currency"),
            (UnknownField, "input.duplicateKeys.1"),
            (Invalid, "input.duplicateKeys.2"),
            (Invalid, "input.duplicateWindowDays"),
        ];
        let expected = expected.map(|(code, path)| (code, path.to_owned()));
        assert_eq!(refused(manage::create(&app, &owner, input).await), expected);
        let flows = read::list(&owner, &FlowFilter::default()).unwrap();
        assert!(flows.all(app.db.read()).await.unwrap().is_empty());
        assert!(app.audit_log(account_of(&owner)).await.is_empty());
    }
);

both!(duplicate_keys_and_their_window_go_together, open, |app: TestApp| {
    let owner = app.owner_of(Plan::Paid).await;
    let keys = CreateFlow {
        duplicate_keys: Some(vec!["email".into()]),
        ..solar()
    };
    let required = UserErrorCode::Required;
    assert_eq!(
        refused(manage::create(&app, &owner, keys).await),
        one(required, "input.duplicateWindowDays")
    );
    let days = CreateFlow {
        duplicate_window_days: Some(3),
        ..solar()
    };
    assert_eq!(
        refused(manage::create(&app, &owner, days).await),
        one(required, "input.duplicateKeys")
    );
    let flow = app.create(&owner, solar()).await;
    let on = UpdateFlow {
        duplicate_keys: Given(vec!["email".into()]),
        duplicate_window_days: Given(3),
        ..UpdateFlow::default()
    };
    let flow = done(manage::update(&app, &owner, flow.id, on).await);
    assert_eq!(flow.duplicate_window_days, Some(3));
    let off = UpdateFlow {
        duplicate_window_days: Null,
        ..UpdateFlow::default()
    };
    let flow = done(manage::update(&app, &owner, flow.id, off).await);
    assert!(flow.duplicate_keys.0.is_empty() && flow.duplicate_window_days.is_none());
});

both!(
    a_free_account_has_one_flow_without_rules_and_caps,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Free).await;
        let plan = UserErrorCode::PlanRequired;
        let input = CreateFlow {
            acceptance_rule: Some(condition("age", "GREATER_THAN", &json!(17))),
            caps: Some(vec![daily(5)]),
            ..solar()
        };
        let expected = vec![
            (plan, "input.acceptanceRule".to_owned()),
            (plan, "input.caps".to_owned()),
        ];
        assert_eq!(refused(manage::create(&app, &owner, input).await), expected);
        app.create(&owner, solar()).await;
        assert_eq!(refused(manage::create(&app, &owner, solar()).await), one(plan, "input"));
    }
);

both!(
    an_update_changes_what_is_given_and_removes_what_is_null,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        let input = CreateFlow {
            description: Some("For roofs".into()),
            acceptance_rule: Some(condition("age", "GREATER_THAN", &json!(17))),
            caps: Some(vec![daily(5)]),
            ..solar()
        };
        let flow = app.create(&owner, input).await;
        let cap = flow.caps.0[0].id;
        let change = UpdateFlow {
            version: Some(1),
            name: Some("Roofs".into()),
            acceptance_rule: Null,
            caps: Given(vec![daily(6)]),
            ..UpdateFlow::default()
        };
        let flow = done(manage::update(&app, &owner, flow.id, change).await);
        assert_eq!(
            (flow.name.as_str(), flow.description.as_deref()),
            ("Roofs", Some("For roofs"))
        );
        assert_eq!((flow.acceptance_rule, flow.version), (None, 2));
        assert_eq!(
            (flow.caps.0[0].id, flow.caps.0[0].limit),
            (cap, 6),
            "what was used stays counted"
        );
        let history = app.history(&owner, flow.id).await;
        assert_eq!(history[1].summary, "Changed the name, the acceptance rule and the caps");
        let nothing = manage::update(&app, &owner, flow.id, UpdateFlow::default()).await;
        assert_eq!(done(nothing).version, 2, "no change, no revision");
        assert_eq!(app.history(&owner, flow.id).await.len(), 2);
        let stale = UpdateFlow {
            version: Some(1),
            name: Some("Late".into()),
            ..UpdateFlow::default()
        };
        assert_eq!(
            refused(manage::update(&app, &owner, flow.id, stale).await),
            one(UserErrorCode::StaleVersion, "input.version")
        );
    }
);

both!(of_eight_changes_of_one_version_one_wins, open, |app: TestApp| {
    let owner = app.owner_of(Plan::Paid).await;
    let flow = app.create(&owner, solar()).await;
    let calls = (0..8).map(|number| {
        let input = UpdateFlow {
            version: Some(1),
            name: Some(format!("Solar {number}")),
            ..UpdateFlow::default()
        };
        manage::update(&app, &owner, flow.id, input)
    });
    let results = futures::future::join_all(calls).await;
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 7));
    for result in lost {
        assert_eq!(refused(result), one(UserErrorCode::StaleVersion, "input.version"));
    }
    assert_eq!(app.history(&owner, flow.id).await.len(), 2);
});

both!(
    a_field_that_the_flow_uses_cannot_go_or_become_what_its_rules_cannot_compare,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        let input = CreateFlow {
            acceptance_rule: Some(condition("age", "GREATER_THAN", &json!(17))),
            ..solar()
        };
        let flow = app.create(&owner, input).await;
        let refield = |fields: Vec<FieldInput>| UpdateFlow {
            fields: Some(fields),
            ..UpdateFlow::default()
        };
        let in_use = one(UserErrorCode::InUse, "input.fields");
        let without = refield(vec![field("email", FieldType::Email)]);
        let result = manage::update(&app, &owner, flow.id, without.clone()).await;
        let Err(Error::User(broken)) = &result else {
            panic!("{result:?}")
        };
        assert!(
            broken[0].message.contains("\"age\" is used by the acceptance rule"),
            "{broken:?}"
        );
        assert_eq!(refused(result), in_use);
        let retyped = refield(vec![field("age", FieldType::Boolean)]);
        assert_eq!(refused(manage::update(&app, &owner, flow.id, retyped).await), in_use);
        let both = UpdateFlow {
            acceptance_rule: Null,
            ..without
        };
        assert_eq!(
            done(manage::update(&app, &owner, flow.id, both).await).fields.0.len(),
            1
        );
    }
);

both!(
    what_names_a_changed_field_outside_of_the_flow_is_told,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        let account = account_of(&owner);
        let flow = app.create(&owner, solar()).await;
        let profile = app.insert_profile(account, "Adults").await;
        app.insert_partner(account, profile, "Roofers").await;
        let step = AddStep {
            flow_id: flow.id,
            name: "Sell".into(),
            criteria: Some(condition("age", "LESS_THAN", &json!(80))),
            position: None,
            enabled: true,
            step: StepInput::Distribute { profile_id: profile },
        };
        steps::add(&app, &owner, step).await.unwrap();
        let retyped = UpdateFlow {
            fields: Some(vec![field("age", FieldType::Number), field("email", FieldType::Email)]),
            ..UpdateFlow::default()
        };
        let changed = manage::update(&app, &owner, flow.id, retyped).await.unwrap();
        let expected = [
            "\"age\" has another type now; look again at the criteria of step \"Sell\"",
            "\"age\" has another type now; look again at profile \"Adults\" and the delivery settings of partner \"Roofers\"",
        ];
        assert_eq!(changed.warnings, expected);
    }
);

both!(
    a_deleted_flow_is_gone_with_its_sources_and_the_inbox_stays,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        let flow = app.create(&owner, solar()).await;
        manage::delete(&app, &owner, flow.id).await.unwrap();
        assert_eq!(read::find(&app, &owner, flow.id).await.unwrap(), None);
        assert!(app.source_rows(flow.id).await.is_empty());
        let again = manage::delete(&app, &owner, flow.id).await;
        assert_eq!(refused(again), one(UserErrorCode::NotFound, "id"));

        let inbox = app.create(&owner, solar()).await;
        let mut row = inbox.clone().into_active_model();
        row.is_inbox = sea_orm::Set(true);
        row.update(app.db.write()).await.unwrap();
        let result = manage::delete(&app, &owner, inbox.id).await;
        assert_eq!(refused(result), one(UserErrorCode::Conflict, "id"));
        assert!(!done(manage::set_enabled(&app, &owner, inbox.id, false).await).enabled);
    }
);

both!(
    a_foreign_flow_answers_as_an_unknown_one_and_viewers_only_look,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        let stranger = app.owner_of(Plan::Paid).await;
        let flow = app.create(&owner, solar()).await;
        let unknown: FlowId = app.clock.id();
        for id in [flow.id, unknown] {
            let result = manage::update(&app, &stranger, id, UpdateFlow::default()).await;
            assert_eq!(refused(result), one(UserErrorCode::NotFound, "input.id"));
            assert_eq!(read::find(&app, &stranger, id).await.unwrap(), None);
            assert!(app.history(&stranger, id).await.is_empty());
        }
        let viewer = app.person(account_of(&owner), Role::Viewer);
        let result = manage::set_enabled(&app, &viewer, flow.id, false).await;
        assert!(matches!(result, Err(Error::Forbidden(_))));
        assert!(read::find(&app, &viewer, flow.id).await.unwrap().is_some());
        let nobody = manage::create(&app, &Caller::anonymous(None), solar()).await;
        assert!(matches!(nobody, Err(Error::Unauthenticated(_))));
    }
);

both!(an_account_has_at_most_a_hundred_flows, open, |app: TestApp| {
    let owner = app.owner_of(Plan::Paid).await;
    let first = app.create(&owner, solar()).await;
    let more = (1..MAX_FLOWS).map(|_| {
        let copy = flow::Model {
            id: app.clock.id(),
            ..first.clone()
        };
        copy.into_active_model()
    });
    flow::Entity::insert_many(more)
        .exec_without_returning(app.db.write())
        .await
        .unwrap();
    assert_eq!(
        refused(manage::create(&app, &owner, solar()).await),
        one(UserErrorCode::LimitReached, "input")
    );
});

both!(
    flows_are_found_by_a_part_of_their_name_taken_literally,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        for name in ["Solar 100%", "Roofs", "Solar_old"] {
            let input = CreateFlow {
                name: name.into(),
                ..solar()
            };
            app.create(&owner, input).await;
        }
        for (search, found) in [("sOLAR", 2), ("%", 1), ("r_o", 1), ("\\", 0), (" ", 3)] {
            let filter = FlowFilter {
                enabled: Some(true),
                search: Some(search.into()),
            };
            let flows = read::list(&owner, &filter).unwrap().all(app.db.read()).await.unwrap();
            assert_eq!(flows.len(), found, "{search}");
        }
    }
);
