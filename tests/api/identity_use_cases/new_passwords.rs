use chrono::TimeDelta;
use entity::mail::{self, MailStatus};
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, UserErrorCode};
use leadmesh_core::identity::password_reset::{self, ChangePassword};
use leadmesh_core::identity::sessions::{self, LogIn, SignedIn};
use leadmesh_core::identity::tokens::Scope;
use leadmesh_core::identity::{authenticate, mail_queue};

use super::support::*;
use crate::support::app::{TestApp, both};

const NEW: &str = "horse battery staple";

async fn log_in(app: &App, password: &str) -> Result<SignedIn, Error> {
    let input = LogIn {
        email: "ann@example.com".into(),
        password: password.into(),
    };
    sessions::log_in(app, Scope::Account, None, input).await
}

async fn ask(app: &App, email: &str) {
    password_reset::request(app, Scope::Account, None, email).await.unwrap();
    app.writes.finish().await;
}

both!(
    a_mailed_link_sets_a_new_password_once_and_ends_all_sessions,
    with_mail,
    |app: TestApp| {
        let before = signed_up(&app, "ann@example.com").await;
        ask(&app, "Ann@Example.com").await;
        let token = mailed_token(&app, "ann@example.com").await;
        assert_eq!(
            broken(set_password(&app, Scope::Account, &token, "short").await),
            (UserErrorCode::Invalid, "input.password".into())
        );
        let after = set_password(&app, Scope::Account, &token, NEW).await.unwrap();
        assert!(
            authenticate::bearer(&app, &after.session.access_token, None)
                .await
                .is_ok()
        );
        assert_eq!(
            code(authenticate::bearer(&app, &before.session.access_token, None).await),
            "UNAUTHENTICATED"
        );
        assert_eq!(
            code(sessions::refresh(&app, None, &before.session.refresh_token).await),
            "UNAUTHENTICATED"
        );
        assert!(log_in(&app, PASSWORD).await.is_err());
        assert!(log_in(&app, NEW).await.is_ok());
        let again = set_password(&app, Scope::Account, &token, PASSWORD).await;
        assert_eq!(broken(again), (UserErrorCode::Expired, "input.token".into()));
        assert_eq!(
            app.audit_log(account(&before.caller)).await,
            ["account.created", "password.reset"]
        );
    }
);

both!(of_eight_uses_of_one_link_one_succeeds, with_mail, |app: TestApp| {
    signed_up(&app, "ann@example.com").await;
    ask(&app, "ann@example.com").await;
    let token = mailed_token(&app, "ann@example.com").await;
    let calls = (0..8).map(|_| {
        let (app, token) = (app.app.clone(), token.clone());
        async move { set_password(&app, Scope::Account, &token, NEW).await.is_ok() }
    });
    assert_eq!(at_once(calls).await.into_iter().filter(|done| *done).count(), 1);
});

both!(
    a_link_ends_after_an_hour_and_works_only_in_its_scope,
    with_mail,
    |app: TestApp| {
        signed_up(&app, "ann@example.com").await;
        ask(&app, "ann@example.com").await;
        let second = mailed_token(&app, "ann@example.com").await;
        let outcome = |scope, token: String| {
            let app = &app;
            async move { broken(set_password(app, scope, &token, NEW).await).0 }
        };
        assert_eq!(outcome(Scope::Portal, second.clone()).await, UserErrorCode::Invalid);
        app.clock.advance(TimeDelta::hours(1));
        assert_eq!(outcome(Scope::Account, second).await, UserErrorCode::Expired);
        assert_eq!(
            outcome(Scope::Account, "lmt_unknown".into()).await,
            UserErrorCode::Invalid
        );
    }
);

both!(
    an_unknown_address_is_acknowledged_and_gets_no_mail,
    with_mail,
    |app: TestApp| {
        for _ in 0..7 {
            ask(&app, "nobody@example.com").await;
        }
        assert!(mail_queue::claim_due(&app).await.unwrap().is_empty());
    }
);

both!(
    changing_the_password_ends_the_other_sessions_only,
    with_mail,
    |app: TestApp| {
        let here = signed_up(&app, "ann@example.com").await;
        let there = log_in(&app, PASSWORD).await.unwrap();
        let change = |current: &str, new: &str| {
            let input = ChangePassword {
                current_password: current.into(),
                new_password: new.into(),
            };
            password_reset::change(&app, &here.caller, input)
        };
        assert_eq!(broken(change("wrong password", NEW).await).1, "input.currentPassword");
        assert_eq!(broken(change(PASSWORD, "short").await).1, "input.newPassword");
        change(PASSWORD, NEW).await.unwrap();
        assert!(
            authenticate::bearer(&app, &here.session.access_token, None)
                .await
                .is_ok()
        );
        assert_eq!(
            code(authenticate::bearer(&app, &there.session.access_token, None).await),
            "UNAUTHENTICATED"
        );
        assert!(log_in(&app, NEW).await.is_ok());
    }
);

/// Asks for a mail and gives it back as its worker gets it.
async fn claimed(app: &App) -> mail::Model {
    let mut due = mail_queue::claim_due(app).await.unwrap();
    assert_eq!(due.len(), 1);
    due.remove(0).0
}

async fn stored(app: &App, mail: &mail::Model) -> mail::Model {
    mail::Entity::by_id(mail.id).one(app.db.read()).await.unwrap().unwrap()
}

both!(
    a_mail_is_tried_again_after_one_five_and_thirty_minutes_and_then_given_up,
    with_mail,
    |app: TestApp| {
        signed_up(&app, "ann@example.com").await;
        ask(&app, "ann@example.com").await;
        for minutes in [1, 5, 30] {
            let mail = claimed(&app).await;
            assert!(!mail.sealed_body.as_deref().unwrap().contains("lmt_"));
            mail_queue::finish(&app, &mail, Err("451 later".into())).await.unwrap();
            app.clock
                .advance(TimeDelta::minutes(minutes) - TimeDelta::microseconds(1));
            assert!(mail_queue::claim_due(&app).await.unwrap().is_empty());
            app.clock.advance(TimeDelta::microseconds(1));
        }
        let mail = claimed(&app).await;
        mail_queue::finish(&app, &mail, Err("550 no".into())).await.unwrap();
        let mail = stored(&app, &mail).await;
        assert_eq!(
            (mail.status, mail.attempts, mail.error.as_deref()),
            (MailStatus::Failed, 4, Some("550 no"))
        );
        assert_eq!((mail.sealed_body, mail.due_at), (None, None));
    }
);

both!(
    a_worker_that_lost_its_lease_records_nothing,
    with_mail,
    |app: TestApp| {
        signed_up(&app, "ann@example.com").await;
        ask(&app, "ann@example.com").await;
        let slow = claimed(&app).await;
        assert!(mail_queue::claim_due(&app).await.unwrap().is_empty());
        app.clock.advance(mail_queue::LEASE + TimeDelta::microseconds(1));
        let fast = claimed(&app).await;
        mail_queue::finish(&app, &slow, Err("too late".into())).await.unwrap();
        assert_eq!(stored(&app, &fast).await.error, None);
        mail_queue::finish(&app, &fast, Ok(())).await.unwrap();
        let mail = stored(&app, &fast).await;
        assert_eq!(
            (mail.status, mail.sent_at, mail.sealed_body),
            (MailStatus::Sent, Some(app.clock.now()), None)
        );
    }
);

both!(workers_share_the_mails_that_are_due, with_mail, |app: TestApp| {
    for number in 0..30 {
        let email = format!("ann{number}@example.com");
        signed_up(&app, &email).await;
        ask(&app, &email).await;
    }
    let calls = (0..8).map(|_| {
        let app = app.app.clone();
        async move { mail_queue::claim_due(&app).await.unwrap() }
    });
    let mut claimed: Vec<_> = at_once(calls)
        .await
        .into_iter()
        .flatten()
        .map(|(mail, _)| mail.id)
        .collect();
    claimed.extend(
        mail_queue::claim_due(&app)
            .await
            .unwrap()
            .into_iter()
            .map(|(mail, _)| mail.id),
    );
    assert_eq!(claimed.len(), 30, "some were claimed twice, or not at all");
    claimed.sort_unstable();
    claimed.dedup();
    assert_eq!(claimed.len(), 30);
});

both!(
    without_a_mail_server_a_mail_has_failed_from_the_start,
    async |mode| open_with(mode, &[]).await,
    |app: TestApp| {
        let tx = app.db.begin().await.unwrap();
        let letter = leadmesh_core::identity::emails::new_password("ann@example.com", Scope::Account, "link");
        let id = mail_queue::queue_mail(&tx, &app, letter).await.unwrap();
        tx.commit().await.unwrap();
        let mail = mail::Entity::by_id(id).one(app.db.read()).await.unwrap().unwrap();
        assert_eq!((mail.status, mail.sealed_body), (MailStatus::Failed, None));
        assert!(mail.error.unwrap().contains("LEADMESH_SMTP_URL"));
        assert!(mail_queue::claim_due(&app).await.unwrap().is_empty());
    }
);
