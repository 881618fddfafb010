//! The history of a flow, and going back in it.

use async_graphql::MaybeUndefined::Value as Given;
use leadmesh_flows::manage::UpdateFlow;
use leadmesh_flows::snapshot::RevisionSnapshot;
use leadmesh_flows::sources::{self, AddSource};
use leadmesh_flows::steps::{self, AddStep, StepInput};

use super::*;

fn source_in(flow: FlowId) -> AddSource {
    AddSource {
        flow_id: flow,
        name: Some("Later".into()),
        acceptance_rule: None,
        mapping: None,
        caps: None,
        price: None,
        enabled: Some(true),
    }
}

fn distribute(flow: FlowId, profile_id: ProfileId) -> AddStep {
    AddStep {
        flow_id: flow,
        name: "Sell".into(),
        criteria: None,
        position: None,
        enabled: true,
        step: StepInput::Distribute { profile_id },
    }
}

both!(
    reverting_brings_back_exactly_what_was_under_the_same_ids_as_a_new_revision,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        let input = CreateFlow {
            acceptance_rule: Some(condition("age", "GREATER_THAN", &json!(17))),
            ..solar()
        };
        let flow = app.create(&owner, input).await;
        let profile = app.insert_profile(account_of(&owner), "Adults").await;
        let then = done(steps::add(&app, &owner, distribute(flow.id, profile)).await);
        let (sources, steps) = (app.source_rows(flow.id).await, app.step_rows(flow.id).await);

        sources::remove(&app, &owner, sources[0].id).await.unwrap();
        steps::remove(&app, &owner, steps[0].id).await.unwrap();
        sources::add(&app, &owner, source_in(flow.id)).await.unwrap();
        let change = UpdateFlow {
            name: Some("Other".into()),
            fields: Some(vec![field("zip", FieldType::PostalCode)]),
            acceptance_rule: Given(condition("zip", "IS_NOT_EMPTY", &Value::Null)),
            ..UpdateFlow::default()
        };
        manage::update(&app, &owner, flow.id, change).await.unwrap();
        manage::set_enabled(&app, &owner, flow.id, false).await.unwrap();

        app.clock.advance(Duration::hours(1));
        let back = done(history_of::revert(&app, &owner, flow.id, then.version).await);
        assert_eq!(back.version, 8);
        assert_eq!(back.updated_at, app.clock.now());
        let same = flow::Model {
            version: then.version,
            updated_at: then.updated_at,
            ..back
        };
        assert_eq!(same, then);
        assert_eq!(
            (app.source_rows(flow.id).await, app.step_rows(flow.id).await),
            (sources, steps)
        );
        let history = app.history(&owner, flow.id).await;
        assert_eq!(history[7].summary, "Reverted to version 2");
        let read = |place: usize| serde_json::from_value::<RevisionSnapshot>(history[place].snapshot.clone()).unwrap();
        assert_eq!(read(7), read(1));
        let again = history_of::revert(&app, &owner, flow.id, 2).await;
        assert_eq!(done(again).version, 8, "no change, no revision");
    }
);

both!(
    a_version_whose_profile_is_gone_cannot_come_back,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        let flow = app.create(&owner, solar()).await;
        let profile = app.insert_profile(account_of(&owner), "Adults").await;
        steps::add(&app, &owner, distribute(flow.id, profile)).await.unwrap();
        let step = app.step_rows(flow.id).await.remove(0);
        steps::remove(&app, &owner, step.id).await.unwrap();
        app.delete_profile(account_of(&owner), profile).await;
        let result = history_of::revert(&app, &owner, flow.id, 2).await;
        assert_eq!(refused(result), one(UserErrorCode::Conflict, "version"));
        assert!(app.step_rows(flow.id).await.is_empty());
        let result = history_of::revert(&app, &owner, flow.id, 9).await;
        assert_eq!(refused(result), one(UserErrorCode::NotFound, "version"));
    }
);

both!(
    a_free_account_cannot_bring_back_what_it_paid_for,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        let input = CreateFlow {
            acceptance_rule: Some(condition("age", "GREATER_THAN", &json!(17))),
            ..solar()
        };
        let flow = app.create(&owner, input).await;
        let plain = UpdateFlow {
            acceptance_rule: async_graphql::MaybeUndefined::Null,
            ..UpdateFlow::default()
        };
        manage::update(&app, &owner, flow.id, plain).await.unwrap();
        app.set_plan(account_of(&owner), Plan::Free).await;
        let result = history_of::revert(&app, &owner, flow.id, 1).await;
        assert_eq!(refused(result), one(UserErrorCode::PlanRequired, "version"));
    }
);

both!(
    an_inbox_that_came_without_history_can_go_back_to_how_it_came,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Free).await;
        let inbox = flow::Model {
            id: app.clock.id(),
            name: "Inbox".into(),
            is_inbox: true,
            ..app.create(&owner, solar()).await
        };
        let inbox = inbox.into_active_model().insert(app.db.write()).await.unwrap();
        app.set_plan(account_of(&owner), Plan::Paid).await;
        manage::set_enabled(&app, &owner, inbox.id, false).await.unwrap();
        let back = done(history_of::revert(&app, &owner, inbox.id, 1).await);
        assert!(back.enabled && back.version == 3);
        let history = app.history(&owner, inbox.id).await;
        let told: Vec<&str> = history.iter().map(|revision| revision.summary.as_str()).collect();
        assert_eq!(told, ["Made Inbox", "Disabled the flow", "Reverted to version 1"]);
    }
);
