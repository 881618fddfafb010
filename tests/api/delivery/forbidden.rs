//! Destinations that a stranger must not make us connect to.

use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use leadmesh_delivery::guard::Guard;
use serde_json::{Value, json};

use super::{SET_DELIVERY, SET_SMTP, email};
use crate::support::app::{TestApp, both};
use crate::support::http_receiver::{Answer, HttpReceiver};
use crate::support::make::{Account, ana, text, webhook, webhook_with};
use crate::support::smtp_receiver::SmtpReceiver;

/// FAULTS 20: every spelling of an address inside.
const INSIDE: [&str; 17] = [
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "0x7f000001",
    "0177.0.0.1",
    "2130706433",
    "0.0.0.0",
    "10.0.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fd00::1]",
];
/// Lets settings lead anywhere.
const ANYWHERE: &str = "0.0.0.0/0,::/0";
/// Lets them lead to none of the addresses above.
const ELSEWHERE: &str = "198.51.100.1/32";
const OUTSIDE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A port of 127.0.0.2, the same as one of 127.0.0.1, at which nobody may knock.
struct Inside(TcpListener);

impl Inside {
    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

    fn beside(receiver: &HttpReceiver) -> Self {
        let listener = TcpListener::bind((Self::ADDRESS, receiver.address.port())).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn url(&self) -> String {
        format!("http://{}/", self.0.local_addr().unwrap())
    }

    fn assert_untouched(&self) {
        assert_eq!(
            self.0.accept().unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock,
            "somebody knocked"
        );
    }
}

/// Where 127.0.0.1 counts as outside and all else is as it is, and names lead where they are told to.
fn guard(lookup: impl Fn(usize, &str) -> Vec<IpAddr> + Send + Sync + 'static) -> Guard {
    let asked = AtomicUsize::new(0);
    Guard::with_lookup(vec!["127.0.0.1/32".parse().unwrap()], move |host| {
        let found = lookup(asked.fetch_add(1, Ordering::SeqCst), &host);
        async move { Ok(found) }
    })
}

/// A delivery that was stopped at the door: once, with the reason, and not again however long one waits.
async fn is_blocked(app: &TestApp, owner: &Account, delivery: Value) {
    let (flow, ..) = app.flow_to(owner, delivery.clone()).await;
    let lead = text(&app.submit(owner, &flow, ana()).await["id"]);
    let failed = app.deliveries_at(owner, &lead, &["FAILED"]).await;
    assert_eq!(
        failed[0]["failure"]["code"], "DESTINATION_BLOCKED",
        "{delivery}: {failed:?}"
    );
    assert!(
        text(&failed[0]["failure"]["message"]).contains("LEADMESH_ALLOW_DESTINATIONS"),
        "{failed:?}"
    );
    assert_eq!(
        (&failed[0]["attemptCount"], &failed[0]["nextAttemptAt"]),
        (&json!(1), &Value::Null),
        "{delivery}"
    );
}

both!(
    /// D12: literal addresses, however they are written, are refused when they are saved; so is plain http without consent.
    addresses_inside_are_refused_when_they_are_saved,
    |app| {
        let mut app = app;
        let _worker = app.restart_behind(Guard::new(Vec::new()), ELSEWHERE).await;
        let owner = app.account("Acme").await;
        let (partner, _) = app.partner(&owner, "P", json!({ "portal": {} }), json!({})).await;
        let set = |url: String, insecure: bool| {
            let delivery = json!({ "webhook": { "url": url, "allowInsecureHttp": insecure } });
            json!({ "partnerId": partner, "delivery": delivery })
        };
        for host in INSIDE.into_iter().chain(["localhost", "any.localhost", "localhost."]) {
            for scheme in ["http", "https"] {
                let broken = app.refused(&owner.token, SET_DELIVERY, set(format!("{scheme}://{host}:8080/in"), true)).await;
                let expected = [("DESTINATION_BLOCKED".to_owned(), "input.delivery.webhook.url".to_owned())];
                assert_eq!(broken, expected, "{scheme}://{host}");
            }
        }
        let broken = app.refused(&owner.token, SET_DELIVERY, set("http://crm.example.com/".into(), false)).await;
        assert_eq!(broken[0].0, "INSECURE_URL");
        app.done(&owner.token, SET_DELIVERY, set("https://crm.example.com/".into(), false)).await;
    }
);

both!(
    /// The same of mail servers; a name may be saved, and an address that the operator allows.
    mail_servers_inside_are_refused_when_they_are_saved,
    |app| {
        let mut app = app;
        let _worker = app.restart_behind(Guard::new(Vec::new()), ELSEWHERE).await;
        let owner = app.account("Acme").await;
        let at = |host: &str| json!({ "host": host, "port": 587, "security": "STARTTLS", "fromAddress": "leads@acme.test" });
        let bare = INSIDE.iter().filter_map(|host| host.strip_prefix('[')?.strip_suffix(']'));
        for host in INSIDE.into_iter().chain(bare).chain(["localhost", "LocalHost", "any.localhost", "localhost."]) {
            let broken = app.refused(&owner.token, SET_SMTP, at(host)).await;
            assert_eq!(broken, [("DESTINATION_BLOCKED".to_owned(), "input.host".to_owned())], "{host}");
        }
        for host in ["smtp.example.com", "198.51.100.1"] {
            app.done(&owner.token, SET_SMTP, at(host)).await;
        }
        let member = json!({ "input": at("127.0.0.1") });
        assert_eq!(app.error_code(None, SET_SMTP, member.clone()).await, "UNAUTHENTICATED");
        assert_eq!(app.error_code(Some(&owner.key), SET_SMTP, member).await, "FORBIDDEN");
    }
);

both!(
    /// D12, FAULTS 20: what was saved while it was allowed is stopped at the connection, and so is the mail.
    addresses_inside_are_not_dialled_whatever_was_saved,
    |app| {
        let mut app = app;
        let (receiver, server) = (HttpReceiver::start().await, SmtpReceiver::start().await);
        let strict = Guard::with_lookup(Vec::new(), async |_| Ok(vec![OUTSIDE, [10, 0, 0, 1].into()]));
        let _worker = app.restart_behind(strict, ANYWHERE).await;
        let owner = app.account("Acme").await;
        app.set_smtp(&owner, &server).await;
        let port = receiver.address.port();
        for host in INSIDE.into_iter().chain(["localhost", "crm.example.com"]) {
            is_blocked(&app, &owner, webhook(&format!("http://{host}:{port}/"))).await;
        }
        is_blocked(&app, &owner, email(&["a@buyer.test"], json!({}))).await;
        app.advance(TimeDelta::minutes(10));
        is_blocked(&app, &owner, webhook(&receiver.url("/"))).await;
        assert_eq!((receiver.connections(), server.connections()), (0, 0));
    }
);

both!(
    /// FAULTS 20: a name that was outside and turns inwards; one with addresses on both sides.
    a_name_that_turns_inwards_is_not_followed,
    |app| {
        let mut app = app;
        let receiver = HttpReceiver::start().await;
        let inside = Inside::beside(&receiver);
        let turns = Arc::new(AtomicUsize::new(0));
        let asked = turns.clone();
        let guard = guard(move |_, host| match host {
            "rebind.test" if asked.fetch_add(1, Ordering::SeqCst) == 0 => vec![OUTSIDE],
            "mixed.test" => vec![Inside::ADDRESS, [169, 254, 169, 254].into(), OUTSIDE],
            _ => vec![Inside::ADDRESS, [10, 0, 0, 1].into()],
        });
        let _worker = app.restart_behind(guard, ANYWHERE).await;
        let owner = app.account("Acme").await;
        let port = receiver.address.port();

        receiver.answer(Answer::reset());
        let (flow, ..) = app.flow_to(&owner, webhook(&format!("http://rebind.test:{port}/"))).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        app.deliveries_at(&owner, &lead, &["RETRYING"]).await;
        receiver.answer(Answer::status(200));
        app.advance_to_retry(&owner, &lead).await;
        let failed = app.deliveries_at(&owner, &lead, &["FAILED"]).await;
        let codes: Vec<&Value> = failed[0]["attempts"].as_array().unwrap().iter().map(|one| &one["errorCode"]).collect();
        assert_eq!(codes, ["NETWORK", "DESTINATION_BLOCKED"]);
        assert_eq!((turns.load(Ordering::SeqCst), receiver.count()), (2, 1));

        is_blocked(&app, &owner, webhook(&format!("http://inside.test:{port}/"))).await;
        let (flow, ..) = app.flow_to(&owner, webhook(&format!("http://mixed.test:{port}/"))).await;
        let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
        app.deliveries_at(&owner, &lead, &["DELIVERED"]).await;
        assert_eq!(receiver.count(), 2);
        inside.assert_untouched();
    }
);

both!(
    /// D12: a redirect leads nowhere, outwards as little as inwards.
    a_redirect_is_not_followed,
    |app| {
        let mut app = app;
        let (receiver, target) = (HttpReceiver::start().await, HttpReceiver::start().await);
        let inside = Inside::beside(&receiver);
        let _worker = app.restart_behind(guard(|_, _| Vec::new()), ANYWHERE).await;
        let owner = app.account("Acme").await;
        let twice = json!({ "retry": { "attempts": 2 } });
        for (status, to) in [(301, inside.url()), (302, target.url("/")), (307, inside.url()), (308, target.url("/"))] {
            receiver.answer(Answer::status(status).header("location", &to));
            let (flow, ..) = app.flow_to(&owner, webhook_with(&receiver.url("/"), twice.clone())).await;
            let lead = text(&app.submit(&owner, &flow, ana()).await["id"]);
            app.deliveries_at(&owner, &lead, &["RETRYING"]).await;
            app.advance_to_retry(&owner, &lead).await;
            let failed = app.deliveries_at(&owner, &lead, &["FAILED"]).await;
            assert_eq!(failed[0]["failure"]["code"], "RETRIES_EXHAUSTED");
            assert!(text(&failed[0]["failure"]["message"]).contains("redirects are not followed"), "{failed:?}");
            assert_eq!(failed[0]["attempts"][0]["httpStatus"], status);
        }
        assert_eq!((receiver.count(), target.connections()), (8, 0));
        inside.assert_untouched();
    }
);
