use std::net::IpAddr;

use chrono::TimeDelta;
use entity::api_key::{self, ApiKeyScope};
use entity::user::Role;
use leadmesh_core::app::App;
use leadmesh_core::identity::api_keys::{self, CreateApiKey};
use leadmesh_core::identity::caller::{Caller, Principal};
use leadmesh_core::identity::{authenticate, people, sessions};

use super::support::*;
use crate::support::app::{TestApp, both};
use crate::support::wait::eventually;

const IP: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

async fn key(app: &App, by: &Caller) -> (api_key::Model, String) {
    let input = CreateApiKey {
        name: "Form".into(),
        scopes: vec![ApiKeyScope::LeadsSubmit],
        expires_at: Some(app.clock.now() + TimeDelta::days(1)),
    };
    api_keys::create(app, by, input).await.unwrap()
}

both!(
    an_access_token_names_its_person_and_their_role_of_now,
    with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let caller = authenticate::bearer(&app, &owner.session.access_token, IP)
            .await
            .unwrap();
        assert_eq!(caller.principal, owner.caller.principal);
        assert_eq!((caller.ip, caller.expires_at), (IP, Some(owner.session.expires_at)));
        for token in [
            "",
            "Bearer",
            "lmk_",
            "lmk_unknown",
            owner.session.refresh_token.as_str(),
        ] {
            assert_eq!(
                code(authenticate::bearer(&app, token, IP).await),
                "UNAUTHENTICATED",
                "{token}"
            );
        }
    }
);

both!(
    an_api_key_works_until_it_ends_or_is_revoked,
    with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let (model, secret) = key(&app, &owner.caller).await;
        assert!(secret.ends_with(&model.hint) && secret.starts_with("lmk_"));
        let caller = authenticate::bearer(&app, &secret, IP).await.unwrap();
        assert!(matches!(&caller.principal, Principal::ApiKey { id, .. } if *id == model.id));
        assert_eq!(account(&caller), account(&owner.caller));
        let (revoked, other) = key(&app, &owner.caller).await;
        assert!(authenticate::bearer(&app, &other, IP).await.is_ok());
        api_keys::revoke(&app, &owner.caller, revoked.id).await.unwrap();
        assert_eq!(code(authenticate::bearer(&app, &other, IP).await), "UNAUTHENTICATED");
        app.clock.advance(TimeDelta::days(1));
        assert_eq!(code(authenticate::bearer(&app, &secret, IP).await), "UNAUTHENTICATED");
        assert_eq!(code(app.rights.refresh(&caller).await), "UNAUTHENTICATED");
    }
);

both!(
    a_remembered_caller_is_looked_at_again_before_anything_is_stored,
    with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let (model, secret) = key(&app, &owner.caller).await;
        assert!(authenticate::cached(&app, &secret, IP).await.is_none());
        let by_key = authenticate::bearer(&app, &secret, IP).await.unwrap();
        let by_token = authenticate::bearer(&app, &owner.session.access_token, IP)
            .await
            .unwrap();
        let bob = joined(&app, &owner.caller, "bob@example.com", Role::Member).await;
        assert_eq!(
            authenticate::cached(&app, &secret, IP).await.unwrap().principal,
            by_key.principal
        );
        assert!(
            includes(&app, &[&by_key, &by_token, &bob.caller])
                .await
                .iter()
                .all(|holds| *holds)
        );

        api_keys::revoke(&app, &owner.caller, model.id).await.unwrap();
        people::update_role(&app, &owner.caller, user(&bob.caller), Role::Viewer)
            .await
            .unwrap();
        assert!(authenticate::cached(&app, &secret, IP).await.is_some());
        assert_eq!(
            includes(&app, &[&by_key, &by_token, &bob.caller]).await,
            [false, true, false]
        );
        sessions::log_out(&app, None, &owner.session.refresh_token)
            .await
            .unwrap();
        assert_eq!(
            includes(&app, &[&by_key, &by_token, &Caller::anonymous(None)]).await,
            [false; 3]
        );
        app.clock.advance(TimeDelta::minutes(15));
        assert!(
            authenticate::cached(&app, &owner.session.access_token, IP)
                .await
                .is_none()
        );
    }
);

/// Which of them still hold, asked for all at once.
async fn includes(app: &App, callers: &[&Caller]) -> Vec<bool> {
    let tx = app.db.begin().await.unwrap();
    let principals = callers.iter().map(|caller| &caller.principal);
    let authenticate::Recheck { valid, .. } = authenticate::recheck(&tx, app.clock.now(), principals, [], None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    callers.iter().map(|caller| valid.includes(&caller.principal)).collect()
}

both!(the_use_of_a_key_is_noted, with_mail, |app: TestApp| {
    let owner = signed_up(&app, "ann@example.com").await;
    let (_, secret) = key(&app, &owner.caller).await;
    authenticate::bearer(&app, &secret, IP).await.unwrap();
    let used = async || api_keys::list(&app, &owner.caller).await.unwrap()[0].last_used_at;
    let noted = eventually(used, Option::is_some).await;
    assert_eq!(noted, Some(app.clock.now()));
});
