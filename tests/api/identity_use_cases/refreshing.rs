//! Refreshing a session: once, again after a lost answer, by many at once, by a thief, and to its end.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher};
use chrono::TimeDelta;
use leadmesh_core::app::App;
use leadmesh_core::error::{Error, UserErrorCode};
use leadmesh_core::identity::sessions::{self, GRACE, LIFETIME, LogIn, SignedIn};
use leadmesh_core::identity::tokens::Scope;
use leadmesh_core::identity::{authenticate, password_reset, passwords};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::support::*;
use crate::support::app::{TestApp, both};

async fn refresh(app: &App, token: &str) -> Result<SignedIn, Error> {
    sessions::refresh(app, None, token).await
}

async fn is_over(app: &App, session: &sessions::Session) -> bool {
    let refreshed = refresh(app, &session.refresh_token).await;
    let access = authenticate::bearer(app, &session.access_token, None).await;
    refreshed.is_err() && access.is_err()
}

both!(
    a_refresh_repeated_after_a_lost_answer_gives_the_same_successor,
    with_mail,
    |app: TestApp| {
        let first = signed_up(&app, "ann@example.com").await.session;
        let lost = refresh(&app, &first.refresh_token).await.unwrap().session;
        for seconds in [0, 2, 57] {
            app.clock.advance(TimeDelta::seconds(seconds));
            let again = refresh(&app, &first.refresh_token).await.unwrap().session;
            assert_eq!(again.refresh_token, lost.refresh_token);
            assert!(authenticate::bearer(&app, &again.access_token, None).await.is_ok());
        }
        let next = refresh(&app, &lost.refresh_token).await.unwrap().session;
        assert!(!is_over(&app, &next).await);
    }
);

both!(
    /// As after a kill between the commit and the answer: the next process knows nothing but the database and the secret.
    another_process_gives_the_same_successor, with_mail, |app: TestApp| {
        let first = signed_up(&app, "ann@example.com").await.session;
        let lost = refresh(&app, &first.refresh_token).await.unwrap().session;
        let next = App::open((*app.config).clone(), app.clock.clone()).await.unwrap();
        let again = refresh(&next, &first.refresh_token).await.unwrap().session;
        assert_eq!(again.refresh_token, lost.refresh_token);
        assert!(refresh(&next, &lost.refresh_token).await.is_ok());
    }
);

both!(
    of_twenty_refreshes_at_once_over_two_processes_all_get_the_same_successor,
    with_mail,
    |app: TestApp| {
        let first = signed_up(&app, "ann@example.com").await.session;
        let other = App::open((*app.config).clone(), app.clock.clone()).await.unwrap();
        let calls = (0..20).map(|number| {
            let app = if number % 2 == 0 {
                app.app.clone()
            } else {
                other.clone()
            };
            let token = first.refresh_token.clone();
            async move { refresh(&app, &token).await.unwrap().session.refresh_token }
        });
        let mut answers = at_once(calls).await;
        answers.dedup();
        assert_eq!(answers.len(), 1);
        assert_ne!(answers[0], first.refresh_token);
        assert!(refresh(&app, &answers[0]).await.is_ok());
    }
);

both!(
    a_repeat_after_the_grace_or_after_its_successor_was_used_ends_the_session,
    with_mail,
    |app: TestApp| {
        let first = signed_up(&app, "ann@example.com").await.session;
        let second = refresh(&app, &first.refresh_token).await.unwrap().session;
        app.clock.advance(GRACE);
        assert_eq!(code(refresh(&app, &first.refresh_token).await), "UNAUTHENTICATED");
        assert!(is_over(&app, &second).await);

        let first = signed_up(&app, "bo@example.com").await;
        let second = refresh(&app, &first.session.refresh_token).await.unwrap().session;
        let third = refresh(&app, &second.refresh_token).await.unwrap().session;
        assert_eq!(
            code(refresh(&app, &first.session.refresh_token).await),
            "UNAUTHENTICATED"
        );
        assert!(is_over(&app, &third).await);
        assert!(
            app.audit_log(account(&first.caller))
                .await
                .contains(&"session.token_reused".to_owned())
        );
    }
);

both!(an_ended_session_gives_no_successor_again, with_mail, |app: TestApp| {
    let first = signed_up(&app, "ann@example.com").await.session;
    let second = refresh(&app, &first.refresh_token).await.unwrap().session;
    sessions::log_out(&app, None, &second.refresh_token).await.unwrap();
    assert_eq!(code(refresh(&app, &first.refresh_token).await), "UNAUTHENTICATED");
});

both!(
    a_session_ends_after_ninety_days_however_often_it_is_refreshed,
    with_mail,
    |app: TestApp| {
        let mut session = signed_up(&app, "ann@example.com").await.session;
        let end = app.clock.now() + TimeDelta::days(90);
        for _ in 0..4 {
            assert_eq!(session.ends_at, end);
            app.clock.advance(TimeDelta::days(20));
            session = refresh(&app, &session.refresh_token).await.unwrap().session;
        }
        app.clock.advance(TimeDelta::days(10) - TimeDelta::minutes(1));
        session = refresh(&app, &session.refresh_token).await.unwrap().session;
        assert_eq!(session.expires_at, end, "the access token ends with the session");
        app.clock.advance(TimeDelta::minutes(1));
        assert!(is_over(&app, &session).await);
    }
);

both!(
    the_operator_sets_when_sessions_end_and_those_there_are_end_with_it,
    async |mode| open_with(mode, &["--session-days", "2"]).await,
    |app: TestApp| {
        let session = signed_up(&app, "ann@example.com").await.session;
        assert_eq!(session.ends_at, app.clock.now() + TimeDelta::days(2));
        app.clock.advance(TimeDelta::days(1));
        let session = refresh(&app, &session.refresh_token).await.unwrap().session;
        app.clock.advance(TimeDelta::days(1));
        assert!(is_over(&app, &session).await);
        // As before the setting was there: refreshed lately, begun long ago.
        let session = signed_up(&app, "bo@example.com").await.session;
        let now = app.clock.now();
        #[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
        entity::session::Entity::update_many()
            .col_expr(
                entity::session::Column::CreatedAt,
                Expr::value(now - TimeDelta::days(400)),
            )
            .col_expr(entity::session::Column::ExpiresAt, Expr::value(now + LIFETIME))
            .filter(entity::session::Column::EndedAt.is_null())
            .exec(app.db.write())
            .await
            .unwrap();
        assert_eq!(code(refresh(&app, &session.refresh_token).await), "UNAUTHENTICATED");
    }
);

const COMPOSED: &str = "caf\u{e9} au lait";
const DECOMPOSED: &str = "cafe\u{301}\u{a0}au lait";

async fn log_in(app: &App, email: &str, password: &str) -> Result<SignedIn, Error> {
    let input = LogIn {
        email: email.into(),
        password: password.into(),
    };
    sessions::log_in(app, Scope::Account, None, input).await
}

both!(
    a_password_signs_in_however_a_device_writes_it,
    with_mail,
    |app: TestApp| {
        for (email, set, typed) in [
            ("ann@example.com", COMPOSED, DECOMPOSED),
            ("bo@example.com", DECOMPOSED, COMPOSED),
        ] {
            let here = signed_up(&app, email).await;
            password_reset::request(&app, Scope::Account, None, email)
                .await
                .unwrap();
            app.writes.finish().await;
            let token = mailed_token(&app, email).await;
            let tabbed = set_password(&app, Scope::Account, &token, "correct\thorse").await;
            assert_eq!(broken(tabbed).0, UserErrorCode::Invalid);
            let here = set_password(&app, Scope::Account, &token, set).await.unwrap_or(here);
            assert!(log_in(&app, email, typed).await.is_ok());
            let change = password_reset::ChangePassword {
                current_password: typed.into(),
                new_password: "horse battery staple".into(),
            };
            password_reset::change(&app, &here.caller, change).await.unwrap();
        }
    }
);

both!(
    a_hash_from_before_signs_in_and_is_replaced,
    with_mail,
    |app: TestApp| {
        let ann = signed_up(&app, "ann@example.com").await;
        // Of the text as it came, as the version before made it.
        let raw = "cafe\u{301} au lait".as_bytes();
        let before: PasswordHash = Argon2::default().hash_password(raw).unwrap();
        let before = before.to_string();
        #[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
        let set = entity::user::Entity::update_many()
            .col_expr(entity::user::Column::PasswordHash, Expr::value(before.as_str()))
            .filter(entity::user::Column::Id.eq(user(&ann.caller)));
        set.exec(app.db.write()).await.unwrap();
        assert!(log_in(&app, "ann@example.com", "cafe au lait").await.is_err());
        let calls = (0..4).map(|_| {
            let app = app.app.clone();
            async move { log_in(&app, "ann@example.com", "cafe\u{301} au lait").await }
        });
        assert!(at_once(calls).await.iter().all(Result::is_ok), "at the same moment too");
        let row = entity::user::Entity::by_id(user(&ann.caller));
        let kept = row.one(app.db.read()).await.unwrap().unwrap().password_hash;
        assert_ne!(kept.as_deref(), Some(before.as_str()));
        assert!(passwords::verify(COMPOSED.into(), kept).await.unwrap());
        assert!(log_in(&app, "ann@example.com", COMPOSED).await.is_ok());
    }
);
