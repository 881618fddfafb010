//! What a mail server says in the course of a dialogue: it ends, and what is told of it is short and printable.
#![no_main]

use std::io::Cursor;
use std::sync::LazyLock;

use chrono::DateTime;
use entity::smtp_settings::{SmtpAuth, SmtpSecurity};
use leadmesh_delivery::email::{MailOutcome, Mailer, Message, SmtpServer};
use leadmesh_delivery::guard::Guard;
use libfuzzer_sys::fuzz_target;

static MAILER: LazyLock<Mailer> = LazyLock::new(|| Mailer::new(Guard::new(Vec::new()), None));

fuzz_target!(|data: &[u8]| {
    let [login, said @ ..] = data else {
        return;
    };
    let server = SmtpServer {
        host: "mail.example.com".to_owned(),
        port: 25,
        security: SmtpSecurity::None,
        login: (login % 2 == 1).then(|| ("user".to_owned(), "password".to_owned())),
        auth: SmtpAuth::Password,
        from_name: None,
        from_address: "leads@example.com".to_owned(),
        reply_to: None,
    };
    let message = Message {
        recipients: vec!["a@example.com".to_owned(), "b@example.com".to_owned()],
        subject: "A lead".to_owned(),
        text: "It is here.".to_owned(),
        html: None,
        message_id: "<dlv_1@example.com>".to_owned(),
        sent_at: DateTime::from_timestamp(1_790_000_000, 0).expect("a time"),
        headers: Vec::new(),
    };
    // A few bytes are said again and again, so that long replies are tried as well.
    let said = said.repeat(if said.len() < 64 { 1_000 } else { 1 });
    let stream = tokio::io::join(Cursor::new(said), tokio::io::sink());
    let outcome = futures::executor::block_on(MAILER.send_over(stream, &server, &message));
    let told = match &outcome {
        MailOutcome::Accepted { reply, refused } | MailOutcome::Refused { reply, refused } => {
            let all = refused.iter().map(|refused| refused.reply.text.clone());
            all.chain([reply.text.clone()]).collect()
        }
        MailOutcome::Failed(failure) => vec![failure.to_string()],
    };
    for text in told {
        assert!(
            text.chars().count() <= 400 && !text.chars().any(char::is_control),
            "{text:?}"
        );
    }
});
