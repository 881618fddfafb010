use chrono::TimeDelta;
use entity::account::Plan;
use entity::flow;
use entity::source::{self, SourceKind};
use entity::user::Role;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, UserErrorCode};
use leadmesh_core::identity::caller::Principal;
use leadmesh_core::identity::sessions::{self, GRACE, LIFETIME, LogIn, SignedIn};
use leadmesh_core::identity::sign_up::{SignUp, SignUpOrigin, sign_up};
use leadmesh_core::identity::tokens::Scope;
use leadmesh_core::identity::{accounts, authenticate};

use super::support::*;
use crate::support::app::{Mode, TestApp, both};

async fn log_in(app: &App, email: &str, password: &str) -> Result<SignedIn, Error> {
    let input = LogIn {
        email: email.into(),
        password: password.into(),
    };
    sessions::log_in(app, Scope::Account, None, input).await
}

both!(
    signing_up_makes_an_account_with_an_owner_and_an_inbox,
    with_mail,
    |app: TestApp| {
        let signed_in = signed_up(&app, " Ann@Example.com ").await;
        let caller = signed_in.caller;
        assert!(matches!(&caller.principal, Principal::User { role: Role::Owner, name, .. } if name == "Ann Long"));
        let account = accounts::get(&app, &caller).await.unwrap();
        assert_eq!(
            (account.name.as_str(), account.plan, account.timezone.as_str()),
            ("Acme Solar", Plan::Paid, "UTC")
        );
        assert_eq!(account.contact_email.as_deref(), Some("ann@example.com"));

        let flow = flow::Entity::in_account(account.id)
            .one(app.db.read())
            .await
            .unwrap()
            .unwrap();
        assert!(flow.is_inbox && flow.enabled && flow.version == 1);
        assert_eq!(flow.fields.0.len(), 10);
        let sources = source::Entity::of_flow(flow.id).all(app.db.read()).await.unwrap();
        assert!(
            matches!(&sources[..], [only] if only.kind == SourceKind::Own && only.enabled && only.name == "Default")
        );
        let keys = app
            .vault
            .keys(app.db.read(), &app.clock, Some(account.id))
            .await
            .unwrap();
        assert_eq!(
            keys.open("place", &keys.seal("place", b"plain").unwrap()).unwrap(),
            b"plain"
        );
        assert_eq!(app.audit_log(account.id).await, ["account.created"]);
    }
);

both!(
    of_eight_sign_ups_with_one_address_one_succeeds,
    with_mail,
    |app: TestApp| {
        let calls = (0..8).map(|_| {
            let app = app.app.clone();
            async move { sign_up(&app, None, SignUpOrigin::Public, company("ann@example.com")).await }
        });
        let (made, refused): (Vec<_>, Vec<_>) = at_once(calls).await.into_iter().partition(Result::is_ok);
        assert_eq!(made.len(), 1);
        for answer in refused {
            assert_eq!(broken(answer), (UserErrorCode::Taken, "input.email".into()));
        }
        assert_eq!(accounts::list(&app).await.unwrap().len(), 1);
    }
);

both!(
    a_sign_up_that_makes_no_sense_is_refused_at_the_offending_input,
    with_mail,
    |app: TestApp| {
        let good = || company("ann@example.com");
        for (path, input) in [
            (
                "input.email",
                SignUp {
                    email: "ann".into(),
                    ..good()
                },
            ),
            (
                "input.password",
                SignUp {
                    password: "short".into(),
                    ..good()
                },
            ),
            (
                "input.name",
                SignUp {
                    name: " ".into(),
                    ..good()
                },
            ),
            (
                "input.accountName",
                SignUp {
                    account_name: "x".repeat(121),
                    ..good()
                },
            ),
            (
                "input.website",
                SignUp {
                    website: Some("javascript:alert(1)".into()),
                    ..good()
                },
            ),
            (
                "input.timezone",
                SignUp {
                    timezone: Some("Mars".into()),
                    ..good()
                },
            ),
        ] {
            assert_eq!(broken(sign_up(&app, None, SignUpOrigin::Public, input).await).1, path);
        }
        assert!(accounts::list(&app).await.unwrap().is_empty());
    }
);

both!(
    the_operator_decides_who_may_sign_up_and_with_which_plan,
    async |mode| open_with(mode, &["--sign-up", "invited"]).await,
    |app: TestApp| {
        let by = |through| sign_up(&app, None, through, company("ann@example.com"));
        assert_eq!(code(by(SignUpOrigin::Public).await), "FORBIDDEN");
        let invited = by(SignUpOrigin::Invitation).await.unwrap();
        assert_eq!(accounts::get(&app, &invited.caller).await.unwrap().plan, Plan::Free);
        let id = account(&invited.caller);
        let upgraded = accounts::set_plan(&app, id, Plan::Paid).await.unwrap();
        assert_eq!(
            (upgraded.plan, app.audit_log(account(&invited.caller)).await.len()),
            (Plan::Paid, 2)
        );
        assert!(accounts::get(&app, &invited.caller).await.unwrap().config_version > 1);
    }
);

both!(
    nobody_but_the_operator_signs_up_where_that_is_closed,
    async |mode| open_with(mode, &["--sign-up", "closed"]).await,
    |app: TestApp| {
        let by = |through| sign_up(&app, None, through, company("ann@example.com"));
        assert_eq!(code(by(SignUpOrigin::Invitation).await), "FORBIDDEN");
        assert!(by(SignUpOrigin::Operator).await.is_ok());
    }
);

both!(
    a_wrong_password_and_an_unknown_address_answer_alike,
    with_mail,
    |app: TestApp| {
        signed_up(&app, "ann@example.com").await;
        assert!(log_in(&app, "Ann@Example.com", PASSWORD).await.is_ok());
        let answers = [
            log_in(&app, "ann@example.com", "correct horsf").await,
            log_in(&app, "nobody@example.com", PASSWORD).await,
            log_in(&app, "no address", PASSWORD).await,
        ];
        let texts: Vec<String> = answers
            .into_iter()
            .map(|answer| format!("{:?}", answer.unwrap_err()))
            .collect();
        assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    }
);

both!(
    guesses_are_limited_whether_or_not_the_address_exists,
    with_mail,
    |app: TestApp| {
        signed_up(&app, "ann@example.com").await;
        for email in ["ann@example.com", "nobody@example.com"] {
            for _ in 0..10 {
                assert_eq!(code(log_in(&app, email, "wrong password").await), "BAD_USER_INPUT");
            }
            assert_eq!(code(log_in(&app, email, PASSWORD).await), "RATE_LIMITED");
        }
        app.clock.advance(TimeDelta::minutes(5));
        assert!(log_in(&app, "ann@example.com", PASSWORD).await.is_ok());
    }
);

both!(a_refresh_token_is_replaced_at_each_use, with_mail, |app: TestApp| {
    let first = signed_up(&app, "ann@example.com").await;
    app.clock.advance(TimeDelta::minutes(20));
    assert_eq!(
        code(authenticate::bearer(&app, &first.session.access_token, None).await),
        "UNAUTHENTICATED"
    );
    let second = sessions::refresh(&app, None, &first.session.refresh_token)
        .await
        .unwrap();
    assert_eq!(second.session.expires_at, app.clock.now() + TimeDelta::minutes(15));
    assert!(
        authenticate::bearer(&app, &second.session.access_token, None)
            .await
            .is_ok()
    );
    app.clock.advance(LIFETIME - TimeDelta::microseconds(1));
    let third = sessions::refresh(&app, None, &second.session.refresh_token)
        .await
        .unwrap();
    app.clock.advance(LIFETIME);
    assert_eq!(
        code(sessions::refresh(&app, None, &third.session.refresh_token).await),
        "UNAUTHENTICATED"
    );
});

both!(
    a_reused_old_token_ends_the_session_however_old_it_is,
    with_mail,
    |app: TestApp| {
        for generations in [1, 3] {
            let first = signed_up(&app, &format!("ann{generations}@example.com")).await;
            let mut newest = first.clone();
            for _ in 0..generations {
                newest = sessions::refresh(&app, None, &newest.session.refresh_token)
                    .await
                    .unwrap();
            }
            app.clock.advance(GRACE);
            assert_eq!(
                code(sessions::refresh(&app, None, &first.session.refresh_token).await),
                "UNAUTHENTICATED"
            );
            assert_eq!(
                code(sessions::refresh(&app, None, &newest.session.refresh_token).await),
                "UNAUTHENTICATED"
            );
            assert_eq!(
                code(authenticate::bearer(&app, &newest.session.access_token, None).await),
                "UNAUTHENTICATED"
            );
            assert_eq!(
                app.audit_log(account(&first.caller)).await,
                ["account.created", "session.token_reused"]
            );
        }
    }
);

both!(
    logging_out_ends_the_session_at_once_and_never_complains,
    with_mail,
    |app: TestApp| {
        let SignedIn { session, .. } = signed_up(&app, "ann@example.com").await;
        let other = log_in(&app, "ann@example.com", PASSWORD).await.unwrap();
        for token in [
            session.refresh_token.as_str(),
            session.refresh_token.as_str(),
            "lmr_x",
            "",
        ] {
            sessions::log_out(&app, None, token).await.unwrap();
        }
        assert_eq!(
            code(authenticate::bearer(&app, &session.access_token, None).await),
            "UNAUTHENTICATED"
        );
        assert_eq!(
            code(sessions::refresh(&app, None, &session.refresh_token).await),
            "UNAUTHENTICATED"
        );
        assert!(
            authenticate::bearer(&app, &other.session.access_token, None)
                .await
                .is_ok()
        );
    }
);

/// With a Redis, which processes share.
async fn sharing(mode: Mode) -> TestApp {
    let url = std::env::var("LEADMESH_TEST_REDIS_URL").expect("LEADMESH_TEST_REDIS_URL is not set: run scripts/test");
    open_with(mode, &["--redis-url", &url]).await
}

both!(two_nodes_count_guesses_together, sharing, |app: TestApp| {
    let redis = redis::Client::open(url_of(&app))
        .unwrap()
        .get_connection_manager()
        .await
        .unwrap();
    let other = leadmesh_core::identity::throttle::Throttle::new(Some(redis), "leadmesh", app.clock.clone());
    let kind = leadmesh_core::identity::throttle::Kind::OwnPassword;
    let key = rand::random::<u128>().to_string();
    for throttle in [&app.throttle, &other].into_iter().cycle().take(10) {
        throttle.check(kind, &key).await.unwrap();
    }
    assert_eq!(code(other.check(kind, &key).await), "RATE_LIMITED");
    assert_eq!(code(app.throttle.check(kind, &key).await), "RATE_LIMITED");
});

fn url_of(app: &App) -> String {
    app.config.settings.redis_url.clone().unwrap()
}
