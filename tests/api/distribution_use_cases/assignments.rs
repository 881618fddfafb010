//! Putting partners into profiles.

use async_graphql::MaybeUndefined;
use entity::account::Plan;
use entity::assignment::{Schedule, Weekday, Window};
use entity::cap_usage::CapPeriod;
use entity::ids::{AssignmentId, PartnerId, ProfileId};
use futures::future::join_all;
use leadmesh_core::error::UserErrorCode;
use leadmesh_distribution::assignments::{self, AssignmentChanges, NewAssignment};
use leadmesh_distribution::settings::{self, DeliveryInput, SetDelivery, WebhookInput};
use leadmesh_distribution::{partners, profiles};
use leadmesh_flows::caps::CapInput;
use sea_orm::PaginatorTrait;
use serde_json::json;

use super::profiles::{price, rule};
use super::{Case, Company, free, paid, refused};
use crate::support::app::both;

fn place(profile: ProfileId, partner: PartnerId) -> NewAssignment {
    NewAssignment {
        profile,
        partner,
        rank: None,
        weight: None,
        rule: None,
        price: None,
        caps: Vec::new(),
        schedule: None,
        delivery: None,
        enabled: true,
    }
}

fn unchanged(id: AssignmentId) -> AssignmentChanges {
    AssignmentChanges {
        id,
        rank: None,
        weight: None,
        rule: MaybeUndefined::Undefined,
        price: MaybeUndefined::Undefined,
        caps: MaybeUndefined::Undefined,
        schedule: MaybeUndefined::Undefined,
        delivery: MaybeUndefined::Undefined,
        enabled: None,
    }
}

fn webhook() -> DeliveryInput {
    DeliveryInput::Webhook(Box::new(WebhookInput::to("https://crm.example.com/leads")))
}

fn office() -> Schedule {
    Schedule {
        timezone: "UTC".into(),
        windows: vec![Window {
            days: vec![Weekday::Monday],
            from: "09:00".into(),
            to: "17:00".into(),
        }],
    }
}

both!(places_line_up_in_the_order_of_their_making, paid, |company: Company| {
    let profile = company.profile("Main").await;
    let mut ranks = Vec::new();
    for (name, rank) in [("P", None), ("Q", Some(7)), ("R", None)] {
        let partner = company.partner(name).await;
        let input = NewAssignment {
            rank,
            ..place(profile.id, partner.id)
        };
        let made = assignments::assign(&company.app, &company.caller, input).await.unwrap();
        assert_eq!((made.profile.id, made.assignment.weight), (profile.id, 1));
        ranks.push(made.assignment.rank);
    }
    assert_eq!(ranks, [1, 7, 8]);
});

both!(
    a_place_keeps_its_own_rule_price_caps_hours_and_delivery,
    paid,
    |company: Company| {
        company.flow(&[("age", entity::field::FieldType::Integer)]).await;
        let (profile, partner) = (company.profile("Main").await, company.partner("P").await);
        let input = NewAssignment {
            weight: Some(0),
            rule: Some(rule(
                json!({"condition": {"field": "age", "operator": "EQUALS", "value": 1}}),
            )),
            price: Some(price("0.25", "EUR")),
            caps: vec![CapInput {
                period: CapPeriod::Hour,
                limit: 0,
                timezone: None,
            }],
            schedule: Some(office()),
            delivery: Some(webhook()),
            ..place(profile.id, partner.id)
        };
        let made = assignments::assign(&company.app, &company.caller, input).await.unwrap();
        assert!(made.signing_secret.is_some());
        let own = made.assignment;
        assert_eq!(
            (own.price_e4, own.price_currency.as_deref()),
            (Some(2_500), Some("EUR"))
        );
        assert_eq!(
            (own.caps.0[0].timezone.as_str(), own.schedule.clone()),
            ("Europe/Berlin", Some(office()))
        );
        let stored = company.stored(partner.id).await;
        assert!(own.settings_id.is_some_and(|id| id != stored.settings_id));
        assert_eq!(stored.settings_id, partner.settings_id);
        assert!(stored.sealed_secret.is_some());

        let changes = AssignmentChanges {
            delivery: MaybeUndefined::Null,
            rule: MaybeUndefined::Null,
            schedule: MaybeUndefined::Null,
            rank: Some(5),
            enabled: Some(false),
            ..unchanged(own.id)
        };
        let after = assignments::update(&company.app, &company.caller, changes)
            .await
            .unwrap()
            .assignment;
        assert_eq!((after.settings_id, after.rule, after.schedule), (None, None, None));
        assert_eq!((after.rank, after.enabled, after.price_e4), (5, false, Some(2_500)));
        let actions = company.audit_log(company.account).await;
        assert_eq!(
            actions[2..],
            ["assignment.created", "assignment.delivery_set", "assignment.updated"]
        );
    }
);

both!(a_place_gets_settings_of_its_own_later_too, paid, |company: Company| {
    let (profile, partner) = (company.profile("Main").await, company.partner("P").await);
    let made = assignments::assign(&company.app, &company.caller, place(profile.id, partner.id))
        .await
        .unwrap();
    let set = |partner| SetDelivery {
        partner,
        assignment: Some(made.assignment.id),
        delivery: webhook(),
    };
    let changed = settings::set(&company.app, &company.caller, set(partner.id))
        .await
        .unwrap();
    assert!(changed.signing_secret.is_some());
    assert_eq!(company.stored(partner.id).await.settings_id, partner.settings_id);
    let again = assignments::update(&company.app, &company.caller, unchanged(made.assignment.id))
        .await
        .unwrap();
    assert!(again.assignment.settings_id.is_some());
    let other = company.partner("Q").await;
    let wrong = settings::set(&company.app, &company.caller, set(other.id)).await;
    refused(wrong, UserErrorCode::NotFound, "input.assignmentId");
});

both!(
    what_a_place_may_not_have_is_refused_and_nothing_is_stored,
    paid,
    |company: Company| {
        let (profile, partner) = (company.profile("Main").await, company.partner("P").await);
        let cases: Vec<Case<NewAssignment>> = vec![
            (|input| input.rank = Some(0), UserErrorCode::Invalid, "input.rank"),
            (|input| input.weight = Some(-1), UserErrorCode::Invalid, "input.weight"),
            (
                |input| input.weight = Some(1_000_001),
                UserErrorCode::Invalid,
                "input.weight",
            ),
            (
                |input| input.price = Some(price("0.00001", "EUR")),
                UserErrorCode::Invalid,
                "input.price.amount",
            ),
            (
                |input| input.schedule.insert(office()).windows[0].to = "25:00".into(),
                UserErrorCode::Invalid,
                "input.schedule.windows.0.to",
            ),
            (
                |input| {
                    let webhook = WebhookInput::to("http://crm.example.com");
                    input.delivery = Some(DeliveryInput::Webhook(Box::new(webhook)));
                },
                UserErrorCode::InsecureUrl,
                "input.delivery.webhook.url",
            ),
        ];
        for (change, code, path) in cases {
            let mut input = place(profile.id, partner.id);
            change(&mut input);
            refused(
                assignments::assign(&company.app, &company.caller, input).await,
                code,
                path,
            );
        }
        let unknown = place(company.app.clock.id(), partner.id);
        refused(
            assignments::assign(&company.app, &company.caller, unknown).await,
            UserErrorCode::NotFound,
            "input.profileId",
        );
        let unknown = place(profile.id, company.app.clock.id());
        refused(
            assignments::assign(&company.app, &company.caller, unknown).await,
            UserErrorCode::NotFound,
            "input.partnerId",
        );
        let places = entity::assignment::Entity::in_account(company.account);
        assert_eq!(places.count(company.app.db.read()).await.unwrap(), 0);
    }
);

both!(
    of_many_who_assign_the_same_partner_at_once_one_succeeds,
    paid,
    |company: Company| {
        let (profile, partner) = (company.profile("Main").await, company.partner("P").await);
        let all = (0..8).map(|_| assignments::assign(&company.app, &company.caller, place(profile.id, partner.id)));
        let (made, refusals): (Vec<_>, Vec<_>) = join_all(all).await.into_iter().partition(Result::is_ok);
        assert_eq!(made.len(), 1);
        for refusal in refusals {
            refused(refusal, UserErrorCode::Conflict, "input.partnerId");
        }
    }
);

both!(the_free_plan_has_one_destination, free, |company: Company| {
    let (one, two) = (company.profile("One").await, company.profile("Two").await);
    let (p, q) = (company.partner("P").await, company.partner("Q").await);
    let all = [
        place(one.id, p.id),
        place(one.id, q.id),
        place(two.id, p.id),
        place(two.id, q.id),
    ];
    let all = all.map(|input| assignments::assign(&company.app, &company.caller, input));
    let (mut made, refusals): (Vec<_>, Vec<_>) = join_all(all).await.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    for refusal in refusals {
        refused(refusal, UserErrorCode::PlanRequired, "input.partnerId");
    }
    let made = made.remove(0).unwrap().assignment;
    let profile = assignments::remove(&company.app, &company.caller, made.id)
        .await
        .unwrap();
    let again = place(profile.id, q.id);
    let again = assignments::assign(&company.app, &company.caller, again).await.unwrap();
    profiles::delete(&company.app, &company.caller, profile.id)
        .await
        .unwrap();
    refused(
        assignments::remove(&company.app, &company.caller, again.assignment.id).await,
        UserErrorCode::NotFound,
        "id",
    );
    let other = if profile.id == one.id { two.id } else { one.id };
    assert!(
        assignments::assign(&company.app, &company.caller, place(other, p.id))
            .await
            .is_ok()
    );
});

both!(foreign_places_are_as_unknown_ones, paid, |company: Company| {
    let (app, stranger) = (&company.app, company.owner_of(Plan::Paid).await);
    let (profile, partner) = (company.profile("Main").await, company.partner("P").await);
    let made = assignments::assign(app, &company.caller, place(profile.id, partner.id))
        .await
        .unwrap();
    for id in [made.assignment.id, app.clock.id()] {
        refused(
            assignments::update(app, &stranger, unchanged(id)).await,
            UserErrorCode::NotFound,
            "input.id",
        );
        refused(
            assignments::remove(app, &stranger, id).await,
            UserErrorCode::NotFound,
            "id",
        );
    }
    let taken = assignments::assign(app, &stranger, place(profile.id, partner.id)).await;
    refused(taken, UserErrorCode::NotFound, "input.profileId");
    assert!(
        partners::find(app, &company.caller, partner.id)
            .await
            .unwrap()
            .is_some()
    );
});
