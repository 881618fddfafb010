//! The sources of a flow.

use async_graphql::MaybeUndefined::{Null, Value as Given};
use entity::delivery_config::FieldMapping;
use entity::ids::SourceId;
use leadmesh_flows::MAX_SOURCES;
use leadmesh_flows::sources::{self, AddSource, UpdateSource};
use leadmesh_network::account_sources::{self, Partner};

use super::*;

fn source_in(flow: FlowId) -> AddSource {
    AddSource {
        flow_id: flow,
        name: Some("Web form".into()),
        acceptance_rule: None,
        mapping: None,
        caps: None,
        price: None,
        enabled: Some(true),
    }
}

fn renaming(from: &str, to: &str) -> FieldMapping {
    FieldMapping {
        from: from.into(),
        to: to.into(),
    }
}

both!(sources_come_change_and_go_with_a_revision_each, open, |app: TestApp| {
    let owner = app.owner_of(Plan::Paid).await;
    let flow = app.create(&owner, solar()).await;
    let input = AddSource {
        acceptance_rule: Some(condition("state", "IN", &json!(["tx"]))),
        mapping: Some(vec![renaming(" Alter ", "age")]),
        ..source_in(flow.id)
    };
    let flow = done(sources::add(&app, &owner, input).await);
    let unnamed = AddSource {
        name: None,
        ..source_in(flow.id)
    };
    sources::add(&app, &owner, unnamed).await.unwrap();
    let rows = app.source_rows(flow.id).await;
    let names: Vec<&str> = rows.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["Default", "Web form", "Source 3"]);
    assert_eq!(rows[1].mapping.0, [renaming("Alter", "age")]);
    assert_eq!(
        rows[1].acceptance_rule.as_ref().unwrap()["condition"]["value"],
        json!(["TX"])
    );

    let change = UpdateSource {
        enabled: Some(false),
        acceptance_rule: Null,
        mapping: Given(Vec::new()),
        ..UpdateSource::default()
    };
    sources::update(&app, &owner, rows[1].id, change).await.unwrap();
    for row in &rows {
        sources::remove(&app, &owner, row.id).await.unwrap();
    }
    assert!(app.source_rows(flow.id).await.is_empty(), "a flow may have none");
    let history = app.history(&owner, flow.id).await;
    let told: Vec<&str> = history.iter().map(|revision| revision.summary.as_str()).collect();
    let expected = [
        "Created Solar",
        "Added source Web form",
        "Added source Source 3",
        "Changed whether it may submit, the acceptance rule and the renamings of source Web form",
        "Removed source Default",
        "Removed source Web form",
        "Removed source Source 3",
    ];
    assert_eq!(told, expected);
    let result = sources::remove(&app, &owner, rows[0].id).await;
    assert_eq!(refused(result), one(UserErrorCode::NotFound, "id"));
});

both!(renamings_lead_to_fields_of_the_flow_one_each, open, |app: TestApp| {
    use UserErrorCode::{Invalid, Required, UnknownField};
    let owner = app.owner_of(Plan::Paid).await;
    let flow = app.create(&owner, solar()).await;
    let input = AddSource {
        mapping: Some(vec![
            renaming("a", "age"),
            renaming("a", "state"),
            renaming("b", "age"),
            renaming(" ", "email"),
            renaming("c", "nope"),
        ]),
        ..source_in(flow.id)
    };
    let expected = [
        (Invalid, "input.mapping.1.from"),
        (Invalid, "input.mapping.2.to"),
        (Required, "input.mapping.3.from"),
        (UnknownField, "input.mapping.4.to"),
    ];
    let expected = expected.map(|(code, path)| (code, path.to_owned()));
    assert_eq!(refused(sources::add(&app, &owner, input).await), expected);
    let many = AddSource {
        mapping: Some(vec![renaming("a", "age"); 201]),
        ..source_in(flow.id)
    };
    assert_eq!(
        refused(sources::add(&app, &owner, many).await),
        one(UserErrorCode::LimitReached, "input.mapping")
    );
});

both!(
    a_required_field_without_a_name_left_is_warned_about,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        let mut input = solar();
        input.fields[0].required = Some(true);
        let flow = app.create(&owner, input).await;
        let input = AddSource {
            mapping: Some(vec![renaming("email", "state")]),
            ..source_in(flow.id)
        };
        let changed = sources::add(&app, &owner, input).await.unwrap();
        assert!(
            changed.warnings[0].contains("cannot fill the required field \"email\""),
            "{:?}",
            changed.warnings
        );
    }
);

both!(
    a_free_account_has_no_rules_and_caps_on_its_sources,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Free).await;
        let flow = app.create(&owner, solar()).await;
        let input = AddSource {
            acceptance_rule: Some(condition("age", "GREATER_THAN", &json!(17))),
            ..source_in(flow.id)
        };
        assert_eq!(
            refused(sources::add(&app, &owner, input).await),
            one(UserErrorCode::PlanRequired, "input.acceptanceRule")
        );
        sources::add(&app, &owner, source_in(flow.id)).await.unwrap();
    }
);

both!(
    accounts_that_are_not_connected_cannot_be_sources,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        let flow = app.create(&owner, solar()).await;
        let connected = Partner {
            connection: Some(app.clock.id()),
            invitation: None,
        };
        assert_eq!(
            refused(account_sources::add(&app, &owner, source_in(flow.id), connected).await),
            one(UserErrorCode::NotConnected, "input.connectionId")
        );
    }
);

both!(
    foreign_and_unknown_ids_answer_alike_at_their_place,
    open,
    |app: TestApp| {
        let owner = app.owner_of(Plan::Paid).await;
        let stranger = app.owner_of(Plan::Paid).await;
        let flow = app.create(&owner, solar()).await;
        let source = app.source_rows(flow.id).await.remove(0);
        let unknown: SourceId = app.clock.id();
        let not_found = UserErrorCode::NotFound;
        for id in [source.id, unknown] {
            let result = sources::update(&app, &stranger, id, UpdateSource::default()).await;
            assert_eq!(refused(result), one(not_found, "input.id"));
        }
        let result = sources::add(&app, &stranger, source_in(flow.id)).await;
        assert_eq!(refused(result), one(not_found, "input.flowId"));
    }
);

both!(a_flow_has_at_most_a_hundred_sources, open, |app: TestApp| {
    let owner = app.owner_of(Plan::Paid).await;
    let flow = app.create(&owner, solar()).await;
    let first = app.source_rows(flow.id).await.remove(0);
    let more = (1..MAX_SOURCES).map(|_| {
        let copy = source::Model {
            id: app.clock.id(),
            ..first.clone()
        };
        copy.into_active_model()
    });
    source::Entity::insert_many(more)
        .exec_without_returning(app.db.write())
        .await
        .unwrap();
    assert_eq!(
        refused(sources::add(&app, &owner, source_in(flow.id)).await),
        one(UserErrorCode::LimitReached, "input.flowId")
    );
});
