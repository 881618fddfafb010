use entity::cap_usage::Caps;
use entity::flow::Names;
use entity::ids::{PartnerId, SettingsId};
use entity::partner;
use entity::portal_user::{Permissions, PortalPermission};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, UserErrorCode};
use leadmesh_core::identity::caller::{Caller, Principal};
use leadmesh_core::identity::policy::Action;
use leadmesh_core::identity::portal_users::{self, InvitePortalUser, PortalAccess, UpdateContact};
use leadmesh_core::identity::sessions::{self, LogIn, SignedIn};
use leadmesh_core::identity::tokens::Scope;
use leadmesh_core::identity::{authenticate, password_reset};
use sea_orm::{ActiveModelTrait, Set};

use super::support::*;
use crate::support::app::{TestApp, both};

async fn partner(app: &App, caller: &Caller) -> PartnerId {
    let now = app.clock.now();
    let row = partner::ActiveModel {
        id: Set(app.clock.id()),
        account_id: Set(account(caller)),
        name: Set("Best Roofs".into()),
        email: Set("roofs@example.com".into()),
        phone: Set(None),
        notes: Set(None),
        tags: Set(Names::default()),
        active: Set(true),
        timezone: Set("UTC".into()),
        caps: Set(Caps::default()),
        settings_id: Set(app.clock.id::<SettingsId>()),
        portal_enabled: Set(false),
        portal_permissions: Set(Permissions(Vec::new())),
        sealed_secret: Set(None),
        secret_hint: Set(None),
        secret_rotated_at: Set(None),
        sealed_previous_secret: Set(None),
        previous_secret_until: Set(None),
        created_at: Set(now),
        updated_at: Set(now),
    };
    row.insert(app.db.write()).await.unwrap().id
}

fn access(partner: PartnerId, enabled: bool) -> PortalAccess {
    PortalAccess {
        partner,
        enabled,
        permissions: None,
    }
}

fn pat(partner: PartnerId) -> InvitePortalUser {
    InvitePortalUser {
        partner,
        email: "Pat@Roofs.example".into(),
        name: None,
        permissions: Some(vec![PortalPermission::ViewLeads, PortalPermission::EditContact]),
    }
}

/// Somebody in the portal of a partner of the caller's account.
async fn let_in(app: &App, caller: &Caller) -> (PartnerId, SignedIn) {
    let partner = partner(app, caller).await;
    portal_users::set_access(app, caller, access(partner, true))
        .await
        .unwrap();
    portal_users::invite(app, caller, pat(partner)).await.unwrap();
    let token = mailed_token(app, "pat@roofs.example").await;
    (
        partner,
        set_password(app, Scope::Portal, &token, PASSWORD).await.unwrap(),
    )
}

async fn log_in(app: &App, scope: Scope) -> Result<SignedIn, Error> {
    let input = LogIn {
        email: "pat@roofs.example".into(),
        password: PASSWORD.into(),
    };
    sessions::log_in(app, scope, None, input).await
}

both!(
    an_invited_portal_user_activates_signs_in_and_refreshes,
    with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let partner = partner(&app, &owner.caller).await;
        let early = portal_users::invite(&app, &owner.caller, pat(partner)).await;
        assert_eq!(broken(early), (UserErrorCode::NotConfigured, "input.partnerId".into()));
        let changed = portal_users::set_access(&app, &owner.caller, access(partner, true))
            .await
            .unwrap();
        assert_eq!(changed.portal_permissions.0.len(), 4);
        let invited = portal_users::invite(&app, &owner.caller, pat(partner))
            .await
            .unwrap()
            .person;
        assert_eq!(
            (invited.activated_at, invited.email.as_str()),
            (None, "pat@roofs.example")
        );
        let again = portal_users::invite(&app, &owner.caller, pat(partner)).await;
        assert_eq!(broken(again), (UserErrorCode::Taken, "input.email".into()));
        assert!(log_in(&app, Scope::Portal).await.is_err());

        let input = password_reset::NewPassword {
            token: mailed_token(&app, "pat@roofs.example").await,
            password: PASSWORD.into(),
            name: Some("Pat".into()),
        };
        password_reset::reset(&app, Scope::Portal, None, input).await.unwrap();
        let listed = portal_users::list(&app, &owner.caller, partner).await.unwrap();
        assert_eq!(
            (listed[0].name.as_deref(), listed[0].activated_at),
            (Some("Pat"), Some(app.clock.now()))
        );
        let signed_in = log_in(&app, Scope::Portal).await.unwrap();
        assert!(log_in(&app, Scope::Account).await.is_err());
        let refreshed = sessions::refresh(&app, None, &signed_in.session.refresh_token)
            .await
            .unwrap();
        let caller = authenticate::bearer(&app, &refreshed.session.access_token, None)
            .await
            .unwrap();
        assert_eq!(caller.principal, signed_in.caller.principal);
    }
);

both!(each_scope_is_refused_in_the_other, with_mail, |app: TestApp| {
    let owner = signed_up(&app, "ann@example.com").await;
    let (partner, pat) = let_in(&app, &owner.caller).await;
    let pat = authenticate::bearer(&app, &pat.session.access_token, None)
        .await
        .unwrap();
    for action in Action::ALL {
        assert_eq!(code(pat.require(action)), "FORBIDDEN");
    }
    assert_eq!(
        pat.require_portal(PortalPermission::ViewLeads).unwrap(),
        (account(&owner.caller), partner)
    );
    assert_eq!(code(pat.require_portal(PortalPermission::Export)), "FORBIDDEN");
    assert_eq!(
        code(owner.caller.require_portal(PortalPermission::ViewLeads)),
        "FORBIDDEN"
    );
});

both!(
    switching_the_portal_off_or_removing_somebody_ends_their_sessions,
    with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let (partner, pat) = let_in(&app, &owner.caller).await;
        portal_users::set_access(&app, &owner.caller, access(partner, false))
            .await
            .unwrap();
        assert_eq!(
            code(authenticate::bearer(&app, &pat.session.access_token, None).await),
            "UNAUTHENTICATED"
        );
        assert_eq!(code(log_in(&app, Scope::Portal).await), "FORBIDDEN");
        portal_users::set_access(&app, &owner.caller, access(partner, true))
            .await
            .unwrap();
        assert_eq!(
            code(sessions::refresh(&app, None, &pat.session.refresh_token).await),
            "UNAUTHENTICATED"
        );
        let pat = log_in(&app, Scope::Portal).await.unwrap();
        let Principal::PortalUser { id, .. } = pat.caller.principal else {
            panic!()
        };
        portal_users::remove(&app, &owner.caller, id).await.unwrap();
        assert_eq!(
            code(authenticate::bearer(&app, &pat.session.access_token, None).await),
            "UNAUTHENTICATED"
        );
        assert!(
            portal_users::list(&app, &owner.caller, partner)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            broken(portal_users::remove(&app, &owner.caller, id).await).0,
            UserErrorCode::NotFound
        );
    }
);

both!(
    somebody_elses_partner_and_its_people_do_not_exist,
    with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let stranger = signed_up(&app, "bob@example.com").await;
        let (partner, pat_in) = let_in(&app, &owner.caller).await;
        let Principal::PortalUser { id, .. } = pat_in.caller.principal else {
            panic!()
        };
        let denied = (UserErrorCode::NotFound, "input.partnerId".to_owned());
        assert_eq!(
            broken(portal_users::set_access(&app, &stranger.caller, access(partner, false)).await),
            denied
        );
        assert_eq!(
            broken(portal_users::invite(&app, &stranger.caller, pat(partner)).await),
            denied
        );
        let removed = portal_users::remove(&app, &stranger.caller, id).await;
        assert_eq!(broken(removed), (UserErrorCode::NotFound, "id".into()));
        assert!(
            portal_users::list(&app, &stranger.caller, partner)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            authenticate::bearer(&app, &pat_in.session.access_token, None)
                .await
                .is_ok()
        );
    }
);

both!(
    a_portal_user_keeps_their_own_contact_data_and_can_set_a_new_password,
    with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let (_, pat) = let_in(&app, &owner.caller).await;
        let phone = UpdateContact {
            phone: Some(" +49 30 1234 ".into()),
            ..UpdateContact::default()
        };
        let changed = portal_users::update_contact(&app, &pat.caller, phone).await.unwrap();
        assert_eq!((changed.phone.as_deref(), changed.name), (Some("+49 30 1234"), None));
        assert_eq!(
            code(portal_users::update_contact(&app, &owner.caller, UpdateContact::default()).await),
            "FORBIDDEN"
        );
        password_reset::request(&app, Scope::Portal, None, "pat@roofs.example")
            .await
            .unwrap();
        app.writes.finish().await;
        let token = mailed_token(&app, "pat@roofs.example").await;
        set_password(&app, Scope::Portal, &token, "horse battery staple")
            .await
            .unwrap();
        assert_eq!(
            code(sessions::refresh(&app, None, &pat.session.refresh_token).await),
            "UNAUTHENTICATED"
        );
    }
);
