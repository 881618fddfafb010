use entity::api_key::ApiKeyScope;
use entity::smtp_settings::{SmtpAuth, SmtpSecurity};
use entity::user::Role;
use leadmesh_core::error::UserErrorCode;
use leadmesh_core::identity::api_keys::{self, CreateApiKey};
use leadmesh_core::identity::authenticate;
use leadmesh_core::identity::mail_server::{self, SmtpSettings};

use super::support::*;
use crate::support::app::{TestApp, both};

fn key(scopes: &[ApiKeyScope]) -> CreateApiKey {
    CreateApiKey {
        name: "Form".into(),
        scopes: scopes.to_vec(),
        expires_at: None,
    }
}

both!(
    a_key_needs_a_name_a_scope_and_a_time_to_come,
    with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let create = |input| api_keys::create(&app, &owner.caller, input);
        let nameless = CreateApiKey {
            name: " ".into(),
            ..key(&[ApiKeyScope::Manage])
        };
        assert_eq!(
            broken(create(nameless).await),
            (UserErrorCode::Required, "input.name".into())
        );
        assert_eq!(
            broken(create(key(&[])).await),
            (UserErrorCode::Required, "input.scopes".into())
        );
        let over = CreateApiKey {
            expires_at: Some(app.clock.now()),
            ..key(&[ApiKeyScope::Manage])
        };
        assert_eq!(
            broken(create(over).await),
            (UserErrorCode::Invalid, "input.expiresAt".into())
        );
        let (_, secret) = create(key(&[ApiKeyScope::Manage])).await.unwrap();
        let manager = authenticate::bearer(&app, &secret, None).await.unwrap();
        assert_eq!(
            code(api_keys::create(&app, &manager, key(&[ApiKeyScope::Manage])).await),
            "FORBIDDEN"
        );
    }
);

both!(
    an_account_has_at_most_fifty_keys_at_once_also_when_asked_eight_at_a_time,
    with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let mut last = None;
        for _ in 0..46 {
            last = Some(
                api_keys::create(&app, &owner.caller, key(&[ApiKeyScope::Manage]))
                    .await
                    .unwrap()
                    .0
                    .id,
            );
        }
        let calls = (0..8).map(|_| {
            let (app, caller) = (app.app.clone(), owner.caller.clone());
            async move { api_keys::create(&app, &caller, key(&[ApiKeyScope::Manage])).await }
        });
        let answers = at_once(calls).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 4);
        let refused = answers.into_iter().find(Result::is_err).unwrap();
        assert_eq!(broken(refused).0, UserErrorCode::LimitReached);
        api_keys::revoke(&app, &owner.caller, last.unwrap()).await.unwrap();
        assert!(
            api_keys::create(&app, &owner.caller, key(&[ApiKeyScope::Manage]))
                .await
                .is_ok()
        );
    }
);

both!(somebody_elses_key_does_not_exist, with_mail, |app: TestApp| {
    let ann = signed_up(&app, "ann@example.com").await;
    let bob = signed_up(&app, "bob@example.com").await;
    let (foreign, secret) = api_keys::create(&app, &bob.caller, key(&[ApiKeyScope::Manage]))
        .await
        .unwrap();
    let revoked = api_keys::revoke(&app, &ann.caller, foreign.id).await;
    assert_eq!(broken(revoked), (UserErrorCode::NotFound, "id".into()));
    assert!(authenticate::bearer(&app, &secret, None).await.is_ok());
    assert!(api_keys::list(&app, &ann.caller).await.unwrap().is_empty());
    let first = api_keys::revoke(&app, &bob.caller, foreign.id).await.unwrap();
    app.clock.advance(chrono::TimeDelta::days(1));
    let again = api_keys::revoke(&app, &bob.caller, foreign.id).await.unwrap();
    assert_eq!((again.id, again.revoked_at), (first.id, first.revoked_at));
});

fn smtp(password: Option<&str>) -> SmtpSettings {
    SmtpSettings {
        host: "smtp.example.com".into(),
        port: 587,
        security: SmtpSecurity::Starttls,
        auth: SmtpAuth::Password,
        mails_per_minute: None,
        username: Some("ann".into()),
        password: password.map(str::to_owned),
        from_name: Some("Acme".into()),
        from_address: "leads@example.com".into(),
        reply_to: None,
    }
}

both!(
    a_mail_server_keeps_its_password_sealed_and_to_itself,
    with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        assert_eq!(mail_server::get(&app, &owner.caller).await.unwrap(), None);
        let set = |input| mail_server::set(&app, &owner.caller, input);
        let settings = set(smtp(Some("hunter2hunter2"))).await.unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
        let renamed = set(SmtpSettings {
            from_name: None,
            ..smtp(None)
        })
        .await
        .unwrap();
        assert_eq!(
            mail_server::password(&app, &renamed).await.unwrap().as_deref(),
            Some("hunter2hunter2")
        );
        let moved = set(SmtpSettings {
            host: "smtp.evil.example".into(),
            ..smtp(None)
        })
        .await;
        assert_eq!(broken(moved), (UserErrorCode::Required, "input.password".into()));
        let member = joined(&app, &owner.caller, "mia@example.com", Role::Member).await;
        assert_eq!(
            code(mail_server::set(&app, &member.caller, smtp(None)).await),
            "FORBIDDEN"
        );
        mail_server::clear(&app, &owner.caller).await.unwrap();
        mail_server::clear(&app, &owner.caller).await.unwrap();
        assert_eq!(mail_server::get(&app, &owner.caller).await.unwrap(), None);
    }
);

both!(
    a_test_mail_says_something_of_the_settings_it_was_sent_with_only,
    with_mail,
    |app: TestApp| {
        let owner = signed_up(&app, "ann@example.com").await;
        let first = mail_server::set(&app, &owner.caller, smtp(Some("hunter2hunter2")))
            .await
            .unwrap();
        let failed = mail_server::verified(&app, &first, Err("535 no\r\n".into()))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (failed.verified_at, failed.last_error.as_deref()),
            (None, Some("535 no"))
        );
        let good = mail_server::verified(&app, &first, Ok(())).await.unwrap().unwrap();
        assert_eq!((good.verified_at, good.last_error), (Some(app.clock.now()), None));
        app.clock.advance(chrono::TimeDelta::seconds(1));
        let second = mail_server::set(&app, &owner.caller, smtp(None)).await.unwrap();
        assert_eq!(second.verified_at, None);
        assert_eq!(mail_server::verified(&app, &first, Ok(())).await.unwrap(), None);
        assert_eq!(mail_server::get(&app, &owner.caller).await.unwrap(), Some(second));
    }
);
