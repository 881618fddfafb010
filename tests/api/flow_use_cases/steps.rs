//! The steps of a flow.

use async_graphql::MaybeUndefined::{Null, Value as Given};
use entity::delivery_config::FieldSelection;
use entity::step::{StepConfig, TemplateAssignment};
use leadmesh_flows::steps::{self, AddStep, BuyerInput, BuyerTo, StepInput, UpdateStep};

use super::*;

fn add(flow: FlowId, name: &str, step: StepInput) -> AddStep {
    AddStep {
        flow_id: flow,
        name: name.into(),
        criteria: None,
        position: None,
        enabled: true,
        step,
    }
}

fn filter() -> StepInput {
    StepInput::Filter {
        rule: condition("age", "LESS_THAN", &json!(18)),
        reason: "adults only".into(),
    }
}

fn transform(assignments: &[(&str, &str)]) -> StepInput {
    let assignment = |(field, template): &(&str, &str)| TemplateAssignment {
        field: (*field).into(),
        template: (*template).into(),
    };
    StepInput::Transform {
        assignments: assignments.iter().map(assignment).collect(),
    }
}

async fn names(app: &TestApp, flow: FlowId) -> Vec<String> {
    let steps = app.step_rows(flow).await;
    assert!(
        (0..).zip(&steps).all(|(place, step)| step.position == place),
        "{steps:?}"
    );
    steps.into_iter().map(|step| step.name).collect()
}

fn buyer(connection: entity::ids::ConnectionId) -> StepInput {
    StepInput::Buyer(BuyerInput {
        to: Some(BuyerTo::Connected(connection)),
        fields: FieldSelection::default(),
        mapping: Vec::new(),
        price: None,
        caps: Vec::new(),
    })
}

both!(
    steps_are_added_moved_and_removed_at_their_place,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        let flow = app.create(&owner, solar()).await;
        for (name, position) in [("b", None), ("d", Some(99)), ("a", Some(-5)), ("c", Some(2))] {
            let input = AddStep {
                position,
                ..add(flow.id, name, filter())
            };
            steps::add(&app, &owner, input).await.unwrap();
        }
        assert_eq!(names(&app, flow.id).await, ["a", "b", "c", "d"]);
        let rows = app.step_rows(flow.id).await;
        let flow_now = done(steps::move_to(&app, &owner, rows[0].id, 99).await);
        assert_eq!(names(&app, flow.id).await, ["b", "c", "d", "a"]);
        let stays = steps::move_to(&app, &owner, rows[0].id, 3).await;
        assert_eq!(done(stays).version, flow_now.version, "no change, no revision");
        steps::remove(&app, &owner, rows[2].id).await.unwrap();
        assert_eq!(names(&app, flow.id).await, ["b", "d", "a"]);
        let history = app.history(&owner, flow.id).await;
        assert_eq!(history.last().unwrap().summary, "Removed step c");
    }
);

both!(
    a_step_is_updated_and_switched_but_keeps_its_kind,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        let flow = app.create(&owner, solar()).await;
        let input = AddStep {
            criteria: Some(condition("state", "EQUALS", &json!("TX"))),
            ..add(flow.id, "Adults", filter())
        };
        steps::add(&app, &owner, input).await.unwrap();
        let id = app.step_rows(flow.id).await[0].id;
        let change = UpdateStep {
            criteria: Null,
            step: Some(StepInput::Filter {
                rule: condition("age", "LESS_THAN", &json!("21")),
                reason: " 21 and over ".into(),
            }),
            ..UpdateStep::default()
        };
        steps::update(&app, &owner, id, change).await.unwrap();
        steps::set_enabled(&app, &owner, id, false).await.unwrap();
        let step = app.step_rows(flow.id).await.remove(0);
        let StepConfig::Filter { rule, reason } = step.config else {
            panic!("{:?}", step.config)
        };
        assert_eq!(
            (reason.as_str(), &rule["condition"]["value"]),
            ("21 and over", &json!(21))
        );
        assert!(!step.enabled && step.criteria.is_none());
        let other = UpdateStep {
            step: Some(transform(&[("state", "TX")])),
            ..UpdateStep::default()
        };
        assert_eq!(
            refused(steps::update(&app, &owner, id, other).await),
            one(UserErrorCode::Invalid, "input.step")
        );
        let history = app.history(&owner, flow.id).await;
        assert_eq!(
            history[2].summary,
            "Changed the criteria and the settings of step Adults"
        );
        assert_eq!(history[3].summary, "Disabled step Adults");
    }
);

both!(
    a_step_that_cannot_work_is_refused_where_it_is_wrong,
    open,
    |app: TestApp| {
        use UserErrorCode::{Invalid, InvalidRule, InvalidTemplate, NotConnected, NotFound, Required, UnknownField};
        let owner = app.owner_of(Plan::Paid).await;
        let flow = app.create(&owner, solar()).await;
        let bad_filter = StepInput::Filter {
            rule: condition("age", "MATCHES", &json!("x")),
            reason: " ".into(),
        };
        let cases = [
            (
                bad_filter,
                vec![
                    (InvalidRule, "filter.rule.condition.operator"),
                    (Required, "filter.reason"),
                ],
            ),
            (
                transform(&[
                    ("nope", "x"),
                    ("state", "{{ lead.nope }}"),
                    ("state", "{{ lead."),
                    ("state", "{{ lead.ssn }}"),
                ]),
                vec![
                    (UnknownField, "transform.assignments.0.field"),
                    (UnknownField, "transform.assignments.1.template"),
                    (InvalidTemplate, "transform.assignments.2.template"),
                    (InvalidTemplate, "transform.assignments.3.template"),
                ],
            ),
            (transform(&[]), vec![(Invalid, "transform.assignments")]),
            (buyer(app.clock.id()), vec![(NotConnected, "buyer.connectionId")]),
            (
                StepInput::Distribute {
                    profile_id: app.clock.id(),
                },
                vec![(NotFound, "distribute.profileId")],
            ),
        ];
        for (step, expected) in cases {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(code, path)| (code, format!("input.step.{path}")))
                .collect();
            assert_eq!(
                refused(steps::add(&app, &owner, add(flow.id, "s", step)).await),
                expected
            );
        }
        let stranger = app.owner_of(Plan::Paid).await;
        let foreign = StepInput::Distribute {
            profile_id: app.insert_profile(account_of(&stranger), "Theirs").await,
        };
        assert_eq!(
            refused(steps::add(&app, &owner, add(flow.id, "s", foreign)).await),
            one(NotFound, "input.step.distribute.profileId")
        );
        let sealed = transform(&[("ssn", "{{ lead.ssn | upper }}"), ("state", "{{ lead.state }}")]);
        steps::add(&app, &owner, add(flow.id, "s", sealed)).await.unwrap();
    }
);

both!(
    a_free_account_has_one_destination_and_no_filters,
    open,
    |app: TestApp| {
        let plan = UserErrorCode::PlanRequired;
        let owner = app.owner_of(Plan::Free).await;
        let account = account_of(&owner);
        let flow = app.create(&owner, solar()).await;
        assert_eq!(
            refused(steps::add(&app, &owner, add(flow.id, "s", filter())).await),
            one(plan, "input.step.filter.rule")
        );
        let (single, twin) = (
            app.insert_profile(account, "One").await,
            app.insert_profile(account, "Two").await,
        );
        app.insert_partner(account, single, "P").await;
        app.insert_partner(account, twin, "Q").await;
        app.insert_partner(account, twin, "R").await;
        let to = |profile_id| add(flow.id, "Sell", StepInput::Distribute { profile_id });
        let path = "input.step.distribute.profileId";
        assert_eq!(refused(steps::add(&app, &owner, to(twin)).await), one(plan, path));
        steps::add(&app, &owner, to(single)).await.unwrap();
        assert_eq!(refused(steps::add(&app, &owner, to(single)).await), one(plan, path));
        let id = app.step_rows(flow.id).await[0].id;
        let criteria = UpdateStep {
            criteria: Given(condition("age", "GREATER_THAN", &json!(17))),
            ..UpdateStep::default()
        };
        assert_eq!(
            refused(steps::update(&app, &owner, id, criteria).await),
            one(plan, "input.criteria")
        );
        let rename = UpdateStep {
            name: Some("Deliver".into()),
            step: Some(StepInput::Distribute { profile_id: single }),
            ..UpdateStep::default()
        };
        steps::update(&app, &owner, id, rename).await.unwrap();
    }
);

both!(
    a_filter_cannot_be_switched_on_again_after_a_downgrade,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        let flow = app.create(&owner, solar()).await;
        let off = AddStep {
            enabled: false,
            ..add(flow.id, "Adults", filter())
        };
        steps::add(&app, &owner, off).await.unwrap();
        let id = app.step_rows(flow.id).await[0].id;
        app.set_plan(account_of(&owner), Plan::Free).await;
        let result = steps::set_enabled(&app, &owner, id, true).await;
        assert_eq!(refused(result), one(UserErrorCode::PlanRequired, "id"));
        steps::remove(&app, &owner, id).await.unwrap();
    }
);

both!(a_flow_has_at_most_fifty_steps, open, |app: TestApp| {
    let owner = app.owner_of(Plan::Paid).await;
    let flow = app.create(&owner, solar()).await;
    steps::add(&app, &owner, add(flow.id, "s", filter())).await.unwrap();
    let first = app.step_rows(flow.id).await.remove(0);
    let more = (1..50).map(|position| {
        let copy = step::Model {
            id: app.clock.id(),
            position,
            ..first.clone()
        };
        copy.into_active_model()
    });
    step::Entity::insert_many(more)
        .exec_without_returning(app.db.write())
        .await
        .unwrap();
    assert_eq!(
        refused(steps::add(&app, &owner, add(flow.id, "s", filter())).await),
        one(UserErrorCode::LimitReached, "input.flowId")
    );
});
