//! Limits of tries, which nobody can turn against somebody else.

use std::net::IpAddr;

use chrono::TimeDelta;
use entity::user::Role;
use leadmesh_core::app::App;
use leadmesh_core::error::Error;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::mail_queue;
use leadmesh_core::identity::password_reset::{self, ChangePassword};
use leadmesh_core::identity::people::{self, InviteUser};
use leadmesh_core::identity::sessions::{self, LogIn, SignedIn};
use leadmesh_core::identity::sign_up::{SignUpOrigin, sign_up};
use leadmesh_core::identity::throttle::Kind;
use leadmesh_core::identity::tokens::Scope;

use super::support::*;
use crate::support::app::{TestApp, both};

const NEW: &str = "horse battery staple";

fn home() -> IpAddr {
    [192, 0, 2, 1].into()
}

fn elsewhere(number: u8) -> IpAddr {
    [198, 51, 100, number].into()
}

async fn log_in(app: &App, ip: IpAddr, password: &str) -> Result<SignedIn, Error> {
    let input = LogIn {
        email: "ann@example.com".into(),
        password: password.into(),
    };
    sessions::log_in(app, Scope::Account, Some(ip), input).await
}

async fn signed_up_at(app: &App, ip: IpAddr, email: &str) -> SignedIn {
    sign_up(app, Some(ip), SignUpOrigin::Public, company(email))
        .await
        .unwrap()
}

fn change(current: &str) -> ChangePassword {
    ChangePassword {
        current_password: current.into(),
        new_password: NEW.into(),
    }
}

/// As many guesses of strangers as there may be.
async fn strangers_guess(app: &App, email: &str) {
    for _ in 0..=100 {
        let _limited = app
            .throttle
            .check(Kind::LogInOfStrangers, &format!("Account {email}"))
            .await;
    }
}

both!(
    wrong_log_ins_from_elsewhere_lock_nobody_out,
    with_mail,
    |app: TestApp| {
        let ann = signed_up_at(&app, home(), "ann@example.com").await;
        for _ in 0..10 {
            assert_eq!(
                code(log_in(&app, elsewhere(1), "wrong password").await),
                "BAD_USER_INPUT"
            );
        }
        assert_eq!(code(log_in(&app, elsewhere(1), PASSWORD).await), "RATE_LIMITED");
        assert!(log_in(&app, home(), PASSWORD).await.is_ok());
        assert!(
            log_in(&app, elsewhere(2), PASSWORD).await.is_ok(),
            "a network that she was never in"
        );

        strangers_guess(&app, "ann@example.com").await;
        assert_eq!(code(log_in(&app, elsewhere(3), PASSWORD).await), "RATE_LIMITED");
        assert!(log_in(&app, home(), PASSWORD).await.is_ok());
        assert!(log_in(&app, elsewhere(2), PASSWORD).await.is_ok(), "she was there");
        password_reset::change(&app, &ann.caller, change(PASSWORD))
            .await
            .unwrap();
        app.clock.advance(TimeDelta::minutes(15));
        assert!(log_in(&app, elsewhere(3), NEW).await.is_ok());
    }
);

both!(a_network_is_known_by_a_refresh_there_too, with_mail, |app: TestApp| {
    let ann = signed_up_at(&app, home(), "ann@example.com").await;
    sessions::refresh(&app, Some(elsewhere(7)), &ann.session.refresh_token)
        .await
        .unwrap();
    strangers_guess(&app, "ann@example.com").await;
    assert!(log_in(&app, elsewhere(7), PASSWORD).await.is_ok());
    assert_eq!(code(log_in(&app, elsewhere(8), PASSWORD).await), "RATE_LIMITED");
});

both!(
    strangers_learn_nothing_of_whether_somebody_is_there,
    with_mail,
    |app: TestApp| {
        strangers_guess(&app, "ann@example.com").await;
        assert_eq!(code(log_in(&app, elsewhere(1), PASSWORD).await), "RATE_LIMITED");
    }
);

both!(
    who_claims_the_same_address_may_not_guess_more_for_that,
    proven,
    |app: TestApp| {
        signed_up_at(&app, home(), "ann@example.com").await;
        let claim = leadmesh_core::identity::sign_up::SignUp {
            password: "another password".into(),
            ..company("ann@example.com")
        };
        sign_up(&app, Some(elsewhere(1)), SignUpOrigin::Public, claim)
            .await
            .unwrap();
        strangers_guess(&app, "ann@example.com").await;
        assert_eq!(code(log_in(&app, elsewhere(1), PASSWORD).await), "BAD_USER_INPUT");
        assert!(log_in(&app, elsewhere(1), "another password").await.is_ok());
        assert!(log_in(&app, home(), PASSWORD).await.is_ok());
    }
);

both!(
    guesses_of_the_own_password_are_counted_by_session,
    with_mail,
    |app: TestApp| {
        let ann = signed_up_at(&app, home(), "ann@example.com").await;
        let other = log_in(&app, home(), PASSWORD).await.unwrap();
        for _ in 0..10 {
            let refused = password_reset::change(&app, &ann.caller, change("wrong password")).await;
            assert_eq!(broken(refused).1, "input.currentPassword");
        }
        let limited = password_reset::change(&app, &ann.caller, change(PASSWORD)).await;
        assert_eq!(code(limited), "RATE_LIMITED");
        assert!(log_in(&app, home(), PASSWORD).await.is_ok());
        password_reset::change(&app, &other.caller, change(PASSWORD))
            .await
            .unwrap();
    }
);

async fn ask(app: &App, ip: IpAddr, email: &str) {
    password_reset::request(app, Scope::Account, Some(ip), email)
        .await
        .unwrap();
    app.writes.finish().await;
}

/// The tokens of all links that wait to be mailed to somebody; they are sent by this.
async fn mailed_tokens(app: &App, to: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    loop {
        let due = mail_queue::claim_due(app).await.unwrap();
        if due.is_empty() {
            return tokens;
        }
        for (mail, body) in due {
            if mail.to_address == to {
                let link = body.text.split_once("?token=").unwrap().1;
                tokens.push(link.split_whitespace().next().unwrap().to_owned());
            }
            mail_queue::finish(app, &mail, Ok(())).await.unwrap();
        }
    }
}

both!(
    requests_for_a_new_password_neither_block_others_nor_void_their_links,
    with_mail,
    |app: TestApp| {
        signed_up_at(&app, home(), "ann@example.com").await;
        ask(&app, home(), "ann@example.com").await;
        let mine = mailed_tokens(&app, "ann@example.com").await;
        for number in 0..8 {
            ask(&app, elsewhere(number), "ann@example.com").await;
            ask(&app, elsewhere(number), "nobody@example.com").await;
        }
        assert_eq!(mailed_tokens(&app, "ann@example.com").await.len(), 3, "of strangers");
        ask(&app, home(), "ann@example.com").await;
        assert_eq!(
            mailed_tokens(&app, "ann@example.com").await.len(),
            1,
            "from where she was before"
        );
        set_password(&app, Scope::Account, &mine[0], NEW).await.unwrap();
        assert!(log_in(&app, home(), NEW).await.is_ok());

        // An hour later, when the links of before end, strangers have others again.
        app.clock.advance(TimeDelta::hours(1));
        for _ in 0..8 {
            ask(&app, elsewhere(1), "ann@example.com").await;
        }
        assert_eq!(mailed_tokens(&app, "ann@example.com").await.len(), 3);
    }
);

both!(
    a_request_for_a_new_password_does_not_void_an_invitation,
    with_mail,
    |app: TestApp| {
        let ann = signed_up_at(&app, home(), "ann@example.com").await;
        let bo = invite(&app, &ann.caller, "bo@example.com").await.unwrap();
        let invitation = mailed_tokens(&app, "bo@example.com").await;
        for _ in 0..6 {
            ask(&app, elsewhere(1), "bo@example.com").await;
        }
        let resets = mailed_tokens(&app, "bo@example.com").await;
        assert_eq!(resets.len(), 3);
        app.clock.advance(TimeDelta::days(6));
        let joined = set_password(&app, Scope::Account, &invitation[0], PASSWORD)
            .await
            .unwrap();
        assert_eq!(user(&joined.caller), bo);
        assert!(
            set_password(&app, Scope::Account, &invitation[0], NEW).await.is_err(),
            "it works once"
        );
    }
);

both!(one_use_of_a_link_makes_all_others_void, with_mail, |app: TestApp| {
    signed_up_at(&app, home(), "ann@example.com").await;
    for _ in 0..3 {
        ask(&app, home(), "ann@example.com").await;
    }
    let links = mailed_tokens(&app, "ann@example.com").await;
    assert_eq!(links.len(), 3);
    set_password(&app, Scope::Account, &links[1], NEW).await.unwrap();
    for link in [&links[0], &links[2]] {
        assert!(set_password(&app, Scope::Account, link, PASSWORD).await.is_err());
    }
});

async fn invite(app: &App, by: &Caller, email: &str) -> Result<entity::ids::UserId, Error> {
    let input = InviteUser {
        email: email.into(),
        name: "Bo".into(),
        role: Role::Viewer,
    };
    people::invite(app, by, input).await.map(|invited| invited.person.id)
}
