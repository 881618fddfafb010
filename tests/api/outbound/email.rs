use std::time::Duration;

use entity::delivery::DeliveryErrorCode;
use entity::smtp_settings::{SmtpAuth, SmtpSecurity};
use futures::future::join_all;
use leadmesh_delivery::email::{MailExchange, MailOutcome, Mailer, Message, SmtpServer};
use leadmesh_delivery::failure::Failure;
use leadmesh_delivery::guard::Guard;
use leadmesh_delivery::response::{Verdict, judge_mail};

use super::{LOOPBACK, closed_port, permissive, strict, untrusted_tls_server};
use crate::support::smtp_receiver::{Reply, SmtpReceiver, Step};

const PATIENT: Duration = Duration::from_secs(10);
const HASTY: Duration = Duration::from_millis(300);

/// A point in the dialogue.
type Place = fn(Step<'_>) -> bool;

fn server(receiver: &SmtpReceiver) -> SmtpServer {
    SmtpServer {
        host: receiver.host(),
        port: receiver.port(),
        security: SmtpSecurity::None,
        login: None,
        auth: SmtpAuth::Password,
        from_name: Some("Müller & Co".into()),
        from_address: "leads@seller.test".into(),
        reply_to: None,
    }
}

fn message() -> Message {
    Message {
        recipients: vec!["a@buyer.test".into(), "b@buyer.test".into()],
        subject: "New lead Jürgen 😀".into(),
        text: "Jürgen\n.\n..dots".into(),
        html: None,
        message_id: "<dlv_1@leadmesh.test>".into(),
        sent_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        headers: Vec::new(),
    }
}

async fn send(receiver: &SmtpReceiver, message: &Message) -> MailExchange {
    Mailer::new(permissive(), None)
        .send(&server(receiver), message, PATIENT)
        .await
}

fn refused_with(exchange: &MailExchange) -> u16 {
    match &exchange.outcome {
        MailOutcome::Refused { reply, .. } => reply.code,
        other => panic!("{other:?}"),
    }
}

fn failed(exchange: MailExchange) -> Failure {
    match exchange.outcome {
        MailOutcome::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_mail_reaches_all_recipients_as_written() {
    let receiver = SmtpReceiver::start().await;
    let html = Some("<p>Jürgen</p>".to_owned());
    let exchange = send(&receiver, &Message { html, ..message() }).await;
    assert_eq!(exchange.outcome.smtp_code(), Some(250));

    let mail = receiver.wait_for(1).await.remove(0);
    assert_eq!(mail.from, "leads@seller.test");
    assert_eq!(mail.recipients, ["a@buyer.test", "b@buyer.test"]);
    assert_eq!(mail.subject(), "New lead Jürgen 😀");
    assert_eq!(mail.header("From").unwrap(), "Müller & Co <leads@seller.test>");
    assert_eq!(mail.header("To").unwrap(), "a@buyer.test, b@buyer.test");
    assert_eq!(mail.header("Message-ID").unwrap(), "<dlv_1@leadmesh.test>");
    assert_eq!(mail.text().unwrap(), "Jürgen\n.\n..dots");
    assert_eq!(mail.html().unwrap(), "<p>Jürgen</p>");
}

#[tokio::test]
async fn the_server_is_told_the_name_that_was_set_and_never_the_name_of_this_machine() {
    for (name, said) in [(Some("leads.example.com"), "leads.example.com"), (None, "[127.0.0.1]")] {
        let receiver = SmtpReceiver::start().await;
        let mailer = Mailer::new(permissive(), name.map(str::to_owned));
        mailer.send(&server(&receiver), &message(), PATIENT).await;
        assert_eq!(receiver.wait_for(1).await[0].hello, said);
    }
}

#[tokio::test]
async fn line_breaks_in_the_subject_make_no_header() {
    let receiver = SmtpReceiver::start().await;
    send(
        &receiver,
        &Message {
            subject: "Ana\r\nBcc: x@y.test".into(),
            ..message()
        },
    )
    .await;
    let mail = receiver.wait_for(1).await.remove(0);
    assert_eq!(mail.subject(), "Ana  Bcc: x@y.test");
    assert!(!mail.header_names().contains(&"Bcc"), "{:?}", mail.header_names());
}

#[tokio::test]
async fn the_server_learns_user_and_password() {
    for offer in ["AUTH PLAIN LOGIN", "AUTH LOGIN"] {
        let receiver = SmtpReceiver::start().await;
        receiver.offer([offer]);
        let login = Some(("me@seller.test".to_owned(), "p@ss:wörd".to_owned()));
        receiver.respond(|_, step| match step {
            Step::Auth(_, password) if password != "p@ss:wörd" => Some(Reply::Say("535 wrong")),
            _ => None,
        });
        let server = SmtpServer {
            login,
            ..server(&receiver)
        };
        Mailer::new(permissive(), None).send(&server, &message(), PATIENT).await;
        assert_eq!(
            receiver.wait_for(1).await[0].user.as_deref(),
            Some("me@seller.test"),
            "{offer}"
        );
    }
}

#[tokio::test]
async fn a_wrong_password_is_final_and_not_repeated_in_the_message() {
    let receiver = SmtpReceiver::start().await;
    receiver.respond(|_, step| matches!(step, Step::Auth(..)).then_some(Reply::Say("535 wrong password")));
    let server = SmtpServer {
        login: Some(("me".into(), "hunter2".into())),
        ..server(&receiver)
    };
    let exchange = Mailer::new(permissive(), None).send(&server, &message(), PATIENT).await;
    match judge_mail(&exchange.outcome) {
        Verdict::Fail {
            code: DeliveryErrorCode::SmtpRejected,
            message,
        } => {
            assert_eq!(message, "the mail server answered 535 wrong password (at login)");
        }
        other => panic!("{other:?}"),
    }
    assert!(!format!("{exchange:?} {server:?}").contains("hunter2"));
    assert_eq!(receiver.begun(), 0);
}

#[tokio::test]
async fn one_refused_recipient_of_two_is_told_apart() {
    let receiver = SmtpReceiver::start().await;
    receiver.respond(|_, step| (step == Step::Rcpt("a@buyer.test")).then_some(Reply::Say("550 no such user")));
    let exchange = send(&receiver, &message()).await;
    match judge_mail(&exchange.outcome) {
        Verdict::Delivered { note: Some(note), .. } => assert_eq!(note, "a@buyer.test was refused: 550 no such user"),
        other => panic!("{other:?}"),
    }
    assert_eq!(receiver.mails()[0].recipients, ["b@buyer.test"]);
}

#[tokio::test]
async fn replies_decide_wherever_they_come() {
    let receiver = SmtpReceiver::start().await;
    let places: [Place; 4] = [
        |step| matches!(step, Step::Mail(_)),
        |step| matches!(step, Step::Rcpt(_)),
        |step| step == Step::Data,
        |step| matches!(step, Step::Content(_)),
    ];
    for place in places {
        for (reply, code, retried) in [("451 later", 451, true), ("550 never", 550, false)] {
            receiver.respond(move |_, step| place(step).then_some(Reply::Say(reply)));
            let exchange = send(&receiver, &message()).await;
            assert_eq!(refused_with(&exchange), code);
            assert_eq!(matches!(judge_mail(&exchange.outcome), Verdict::Retry { .. }), retried);
        }
    }
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn a_server_that_refused_at_first_takes_the_next_attempt() {
    let receiver = SmtpReceiver::start().await;
    receiver.respond(|mail, step| (mail == 1 && step == Step::Data).then_some(Reply::Say("451 later")));
    let mailer = Mailer::new(permissive(), None);
    assert_eq!(
        refused_with(&mailer.send(&server(&receiver), &message(), PATIENT).await),
        451
    );
    let second = mailer.send(&server(&receiver), &message(), PATIENT).await;
    assert!(matches!(second.outcome, MailOutcome::Accepted { .. }));
}

#[tokio::test]
async fn mails_to_one_server_share_a_connection() {
    let receiver = SmtpReceiver::start().await;
    let mailer = Mailer::new(permissive(), None);
    for _ in 0..5 {
        mailer.send(&server(&receiver), &message(), PATIENT).await;
    }
    let other = SmtpServer {
        login: Some(("x".into(), "y".into())),
        ..server(&receiver)
    };
    mailer.send(&other, &message(), PATIENT).await;
    assert_eq!(
        (receiver.count(), receiver.connections()),
        (6, 2),
        "the one that logs in has its own"
    );
}

#[tokio::test]
async fn a_connection_survives_refused_recipients() {
    let receiver = SmtpReceiver::start().await;
    receiver.respond(|mail, step| (mail == 1 && matches!(step, Step::Rcpt(_))).then_some(Reply::Say("550 no")));
    let mailer = Mailer::new(permissive(), None);
    assert_eq!(
        refused_with(&mailer.send(&server(&receiver), &message(), PATIENT).await),
        550
    );
    mailer.send(&server(&receiver), &message(), PATIENT).await;
    assert_eq!((receiver.count(), receiver.connections()), (1, 1));
}

#[tokio::test]
async fn a_pooled_connection_that_the_server_has_closed_costs_no_attempt() {
    for goodbye in [Reply::Close, Reply::Say("421 too long idle")] {
        let receiver = SmtpReceiver::start().await;
        let mailer = Mailer::new(permissive(), None);
        mailer.send(&server(&receiver), &message(), PATIENT).await;
        receiver.respond(move |mail, step| (mail == 2 && matches!(step, Step::Mail(_))).then(|| goodbye.clone()));
        let second = mailer.send(&server(&receiver), &message(), PATIENT).await;
        assert!(matches!(second.outcome, MailOutcome::Accepted { .. }), "{second:?}");
        assert_eq!((receiver.count(), receiver.connections()), (2, 2));
    }
}

#[tokio::test]
async fn silence_at_any_step_is_a_time_out() {
    let receiver = SmtpReceiver::start().await;
    let places: [Place; 3] = [
        |step| step == Step::Connect,
        |step| matches!(step, Step::Rcpt(_)),
        |step| matches!(step, Step::Content(_)),
    ];
    for place in places {
        receiver.respond(move |_, step| place(step).then_some(Reply::Hang));
        let exchange = Mailer::new(permissive(), None)
            .send(&server(&receiver), &message(), HASTY)
            .await;
        assert!(exchange.duration < PATIENT / 2);
        assert_eq!(failed(exchange), Failure::Timeout);
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_is_a_network_failure() {
    let receiver = SmtpReceiver::start().await;
    receiver.respond(|_, step| (step == Step::Data).then_some(Reply::Close));
    assert!(matches!(failed(send(&receiver, &message()).await), Failure::Network(_)));
    let nobody = SmtpServer {
        port: closed_port().port(),
        ..server(&receiver)
    };
    let refused = failed(Mailer::new(permissive(), None).send(&nobody, &message(), PATIENT).await);
    assert!(refused.to_string().contains("refused the connection"), "{refused}");
}

#[tokio::test]
async fn a_server_without_starttls_gets_neither_password_nor_mail() {
    let receiver = SmtpReceiver::start().await;
    let login = Some(("me".to_owned(), "secret".to_owned()));
    let server = SmtpServer {
        security: SmtpSecurity::Starttls,
        login,
        ..server(&receiver)
    };
    receiver.respond(|_, step| match step {
        Step::Connect => None,
        other => panic!("{other:?}"),
    });
    let failure = failed(Mailer::new(permissive(), None).send(&server, &message(), PATIENT).await);
    assert!(matches!(failure, Failure::Tls(text) if text.contains("STARTTLS")));
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn a_certificate_nobody_trusts_is_explained() {
    let address = untrusted_tls_server();
    let receiver = SmtpReceiver::start().await;
    let security = SmtpSecurity::Tls;
    let server = SmtpServer {
        host: "localhost".into(),
        port: address.port(),
        security,
        ..server(&receiver)
    };
    let failure = failed(Mailer::new(permissive(), None).send(&server, &message(), PATIENT).await);
    assert!(
        matches!(&failure, Failure::Tls(text) if text.contains("not trusted")),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_plain_server_behind_the_tls_setting_is_explained() {
    let receiver = SmtpReceiver::start().await;
    let server = SmtpServer {
        security: SmtpSecurity::Tls,
        ..server(&receiver)
    };
    let failure = failed(Mailer::new(permissive(), None).send(&server, &message(), PATIENT).await);
    assert!(
        matches!(&failure, Failure::Tls(text) if text.contains("did not answer with TLS")),
        "{failure:?}"
    );
}

#[tokio::test]
async fn forbidden_servers_are_not_dialled() {
    let receiver = SmtpReceiver::start().await;
    let mailer = Mailer::new(strict(), None);
    for host in [
        "127.0.0.1",
        "[::1]",
        "0x7f.1",
        "2130706433",
        "localhost",
        "mail.test",
        "::ffff:127.0.0.1",
    ] {
        let server = SmtpServer {
            host: host.into(),
            ..server(&receiver)
        };
        let failure = failed(mailer.send(&server, &message(), PATIENT).await);
        assert!(matches!(failure, Failure::Blocked(_)), "{host}: {failure:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_named_server_is_dialled_at_its_permitted_address() {
    let receiver = SmtpReceiver::start().await;
    let allowed = vec!["127.0.0.0/8".parse().unwrap()];
    let guard = Guard::with_lookup(allowed, async |_| Ok(vec![[10, 0, 0, 1].into(), LOOPBACK]));
    let server = SmtpServer {
        host: "mail.test".into(),
        ..server(&receiver)
    };
    let exchange = Mailer::new(guard, None).send(&server, &message(), PATIENT).await;
    assert!(matches!(exchange.outcome, MailOutcome::Accepted { .. }), "{exchange:?}");
}

#[tokio::test]
async fn addresses_outside_ascii_need_a_server_that_takes_them() {
    let receiver = SmtpReceiver::start().await;
    let mail = Message {
        recipients: vec!["jürgen@buyer.test".into()],
        ..message()
    };
    assert!(matches!(
        send(&receiver, &mail).await.outcome,
        MailOutcome::Accepted { .. }
    ));
    receiver.offer(["8BITMIME"]);
    assert!(matches!(failed(send(&receiver, &mail).await), Failure::Unsendable(_)));
}

#[tokio::test]
async fn a_thousand_mails_over_sixteen_lines_all_arrive() {
    let receiver = SmtpReceiver::start().await;
    let mailer = Mailer::new(permissive(), None);
    let line = async || {
        for _ in 0..64 {
            let exchange = mailer.send(&server(&receiver), &message(), PATIENT).await;
            assert!(matches!(exchange.outcome, MailOutcome::Accepted { .. }), "{exchange:?}");
        }
    };
    join_all((0..16).map(|_| line())).await;
    assert_eq!(receiver.count(), 1_024);
}

/// A server that says this to whoever connects, and goes on for as long as it is listened to.
async fn babbling(said: impl Fn() -> Vec<u8> + Send + 'static) -> (String, u16) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let said = said();
            tokio::spawn(async move {
                use tokio::io::AsyncWriteExt;
                while stream.write_all(&said).await.is_ok() {}
            });
        }
    });
    ("127.0.0.1".into(), port)
}

/// Lines without number, a line without end, and bytes that are no text: each ends the attempt at once, with the reason, and not
/// its time-out.
#[tokio::test]
async fn a_server_that_never_ends_its_reply_ends_the_attempt() {
    let endless: [fn() -> Vec<u8>; 4] = [
        || b"220-a\r\n".repeat(14_000),
        || vec![b'2'; 1 << 20],
        || {
            [b"220-".to_vec(), vec![b'x'; 1_500], b"\r\n".to_vec()]
                .concat()
                .repeat(100)
        },
        || vec![0xff; 1 << 16],
    ];
    for said in endless {
        let (host, port) = babbling(said).await;
        let receiver = SmtpReceiver::start().await;
        let server = SmtpServer {
            host,
            port,
            ..server(&receiver)
        };
        let mailer = Mailer::new(permissive(), None);
        let exchange = mailer.send(&server, &message(), Duration::from_secs(30)).await;
        assert!(exchange.duration < Duration::from_secs(15), "{exchange:?}");
        let failure = failed(exchange);
        assert!(
            matches!(&failure, Failure::Network(text) if text.contains("too long") && text.contains("16 KiB")),
            "{failure:?}"
        );
    }
}

/// A long line and many lines within the bounds are a reply as any other.
#[tokio::test]
async fn a_long_reply_within_the_bounds_is_read() {
    let receiver = SmtpReceiver::start().await;
    let long: &'static str = Box::leak("x".repeat(1_900).into_boxed_str());
    receiver.offer([long; 6]);
    let exchange = send(&receiver, &message()).await;
    assert!(matches!(exchange.outcome, MailOutcome::Accepted { .. }), "{exchange:?}");
}
