use async_graphql::MaybeUndefined;
use entity::user::Role;
use leadmesh_core::error::UserErrorCode;
use leadmesh_core::identity::account_settings::{self, UpdateAccount};
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::people::{self, InviteUser};
use leadmesh_core::identity::{accounts, authenticate, sessions};

use super::support::*;
use crate::support::app::{TestApp, both};

both!(
    an_invited_person_sets_a_password_by_the_mailed_link,
    with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let bob = joined(&app, &owner.caller, "bob@example.com", Role::Member).await;
        assert_eq!(account(&bob.caller), account(&owner.caller));
        let listed = people::list(&app, &bob.caller).await.unwrap();
        let listed: Vec<_> = listed.into_iter().map(|user| (user.email, user.role)).collect();
        assert_eq!(
            listed,
            [
                ("ann@example.com".to_owned(), Role::Owner),
                ("bob@example.com".to_owned(), Role::Member)
            ]
        );
        let taken = InviteUser {
            email: "BOB@example.com".into(),
            name: "Bob".into(),
            role: Role::Viewer,
        };
        assert_eq!(
            broken(people::invite(&app, &owner.caller, taken).await),
            (UserErrorCode::Taken, "input.email".into())
        );
        assert_eq!(
            app.audit_log(account(&owner.caller)).await,
            ["account.created", "user.invited", "password.reset"]
        );
    }
);

both!(
    only_owners_and_admins_manage_people_and_only_owners_other_owners,
    with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let admin = joined(&app, &owner.caller, "adam@example.com", Role::Admin).await;
        let member = joined(&app, &owner.caller, "mia@example.com", Role::Member).await;
        let invite = |caller, role| {
            let input = InviteUser {
                email: "new@example.com".into(),
                name: "New".into(),
                role,
            };
            people::invite(&app, caller, input)
        };
        assert_eq!(code(invite(&member.caller, Role::Viewer).await), "FORBIDDEN");
        assert_eq!(code(invite(&admin.caller, Role::Owner).await), "FORBIDDEN");
        assert_eq!(
            code(people::update_role(&app, &admin.caller, user(&member.caller), Role::Owner).await),
            "FORBIDDEN"
        );
        assert_eq!(
            code(people::update_role(&app, &admin.caller, user(&owner.caller), Role::Viewer).await),
            "FORBIDDEN"
        );
        assert_eq!(
            code(people::remove(&app, &admin.caller, user(&owner.caller)).await),
            "FORBIDDEN"
        );
        assert!(invite(&admin.caller, Role::Admin).await.is_ok());
    }
);

both!(
    a_changed_role_and_a_removal_hold_from_the_next_request,
    with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let bob = joined(&app, &owner.caller, "bob@example.com", Role::Viewer).await;
        people::update_role(&app, &owner.caller, user(&bob.caller), Role::Admin)
            .await
            .unwrap();
        let caller = authenticate::bearer(&app, &bob.session.access_token, None)
            .await
            .unwrap();
        assert!(
            people::update_role(&app, &caller, user(&bob.caller), Role::Member)
                .await
                .is_ok()
        );
        people::remove(&app, &owner.caller, user(&bob.caller)).await.unwrap();
        assert_eq!(
            code(authenticate::bearer(&app, &bob.session.access_token, None).await),
            "UNAUTHENTICATED"
        );
        assert_eq!(code(app.rights.refresh(&caller).await), "UNAUTHENTICATED");
        assert_eq!(
            code(sessions::refresh(&app, None, &bob.session.refresh_token).await),
            "UNAUTHENTICATED"
        );
        assert_eq!(people::list(&app, &owner.caller).await.unwrap().len(), 1);
        joined(&app, &owner.caller, "bob@example.com", Role::Viewer).await;
    }
);

both!(the_last_owner_who_can_sign_in_stays, with_mail, |app: TestApp| {
    let owner = signed_up(&app, "ann@example.com").await;
    let id = user(&owner.caller);
    let waiting = InviteUser {
        email: "bob@example.com".into(),
        name: "Bob".into(),
        role: Role::Owner,
    };
    people::invite(&app, &owner.caller, waiting).await.unwrap();
    assert_eq!(
        broken(people::remove(&app, &owner.caller, id).await),
        (UserErrorCode::Conflict, "id".into())
    );
    let demoted = people::update_role(&app, &owner.caller, id, Role::Admin).await;
    assert_eq!(broken(demoted), (UserErrorCode::Conflict, "input.role".into()));
    joined(&app, &owner.caller, "eve@example.com", Role::Owner).await;
    assert!(people::remove(&app, &owner.caller, id).await.is_ok());
});

/// The owners of one account.
async fn eight_owners(app: &TestApp) -> Vec<Caller> {
    let owner = signed_up(app, "ann@example.com").await.caller;
    let mut owners = vec![owner.clone()];
    for number in 1..8 {
        let email = format!("o{number}@example.com");
        owners.push(joined(app, &owner, &email, Role::Owner).await.caller);
    }
    owners
}

both!(
    of_eight_owners_who_remove_themselves_at_once_one_stays,
    with_mail,
    |app: TestApp| {
        let owners = eight_owners(&app).await;
        let calls = owners.into_iter().map(|caller| {
            let app = app.app.clone();
            async move { people::remove(&app, &caller, user(&caller)).await }
        });
        let removed = at_once(calls).await;
        assert_eq!(removed.iter().filter(|answer| answer.is_ok()).count(), 7);
        let refused = removed.into_iter().find(Result::is_err).unwrap();
        assert_eq!(broken(refused), (UserErrorCode::Conflict, "id".into()));
    }
);

both!(
    an_owner_who_was_just_removed_removes_nobody,
    with_mail,
    |app: TestApp| {
        let owners = eight_owners(&app).await;
        let victims = owners.iter().cycle().skip(1).take(8).cloned().collect::<Vec<_>>();
        let calls = owners.into_iter().zip(victims).map(|(caller, victim)| {
            let app = app.app.clone();
            async move { people::remove(&app, &caller, user(&victim)).await }
        });
        let answers = at_once(calls).await;
        let removed = answers.iter().filter(|answer| answer.is_ok()).count();
        assert!((1..8).contains(&removed), "{removed}");
        for refused in answers.into_iter().filter(Result::is_err) {
            assert_eq!(code(refused), "UNAUTHENTICATED");
        }
    }
);

both!(somebody_elses_people_do_not_exist, with_mail, |app: TestApp| {
    let ann = signed_up(&app, "ann@example.com").await;
    let bob = signed_up(&app, "bob@example.com").await;
    let stranger = user(&bob.caller);
    assert_eq!(
        broken(people::remove(&app, &ann.caller, stranger).await),
        (UserErrorCode::NotFound, "id".into())
    );
    let changed = people::update_role(&app, &ann.caller, stranger, Role::Viewer).await;
    assert_eq!(broken(changed), (UserErrorCode::NotFound, "input.id".into()));
});

both!(
    an_account_is_changed_where_something_is_given,
    with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let update = |input| account_settings::update(&app, &owner.caller, input);
        let changed = update(UpdateAccount {
            name: Some(" Acme GmbH ".into()),
            website: MaybeUndefined::Value("https://acme.example".into()),
            timezone: Some("Europe/Berlin".into()),
            listed: Some(true),
            ..UpdateAccount::default()
        });
        let changed = changed.await.unwrap();
        assert_eq!(
            (changed.name.as_str(), changed.timezone.as_str(), changed.listed),
            ("Acme GmbH", "Europe/Berlin", true)
        );
        assert_eq!(changed.contact_email.as_deref(), Some("ann@example.com"));
        let cleared = UpdateAccount {
            website: MaybeUndefined::Null,
            ..UpdateAccount::default()
        };
        let cleared = update(cleared).await.unwrap();
        assert_eq!((cleared.website, cleared.name.as_str()), (None, "Acme GmbH"));
        let wrong = UpdateAccount {
            timezone: Some("Mars".into()),
            ..UpdateAccount::default()
        };
        assert_eq!(
            broken(update(wrong).await),
            (UserErrorCode::Invalid, "input.timezone".into())
        );
        assert_eq!(accounts::get(&app, &owner.caller).await.unwrap().config_version, 3);
        let member = joined(&app, &owner.caller, "mia@example.com", Role::Member).await;
        assert_eq!(
            code(account_settings::update(&app, &member.caller, UpdateAccount::default()).await),
            "FORBIDDEN"
        );
    }
);
