//! An account's mail server: how it is signed in at, how fast it is used, and what it says of each recipient.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{SET_SMTP, email};
use crate::support::app::{TestApp, both};
use crate::support::make::{Account, Flow, ana, merge, text};
use crate::support::smtp_receiver::{Reply, SmtpReceiver, Step};
use crate::support::wait::eventually;

const TEST: &str = "mutation { sendTestEmail(to: \"ops@acme.test\") { ok message userErrors { code message path } } }";
const CLEAR: &str = "mutation { clearSmtpSettings { userErrors { code } } }";
const SHOWN: &str = "{ viewer { account { smtpSettings { auth mailsPerMinute username verifiedAt lastError } } } }";
const RECIPIENTS: &str = "query($id: ID!) { lead(id: $id) { deliveries { status failure { code }
    attempts { ok smtpCode recipients { address ok smtpCode reply } } } } }";

fn smtp(server: &SmtpReceiver, more: Value) -> Value {
    let mut input =
        json!({ "host": server.host(), "port": server.port(), "security": "NONE", "fromAddress": "leads@acme.test" });
    merge(&mut input, more);
    input
}

/// Submits so many leads; their identifiers.
async fn submit(app: &TestApp, owner: &Account, flow: &Flow, leads: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..leads {
        ids.push(text(&app.submit(owner, flow, ana()).await["id"]));
    }
    ids
}

/// What is not delivered yet, each with the time at which it is due, once nothing is due any more.
async fn waiting(app: &TestApp, owner: &Account, leads: &[String]) -> Vec<(Value, DateTime<Utc>)> {
    let undelivered = async || {
        let mut all = Vec::new();
        for lead in leads {
            all.extend(app.deliveries(owner, lead).await);
        }
        all.retain(|delivery| delivery["status"] != "DELIVERED");
        all.into_iter()
            .map(|delivery| {
                let due = delivery["nextAttemptAt"].as_str();
                let due = due.map(|at| at.parse::<DateTime<Utc>>().unwrap());
                (delivery, due)
            })
            .collect::<Vec<_>>()
    };
    let all = eventually(undelivered, |all| {
        all.iter().all(|(_, due)| due.is_some_and(|at| at > app.clock.now()))
    });
    let mut all: Vec<_> = all
        .await
        .into_iter()
        .map(|(delivery, due)| (delivery, due.unwrap()))
        .collect();
    all.sort_by_key(|(_, due)| *due);
    all
}

both!(
    /// Mails wait for their turn without spending an attempt, and never go out faster, not even after a standstill.
    a_limit_of_mails_a_minute_spreads_them_evenly,
    |app| {
        let mail = SmtpReceiver::start().await;
        let owner = app.account("Acme").await;
        app.done(&owner.token, SET_SMTP, smtp(&mail, json!({ "mailsPerMinute": 2 }))).await;
        let (flow, ..) = app.flow_to(&owner, email(&["a@buyer.test"], json!({}))).await;
        let leads = submit(&app, &owner, &flow, 5).await;

        let began = app.clock.now();
        for sent in 1..=4 {
            let left = waiting(&app, &owner, &leads).await;
            assert_eq!((mail.count(), left.len()), (sent, 5 - sent));
            for (place, (delivery, due)) in (sent..).zip(&left) {
                assert_eq!((&delivery["status"], &delivery["attemptCount"]), (&json!("QUEUED"), &json!(0)), "{delivery}");
                let turn = i32::try_from(place).unwrap();
                assert_eq!(*due - began, TimeDelta::seconds(30) * turn);
            }
            app.advance(TimeDelta::seconds(30));
        }
        assert_eq!(waiting(&app, &owner, &leads).await, []);
        for lead in &leads {
            assert_eq!(app.deliveries(&owner, lead).await[0]["attemptCount"], 1);
        }

        // Nobody worked for some minutes: the turns that were missed are given anew.
        app.advance(TimeDelta::minutes(1));
        let late = submit(&app, &owner, &flow, 4).await;
        assert_eq!(waiting(&app, &owner, &late).await.len(), 3);
        app.advance(TimeDelta::minutes(9));
        let left = waiting(&app, &owner, &late).await;
        assert_eq!((mail.count(), left.len()), (7, 2));
        assert!(left.iter().all(|(_, due)| *due - app.clock.now() <= TimeDelta::seconds(60)));

        // Without a limit nothing waits any more.
        app.done(&owner.token, SET_SMTP, smtp(&mail, json!({}))).await;
        app.advance(TimeDelta::milliseconds(1));
        assert_eq!(waiting(&app, &owner, &late).await, []);
        assert_eq!(mail.count(), 9);
    }
);

both!(
    /// One account's limit is nobody else's.
    a_limit_holds_for_its_account_alone,
    |app| {
        let mail = SmtpReceiver::start().await;
        let (slow, quick) = (app.account("Slow").await, app.account("Quick").await);
        app.done(&slow.token, SET_SMTP, smtp(&mail, json!({ "mailsPerMinute": 1 }))).await;
        app.done(&quick.token, SET_SMTP, smtp(&mail, json!({}))).await;
        for (owner, expected) in [(&slow, 2), (&quick, 0)] {
            let (flow, ..) = app.flow_to(owner, email(&["a@buyer.test"], json!({}))).await;
            let leads = submit(&app, owner, &flow, 3).await;
            assert_eq!(waiting(&app, owner, &leads).await.len(), expected);
        }
        let broken = app.refused(&slow.token, SET_SMTP, smtp(&mail, json!({ "mailsPerMinute": 0 }))).await;
        assert_eq!(broken, [("INVALID".to_owned(), "input.mailsPerMinute".to_owned())]);
    }
);

both!(
    /// A recipient who is put off is tried again alone, under the same message ID; what was said of each is told.
    only_recipients_who_do_not_have_it_get_a_mail_again,
    |app| {
        let mail = SmtpReceiver::start().await;
        mail.respond(|number, step| match step {
            Step::Rcpt("b@buyer.test") if number == 1 => Some(Reply::Say("450 greylisted")),
            Step::Rcpt("c@buyer.test") => Some(Reply::Say("550 no such user")),
            _ => None,
        });
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &mail).await;
        let all = ["a@buyer.test", "b@buyer.test", "c@buyer.test"];
        let (flow, ..) = app.flow_to(&owner, email(&all, json!({}))).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        app.deliveries_at(&owner, &lead, &["RETRYING"]).await;
        app.advance_to_retry(&owner, &lead).await;
        app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;

        let told = app.data(&owner.token, RECIPIENTS, json!({ "id": lead })).await["lead"]["deliveries"][0].take();
        let of = |address: &str, ok: bool, code: i64, reply: &str| json!({ "address": address, "ok": ok, "smtpCode": code, "reply": reply });
        let c = of("c@buyer.test", false, 550, "no such user");
        let attempts = &told["attempts"];
        assert_eq!(attempts[0]["recipients"][1], of("b@buyer.test", false, 450, "greylisted"));
        assert_eq!((&attempts[0]["recipients"][0]["ok"], &attempts[0]["recipients"][2]), (&json!(true), &c));
        assert_eq!((&attempts[1]["recipients"][0]["address"], &attempts[1]["recipients"][0]["ok"]), (&json!("b@buyer.test"), &json!(true)));
        assert_eq!((&attempts[1]["recipients"][1], &attempts[1]["recipients"][2]), (&c, &Value::Null));
        let mails = mail.wait_for(2).await;
        let got: Vec<&[String]> = mails.iter().map(|mail| &mail.recipients[..]).collect();
        assert_eq!(got, [["a@buyer.test".to_owned()], ["b@buyer.test".to_owned()]]);
        assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
    }
);

both!(
    /// Where one has it, the delivery is not failed for those who never get it: no other partner gets the lead as well.
    a_mail_that_reached_somebody_ends_delivered,
    |app| {
        let mail = SmtpReceiver::start().await;
        mail.respond(|number, step| match (number, step) {
            (1, Step::Rcpt("b@buyer.test")) => Some(Reply::Say("450 later")),
            (_, Step::Rcpt("b@buyer.test")) => Some(Reply::Say("550 never")),
            _ => None,
        });
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &mail).await;
        let (flow, ..) = app.flow_to(&owner, email(&["a@buyer.test", "b@buyer.test"], json!({}))).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        app.deliveries_at(&owner, &lead, &["RETRYING"]).await;
        app.advance_to_retry(&owner, &lead).await;

        let delivered = app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        assert_eq!((&delivered[0]["failure"], &delivered[0]["attemptCount"]), (&Value::Null, &json!(2)));
        let last = &delivered[0]["attempts"][1];
        assert_eq!((&last["ok"], &last["smtpCode"]), (&json!(false), &json!(550)));
        assert_eq!(mail.count(), 1);
    }
);

both!(
    /// Nor is it failed because the mail server was taken away before the others had it.
    a_mail_that_reached_somebody_ends_delivered_without_a_mail_server,
    |app| {
        let mail = SmtpReceiver::start().await;
        mail.respond(|_, step| matches!(step, Step::Rcpt("b@buyer.test")).then_some(Reply::Say("450 later")));
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &mail).await;
        let (flow, ..) = app.flow_to(&owner, email(&["a@buyer.test", "b@buyer.test"], json!({}))).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        app.deliveries_at(&owner, &lead, &["RETRYING"]).await;
        app.data(&owner.token, CLEAR, json!({})).await;
        app.advance_to_retry(&owner, &lead).await;

        let delivered = app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        assert_eq!(delivered[0]["failure"], Value::Null);
        assert_eq!(delivered[0]["attempts"][1]["ok"], false);
    }
);

both!(
    /// An access token goes by XOAUTH2 and by nothing else; the test mail says what the server said.
    a_mail_server_is_signed_in_at_with_an_access_token,
    |app| {
        let mail = SmtpReceiver::start().await;
        mail.respond(|_, step| match step {
            Step::Auth("me@acme.test", "ya29.token") | Step::Connect => None,
            Step::Auth(..) => Some(Reply::Say("535 wrong token")),
            _ => None,
        });
        let owner = app.account("Acme").await;
        let sign_in = |token: &str| json!({ "auth": "XOAUTH2", "username": "me@acme.test", "password": token });
        for (offered, token, ok, said) in [
            ("AUTH PLAIN LOGIN XOAUTH2", "ya29.token", true, "took the mail"),
            ("AUTH XOAUTH2", "stale", false, "535 wrong token"),
            ("AUTH PLAIN LOGIN", "ya29.token", false, "no login by XOAUTH2"),
        ] {
            mail.offer([offered]);
            app.done(&owner.token, SET_SMTP, smtp(&mail, sign_in(token))).await;
            let tested = app.data(&owner.token, TEST, json!({})).await["sendTestEmail"].take();
            assert_eq!(tested["ok"], ok, "{offered}: {tested}");
            assert!(text(&tested["message"]).contains(said), "{tested}");
            let shown = app.data(&owner.token, SHOWN, json!({})).await["viewer"]["account"]["smtpSettings"].take();
            assert_eq!((&shown["auth"], shown["verifiedAt"].is_string()), (&json!("XOAUTH2"), ok), "{shown}");
            assert_eq!(shown["lastError"].is_string(), !ok);
        }
        assert_eq!(mail.mails()[0].user.as_deref(), Some("me@acme.test"));
        assert!(!app.dump().await.contains("ya29.token"), "the token is stored in plain text");
    }
);
