//! The mails of the instance: how many an account causes and an address gets, and what others' names may become in them.

use entity::mail;
use entity::relationship::RelationshipType;
use entity::smtp_settings::{SmtpAuth, SmtpSecurity};
use entity::user::Role;
use leadmesh_core::app::App;
use leadmesh_core::error::Error;
use leadmesh_core::identity::account_confirmation::Consent;
use leadmesh_core::identity::caller::Caller;
use leadmesh_core::identity::mail_queue::{self, MailBody};
use leadmesh_core::identity::mail_server::{self, SmtpSettings};
use leadmesh_core::identity::people::{self, InviteUser, Invited};
use leadmesh_core::identity::sign_up::{SignUp, SignUpOrigin, sign_up};
use leadmesh_core::identity::tokens::Scope;
use leadmesh_core::identity::verification::{self, Prover};
use leadmesh_delivery::test_mail;
use leadmesh_network::invitations::{self, NewInvitation};
use sea_orm::{EntityTrait, PaginatorTrait};

use super::support::*;
use crate::support::app::{TestApp, both};

async fn invite(app: &App, by: &Caller, email: &str) -> Result<Invited<entity::user::Model>, Error> {
    let input = InviteUser {
        email: email.into(),
        name: "Bo".into(),
        role: Role::Viewer,
    };
    people::invite(app, by, input).await
}

async fn connect(app: &App, by: &Caller, email: &str) -> Result<entity::invitation::Model, Error> {
    let input = NewInvitation {
        account_id: None,
        email: Some(email.into()),
        relationship: RelationshipType::Both,
        message: Some("Hello,\nsee https://evil.example/now".into()),
    };
    invitations::send(app, by, &input).await
}

/// All mails that were written.
#[expect(clippy::disallowed_methods, reason = "a test's rows are all its own")]
async fn written(app: &App) -> u64 {
    mail::Entity::find().count(app.db.read()).await.unwrap()
}

async fn mails(app: &App) -> Vec<(mail::Model, MailBody)> {
    let mut all = Vec::new();
    loop {
        let due = mail_queue::claim_due(app).await.unwrap();
        if due.is_empty() {
            return all;
        }
        for (mail, body) in due {
            mail_queue::finish(app, &mail, Ok(())).await.unwrap();
            all.push((mail, body));
        }
    }
}

fn seconds<T: std::fmt::Debug>(result: Result<T, Error>) -> u64 {
    match result {
        Err(Error::RateLimited { retry_after }) => retry_after,
        other => panic!("not limited: {other:?}"),
    }
}

both!(inviting_and_removing_in_a_loop_is_refused, with_mail, |app: TestApp| {
    let ann = signed_up(&app, "ann@example.com").await;
    app.clock.advance(chrono::TimeDelta::minutes(20));
    for _ in 0..5 {
        let bo = invite(&app, &ann.caller, "bo@example.com").await.unwrap().person;
        people::remove(&app, &ann.caller, bo.id).await.unwrap();
    }
    assert_eq!(seconds(invite(&app, &ann.caller, "bo@example.com").await), 40 * 60);
    assert_eq!(seconds(invite(&app, &ann.caller, "BO@example.com").await), 40 * 60);
    assert_eq!(written(&app).await, 5);
    assert!(invite(&app, &ann.caller, "eve@example.com").await.is_ok());
    app.clock.advance(chrono::TimeDelta::minutes(40));
    assert!(invite(&app, &ann.caller, "bo@example.com").await.is_ok());
});

both!(
    the_mails_of_an_account_are_counted_exactly_over_processes,
    with_mail,
    |app: TestApp| {
        let ann = signed_up(&app, "ann@example.com").await;
        let other = App::open((*app.config).clone(), app.clock.clone()).await.unwrap();
        for number in 0..90 {
            let email = format!("bo{number}@example.com");
            invite(&app, &ann.caller, &email).await.unwrap();
        }
        let calls = (0..24).map(|number| {
            let app = if number % 2 == 0 {
                app.app.clone()
            } else {
                other.clone()
            };
            let by = ann.caller.clone();
            async move {
                let to = format!("eve{number}@example.com");
                if number % 3 == 0 {
                    connect(&app, &by, &to).await.map(drop)
                } else {
                    invite(&app, &by, &to).await.map(drop)
                }
            }
        });
        let (done, refused): (Vec<_>, Vec<_>) = at_once(calls).await.into_iter().partition(Result::is_ok);
        assert_eq!((done.len(), refused.len()), (10, 14));
        for answer in refused {
            assert_eq!(code(answer), "RATE_LIMITED");
        }
        assert_eq!(written(&app).await, 100);
        let bob = signed_up(&app, "bob@example.com").await;
        assert!(
            invite(&app, &bob.caller, "eve0@example.com").await.is_ok(),
            "another account"
        );
    }
);

both!(
    what_others_have_sent_to_an_address_hinders_no_invitation,
    with_mail,
    |app: TestApp| {
        let mut callers = Vec::new();
        for number in 0..24 {
            callers.push(signed_up(&app, &format!("ann{number}@example.com")).await.caller);
        }
        let late = callers.split_off(22);
        let calls = callers.into_iter().map(|caller| {
            let app = app.app.clone();
            async move { invite(&app, &caller, "victim@example.com").await.unwrap() }
        });
        let invited = at_once(calls).await;
        assert_eq!(written(&app).await, 20);
        let shown: Vec<_> = invited.into_iter().filter_map(|invited| invited.link).collect();
        assert_eq!(shown.len(), 2, "who got no mail is told the link");

        let invitation = connect(&app, &late[0], "victim@example.com").await.unwrap();
        assert_eq!(invitation.mail_id, None);
        let again = invitations::resend(&app, &late[0], invitation.id).await.unwrap();
        assert_eq!(again.mail_id, None);
        assert!(
            connect(&app, &late[1], "other@example.com")
                .await
                .unwrap()
                .mail_id
                .is_some()
        );

        let token = shown[0].split_once("?token=").unwrap().1.to_owned();
        let joined = set_password(&app, Scope::Account, &token, PASSWORD).await.unwrap();
        let row = entity::user::Entity::by_id(user(&joined.caller));
        let row = row.one(app.db.read()).await.unwrap().unwrap();
        assert_eq!(row.email_verified_at, None, "a link that was shown proves nothing");
        assert_eq!(written(&app).await, 21);

        app.clock.advance(chrono::TimeDelta::hours(1));
        let again = invitations::resend(&app, &late[0], invitation.id).await.unwrap();
        assert!(again.mail_id.is_some());
    }
);

both!(
    accounts_without_a_proven_address_do_not_use_up_the_mails_of_others,
    proven,
    |app: TestApp| {
        let victim = "victim@example.com";
        let proven = signed_up(&app, "ann@example.com").await;
        let token = mailed_token(&app, "ann@example.com").await;
        let prover = Prover {
            ip: None,
            signed_in: None,
            consent: Consent::Given,
        };
        verification::verify(&app, prover, &token).await.unwrap();
        let before = written(&app).await;
        for number in 0..5 {
            let claims = signed_up(&app, &format!("claims{number}@example.com")).await;
            invite(&app, &claims.caller, victim).await.unwrap();
        }
        assert_eq!(written(&app).await, before + 5 + 3);
        assert_eq!(invite(&app, &proven.caller, victim).await.unwrap().link, None);
        assert_eq!(written(&app).await, before + 5 + 4);
    }
);

both!(
    names_and_messages_of_others_become_no_links_in_mails,
    proven,
    |app: TestApp| {
        let input = SignUp {
            account_name: "\u{202e}Win http://evil.example/a.b <b>".into(),
            name: "Eve www.evil.example\u{200b} eve@evil.example".into(),
            ..company("eve@example.com")
        };
        let eve = sign_up(&app, None, SignUpOrigin::Public, input).await.unwrap();
        invite(&app, &eve.caller, "bo@example.com").await.unwrap();
        connect(&app, &eve.caller, "cy@example.com").await.unwrap();
        leadmesh_core::identity::password_reset::request(&app, Scope::Account, None, "eve@example.com")
            .await
            .unwrap();
        app.writes.finish().await;
        let mails = mails(&app).await;
        assert_eq!(mails.len(), 4);
        for (mail, body) in mails {
            for text in [&mail.subject, &body.text, &body.html] {
                let own = text.replace("https://leads.example/", "");
                for bad in ["evil.example", "http:/", "https:/", "eve@", "\u{202e}", "\u{200b}"] {
                    assert!(!own.contains(bad), "{bad:?} in {text}");
                }
            }
            assert!(!body.html.contains("<b>"), "{}", body.html);
            assert!(mail.subject.chars().count() <= 200, "{}", mail.subject);
        }
    }
);

both!(
    test_mails_are_limited_by_account_and_by_recipient,
    with_mail,
    |app: TestApp| {
        let mut callers = Vec::new();
        for email in ["ann@example.com", "bob@example.com"] {
            let caller = signed_up(&app, email).await.caller;
            // Nothing is sent: the guard lets no account's server be here.
            let settings = SmtpSettings {
                host: "127.0.0.1".into(),
                port: 25,
                security: SmtpSecurity::None,
                auth: SmtpAuth::Password,
                username: None,
                password: None,
                from_name: None,
                from_address: email.into(),
                reply_to: None,
                mails_per_minute: None,
            };
            mail_server::set(&app, &caller, settings).await.unwrap();
            callers.push(caller);
        }
        for number in 0..10 {
            let caller = &callers[number % 2];
            assert!(!test_mail::send(&app, caller, "victim@example.com").await.unwrap().ok);
        }
        assert_eq!(
            code(test_mail::send(&app, &callers[0], "victim@example.com").await),
            "RATE_LIMITED"
        );
        for number in 0..15 {
            let to = format!("bo{number}@example.com");
            assert!(test_mail::send(&app, &callers[0], &to).await.is_ok());
        }
        assert_eq!(
            code(test_mail::send(&app, &callers[0], "eve@example.com").await),
            "RATE_LIMITED"
        );
        assert!(test_mail::send(&app, &callers[1], "eve@example.com").await.is_ok());
    }
);
