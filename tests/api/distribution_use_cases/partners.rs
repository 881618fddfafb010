//! Making, changing and finding partners.

use async_graphql::MaybeUndefined;
use entity::account::Plan;
use entity::cap_usage::CapPeriod;
use entity::delivery_config::{Channel, FieldSelection};
use entity::delivery_settings;
use entity::user::Role;
use leadmesh_core::error::{Error, UserErrorCode};
use leadmesh_distribution::partners::{self, Filter, NewPartner, PartnerChanges};
use leadmesh_flows::caps::CapInput;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};
use serde_json::json;

use super::{Case, Company, free, new_partner, paid, refused};
use crate::support::app::both;

fn unchanged(id: entity::ids::PartnerId) -> PartnerChanges {
    PartnerChanges {
        id,
        name: None,
        email: None,
        phone: MaybeUndefined::Undefined,
        notes: MaybeUndefined::Undefined,
        tags: MaybeUndefined::Undefined,
        timezone: None,
        caps: MaybeUndefined::Undefined,
    }
}

fn cap(period: CapPeriod, limit: i32) -> CapInput {
    CapInput {
        period,
        limit,
        timezone: None,
    }
}

both!(
    a_new_partner_is_active_and_gets_all_fields_in_the_portal,
    paid,
    |company: Company| {
        let input = NewPartner {
            tags: Some(vec![" solar ".into(), "vip".into(), "solar".into()]),
            notes: Some("  ".into()),
            caps: Some(vec![cap(CapPeriod::Day, 5)]),
            ..new_partner(" P ")
        };
        let made = partners::create(&company.app, &company.caller, input).await.unwrap();
        assert_eq!(made.signing_secret, None);
        let partner = company.stored(made.partner.id).await;
        assert_eq!(partner, made.partner);
        assert_eq!(
            (partner.name.as_str(), partner.email.as_str()),
            ("P", "buyer@example.com")
        );
        assert_eq!((partner.active, partner.notes.clone()), (true, None));
        assert_eq!(partner.tags.0, ["solar", "vip"]);
        assert_eq!(
            (partner.timezone.as_str(), partner.caps.0[0].timezone.as_str()),
            ("Europe/Berlin", "Europe/Berlin")
        );
        let settings = delivery_settings::Entity::in_account(company.account);
        let settings = settings.one(company.app.db.read()).await.unwrap().unwrap();
        assert_eq!(
            (settings.id, settings.partner_id),
            (partner.settings_id, Some(partner.id))
        );
        assert_eq!(settings.config.channel(), Channel::Portal);
        assert_eq!(settings.config.fields(), &FieldSelection::default());
        assert_eq!(company.config_version(company.account).await, 2);
        assert_eq!(company.audit_log(company.account).await, ["partner.created"]);
    }
);

both!(
    what_a_partner_may_not_have_is_refused_and_nothing_is_stored,
    paid,
    |company: Company| {
        let cases: Vec<Case<NewPartner>> = vec![
            (|input| input.name = " ".into(), UserErrorCode::Required, "input.name"),
            (
                |input| input.name = "x".repeat(121),
                UserErrorCode::TooLong,
                "input.name",
            ),
            (|input| input.name = "a\0b".into(), UserErrorCode::Invalid, "input.name"),
            (
                |input| input.email = "nobody".into(),
                UserErrorCode::Invalid,
                "input.email",
            ),
            (
                |input| input.notes = Some("x".repeat(10_001)),
                UserErrorCode::TooLong,
                "input.notes",
            ),
            (
                |input| input.tags = Some(vec!["a".into(), "x".repeat(41)]),
                UserErrorCode::TooLong,
                "input.tags.1",
            ),
            (
                |input| input.tags = Some((0..51).map(|n| n.to_string()).collect()),
                UserErrorCode::LimitReached,
                "input.tags",
            ),
            (
                |input| input.timezone = Some("Berlin".into()),
                UserErrorCode::Invalid,
                "input.timezone",
            ),
            (
                |input| input.caps = Some(vec![cap(CapPeriod::Day, -1)]),
                UserErrorCode::Invalid,
                "input.caps.0.limit",
            ),
        ];
        for (change, code, path) in cases {
            let mut input = new_partner("P");
            change(&mut input);
            refused(partners::create(&company.app, &company.caller, input).await, code, path);
        }
        assert_eq!(company.config_version(company.account).await, 1);
        assert!(company.audit_log(company.account).await.is_empty());
    }
);

both!(
    an_update_changes_what_is_given_and_clears_what_is_null,
    paid,
    |company: Company| {
        let input = NewPartner {
            phone: Some("1234".into()),
            notes: Some("n".into()),
            caps: Some(vec![cap(CapPeriod::Day, 5), cap(CapPeriod::Month, 50)]),
            ..new_partner("P")
        };
        let before = partners::create(&company.app, &company.caller, input)
            .await
            .unwrap()
            .partner;
        let changes = PartnerChanges {
            name: Some("Q".into()),
            phone: MaybeUndefined::Null,
            caps: MaybeUndefined::Value(vec![cap(CapPeriod::Day, 6)]),
            ..unchanged(before.id)
        };
        let after = partners::update(&company.app, &company.caller, changes).await.unwrap();
        assert_eq!(after, company.stored(before.id).await);
        assert_eq!((after.name.as_str(), after.phone.clone()), ("Q", None));
        assert_eq!(
            (after.notes.clone(), after.email.clone()),
            (before.notes.clone(), before.email.clone())
        );
        assert_eq!(
            (after.caps.0.len(), after.caps.0[0].id, after.caps.0[0].limit),
            (1, before.caps.0[0].id, 6)
        );
        let told = company.audit_entries(company.account).await.pop().unwrap();
        assert_eq!(
            (told.action.as_str(), told.subject_id),
            ("partner.updated", before.id.to_string())
        );
        let changes = told.changes.unwrap();
        assert_eq!(changes["name"], json!({"from": "P", "to": "Q"}));
        assert_eq!(changes["email"], json!(null));
        let changes = PartnerChanges {
            caps: MaybeUndefined::Null,
            ..unchanged(before.id)
        };
        let bare = partners::update(&company.app, &company.caller, changes).await.unwrap();
        assert!(bare.caps.0.is_empty());
    }
);

both!(foreign_and_unknown_partners_answer_alike, paid, |company: Company| {
    let (app, stranger) = (&company.app, company.owner_of(Plan::Paid).await);
    let partner = company.partner("P").await;
    for id in [partner.id, app.clock.id()] {
        refused(
            partners::update(app, &stranger, unchanged(id)).await,
            UserErrorCode::NotFound,
            "input.id",
        );
        refused(
            partners::set_active(app, &stranger, id, false).await,
            UserErrorCode::NotFound,
            "id",
        );
        assert_eq!(partners::find(app, &stranger, id).await.unwrap(), None);
    }
    assert_eq!(company.stored(partner.id).await, partner);
});

both!(a_viewer_reads_and_changes_nothing, paid, |company: Company| {
    let viewer = company.person(company.account, Role::Viewer);
    let partner = company.partner("P").await;
    let refused = partners::create(&company.app, &viewer, new_partner("Q")).await;
    assert!(matches!(refused, Err(Error::Forbidden(_))));
    let refused = partners::set_active(&company.app, &viewer, partner.id, false).await;
    assert!(matches!(refused, Err(Error::Forbidden(_))));
    assert!(
        partners::find(&company.app, &viewer, partner.id)
            .await
            .unwrap()
            .is_some()
    );
});

both!(
    a_partner_is_switched_off_and_on_and_only_changes_are_told,
    paid,
    |company: Company| {
        let partner = company.partner("P").await;
        for active in [false, false, true] {
            let after = partners::set_active(&company.app, &company.caller, partner.id, active)
                .await
                .unwrap();
            assert_eq!(
                (after.active, company.stored(partner.id).await.active),
                (active, active)
            );
        }
        assert_eq!(
            company.audit_log(company.account).await,
            ["partner.created", "partner.deactivated", "partner.activated"]
        );
    }
);

both!(the_free_plan_has_no_caps, free, |company: Company| {
    let input = NewPartner {
        caps: Some(vec![cap(CapPeriod::Day, 5)]),
        ..new_partner("P")
    };
    refused(
        partners::create(&company.app, &company.caller, input).await,
        UserErrorCode::PlanRequired,
        "input.caps",
    );
    let partner = company.partner("P").await;
    let changes = PartnerChanges {
        caps: MaybeUndefined::Value(vec![]),
        ..unchanged(partner.id)
    };
    assert!(partners::update(&company.app, &company.caller, changes).await.is_ok());
});

both!(
    partners_are_found_by_name_address_tag_and_state,
    paid,
    |company: Company| {
        for (name, tags) in [
            ("Sun 100%", vec!["a\"b", "vip"]),
            ("Moon_1", vec!["vi"]),
            ("Moonx1", vec![]),
        ] {
            let input = NewPartner {
                tags: Some(tags.into_iter().map(str::to_owned).collect()),
                ..new_partner(name)
            };
            partners::create(&company.app, &company.caller, input).await.unwrap();
        }
        let sun = partners::list(&company.app, &company.caller, &Filter::default()).unwrap();
        let sun = sun.filter(entity::partner::Column::Name.eq("Sun 100%"));
        let sun = sun.one(company.app.db.read()).await.unwrap().unwrap();
        partners::set_active(&company.app, &company.caller, sun.id, false)
            .await
            .unwrap();
        let by = |active, tag: Option<&str>, search: Option<&str>| Filter {
            active,
            tag: tag.map(str::to_owned),
            search: search.map(str::to_owned),
        };
        let cases = [
            (by(None, None, None), vec!["Sun 100%", "Moon_1", "Moonx1"]),
            (by(Some(false), None, None), vec!["Sun 100%"]),
            (by(None, Some("vi"), None), vec!["Moon_1"]),
            (by(None, Some("a\"b"), None), vec!["Sun 100%"]),
            (by(None, Some("VIP"), None), vec![]),
            (by(None, None, Some(" MOON_")), vec!["Moon_1"]),
            (by(None, None, Some("0%")), vec!["Sun 100%"]),
            (by(None, None, Some("buyer@")), vec!["Sun 100%", "Moon_1", "Moonx1"]),
            (by(Some(true), Some("vip"), None), vec![]),
        ];
        for (filter, expected) in cases {
            let found = partners::list(&company.app, &company.caller, &filter).unwrap();
            let found = found
                .order_by_asc(entity::partner::Column::Id)
                .all(company.app.db.read())
                .await
                .unwrap();
            let names: Vec<&str> = found.iter().map(|partner| partner.name.as_str()).collect();
            assert_eq!(names, expected, "{filter:?}");
        }
        let stranger = company.owner_of(Plan::Paid).await;
        let none = partners::list(&company.app, &stranger, &Filter::default()).unwrap();
        assert!(none.all(company.app.db.read()).await.unwrap().is_empty());
    }
);
