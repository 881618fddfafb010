//! Making, changing and deleting profiles.

use async_graphql::MaybeUndefined;
use entity::account::Plan;
use entity::field::FieldType;
use entity::ids::{FlowId, ProfileId};
use entity::profile::{OnFailure, Strategy};
use entity::step::{self, StepConfig};
use leadmesh_core::error::UserErrorCode;
use leadmesh_distribution::profiles::{self, Filter, NewProfile, ProfileChanges};
use leadmesh_flows::PriceInput;
use leadmesh_forms::fields::decimal::Decimal;
use leadmesh_forms::rules::Rule;
use sea_orm::{ActiveModelTrait, Set, Unchanged};
use serde_json::{Value, json};

use super::{Case, Company, broken, free, paid, refused};
use crate::support::app::both;

pub(super) fn new_profile(name: &str) -> NewProfile {
    NewProfile {
        name: name.into(),
        description: None,
        strategy: Strategy::FirstMatch,
        on_failure: OnFailure::Stay,
        max_recipients: None,
        rule: None,
        base_price: None,
        enabled: true,
    }
}

pub(super) fn rule(rule: Value) -> Rule {
    serde_json::from_value(rule).unwrap()
}

pub(super) fn price(amount: &str, currency: &str) -> PriceInput {
    PriceInput {
        amount: Decimal(amount.parse().unwrap()),
        currency: currency.into(),
    }
}

fn unchanged(id: ProfileId) -> ProfileChanges {
    ProfileChanges {
        id,
        name: None,
        description: MaybeUndefined::Undefined,
        strategy: None,
        on_failure: None,
        max_recipients: MaybeUndefined::Undefined,
        rule: MaybeUndefined::Undefined,
        base_price: MaybeUndefined::Undefined,
    }
}

impl Company {
    pub(super) async fn profile(&self, name: &str) -> entity::profile::Model {
        profiles::create(&self.app, &self.caller, new_profile(name))
            .await
            .unwrap()
    }

    async fn step(&self, flow: FlowId, profile: ProfileId) {
        let row = step::ActiveModel {
            id: Set(self.app.clock.id()),
            account_id: Set(self.account),
            flow_id: Set(flow),
            position: Set(0),
            name: Set("Distribute".into()),
            enabled: Set(false),
            criteria: Set(None),
            config: Set(StepConfig::Distribute { profile_id: profile }),
            profile_id: Set(Some(profile)),
            connection_id: Set(None),
            invitation_id: Set(None),
            deleted_at: Set(None),
        };
        row.insert(self.app.db.write()).await.unwrap();
    }
}

both!(
    a_profile_keeps_its_rule_in_canonical_form_and_its_price_exactly,
    paid,
    |company: Company| {
        company.flow(&[("age", FieldType::Integer)]).await;
        let input = NewProfile {
            rule: Some(rule(
                json!({"condition": {"field": "age", "operator": "GREATER_THAN", "value": "18"}}),
            )),
            base_price: Some(price("12.5", "usd")),
            max_recipients: Some(100),
            ..new_profile("Main")
        };
        let made = profiles::create(&company.app, &company.caller, input).await.unwrap();
        let stored = profiles::find(&company.app, &company.caller, made.id).await.unwrap();
        assert_eq!(stored.as_ref(), Some(&made));
        assert_eq!(made.rule.unwrap()["condition"]["value"], json!(18));
        assert_eq!(
            (made.base_price_e4, made.base_price_currency.as_deref()),
            (Some(125_000), Some("USD"))
        );
        assert_eq!(company.config_version(company.account).await, 2);
        assert_eq!(company.audit_log(company.account).await, ["profile.created"]);
    }
);

both!(what_a_profile_may_not_have_is_refused, paid, |company: Company| {
    company.flow(&[("age", FieldType::Integer)]).await;
    let cases: Vec<Case<NewProfile>> = vec![
        (
            |input| input.name = String::new(),
            UserErrorCode::Required,
            "input.name",
        ),
        (
            |input| input.max_recipients = Some(0),
            UserErrorCode::Invalid,
            "input.maxRecipients",
        ),
        (
            |input| input.max_recipients = Some(101),
            UserErrorCode::Invalid,
            "input.maxRecipients",
        ),
        (
            |input| input.base_price = Some(price("-1", "USD")),
            UserErrorCode::Invalid,
            "input.basePrice.amount",
        ),
        (
            |input| input.base_price = Some(price("1", "XXX")),
            UserErrorCode::Invalid,
            "input.basePrice.currency",
        ),
    ];
    for (change, code, path) in cases {
        let mut input = new_profile("Main");
        change(&mut input);
        refused(profiles::create(&company.app, &company.caller, input).await, code, path);
    }
    let input = NewProfile {
        rule: Some(rule(json!({"any": [
            {"condition": {"field": "nope", "operator": "IS_EMPTY"}},
            {"not": {"condition": {"field": "age", "operator": "STARTS_WITH", "value": "1"}}},
        ]}))),
        ..new_profile("Main")
    };
    let told = broken(profiles::create(&company.app, &company.caller, input).await);
    let expected = [
        (
            UserErrorCode::UnknownField,
            "input.rule.any.0.condition.field".to_owned(),
        ),
        (
            UserErrorCode::InvalidRule,
            "input.rule.any.1.not.condition.operator".to_owned(),
        ),
    ];
    assert_eq!(told, expected);
    assert!(company.audit_log(company.account).await.is_empty());
});

both!(
    an_update_changes_what_is_given_and_clears_what_is_null,
    paid,
    |company: Company| {
        company.flow(&[("age", FieldType::Integer)]).await;
        let input = NewProfile {
            description: Some("d".into()),
            rule: Some(rule(json!({"condition": {"field": "age", "operator": "IS_VALID"}}))),
            base_price: Some(price("1", "USD")),
            max_recipients: Some(3),
            ..new_profile("Main")
        };
        let before = profiles::create(&company.app, &company.caller, input).await.unwrap();
        let changes = ProfileChanges {
            strategy: Some(Strategy::SendToAll),
            rule: MaybeUndefined::Null,
            base_price: MaybeUndefined::Null,
            max_recipients: MaybeUndefined::Value(4),
            ..unchanged(before.id)
        };
        let after = profiles::update(&company.app, &company.caller, changes).await.unwrap();
        assert_eq!(
            (
                after.rule.as_ref(),
                after.base_price_e4,
                after.base_price_currency.as_ref()
            ),
            (None, None, None)
        );
        assert_eq!((after.strategy, after.max_recipients), (Strategy::SendToAll, Some(4)));
        assert_eq!((&after.name, &after.description), (&before.name, &before.description));
        let told = company
            .audit_entries(company.account)
            .await
            .pop()
            .unwrap()
            .changes
            .unwrap();
        assert_eq!(told["basePrice"], json!({"from": "1 USD", "to": null}));
        let off = profiles::set_enabled(&company.app, &company.caller, before.id, false)
            .await
            .unwrap();
        assert!(!off.enabled);
    }
);

both!(the_free_plan_has_no_rules, free, |company: Company| {
    let input = NewProfile {
        rule: Some(rule(json!({"all": []}))),
        ..new_profile("Main")
    };
    refused(
        profiles::create(&company.app, &company.caller, input).await,
        UserErrorCode::PlanRequired,
        "input.rule",
    );
    assert!(
        profiles::create(&company.app, &company.caller, new_profile("Main"))
            .await
            .is_ok()
    );
});

both!(a_profile_that_a_flow_uses_stays, paid, |company: Company| {
    let flow = company.flow(&[]).await;
    let profile = company.profile("Main").await;
    company.step(flow, profile.id).await;
    refused(
        profiles::delete(&company.app, &company.caller, profile.id).await,
        UserErrorCode::InUse,
        "id",
    );
    let row = entity::flow::ActiveModel {
        id: Unchanged(flow),
        deleted_at: Set(Some(company.app.clock.now())),
        ..Default::default()
    };
    row.update(company.app.db.write()).await.unwrap();
    assert_eq!(
        profiles::delete(&company.app, &company.caller, profile.id)
            .await
            .unwrap(),
        profile.id
    );
    assert_eq!(
        profiles::find(&company.app, &company.caller, profile.id).await.unwrap(),
        None
    );
    refused(
        profiles::delete(&company.app, &company.caller, profile.id).await,
        UserErrorCode::NotFound,
        "id",
    );
});

both!(foreign_profiles_are_as_unknown_ones, paid, |company: Company| {
    let (app, stranger) = (&company.app, company.owner_of(Plan::Paid).await);
    for id in [company.profile("Main").await.id, app.clock.id()] {
        refused(
            profiles::update(app, &stranger, unchanged(id)).await,
            UserErrorCode::NotFound,
            "input.id",
        );
        refused(
            profiles::set_enabled(app, &stranger, id, false).await,
            UserErrorCode::NotFound,
            "id",
        );
        refused(
            profiles::delete(app, &stranger, id).await,
            UserErrorCode::NotFound,
            "id",
        );
        assert_eq!(profiles::find(app, &stranger, id).await.unwrap(), None);
    }
    let found = profiles::list(&stranger, &Filter::default()).unwrap();
    assert!(found.all(app.db.read()).await.unwrap().is_empty());
    let filter = Filter {
        enabled: Some(true),
        search: Some("mai".into()),
    };
    let own = profiles::list(&company.caller, &filter).unwrap();
    assert_eq!(own.all(app.db.read()).await.unwrap().len(), 1);
});
