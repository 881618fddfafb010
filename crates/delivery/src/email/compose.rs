//! Turns a message into the bytes that go over the wire.

use lettre::{
    Address,
    message::{
        Mailbox, Mailboxes, Message as Mime, MessageBuilder, MultiPart, SinglePart,
        header::{self, HeaderName, HeaderValue},
    },
};

use super::{Message, SmtpServer};
use crate::failure::Failure;

pub(super) struct EncodedMail {
    pub(super) from: Address,
    pub(super) to: Vec<Address>,
    pub(super) content: Vec<u8>,
}

impl EncodedMail {
    /// Whether the server has to understand addresses outside ASCII (RFC 6531).
    pub(super) fn needs_utf8_addresses(&self) -> bool {
        self.to
            .iter()
            .chain([&self.from])
            .any(|address| !AsRef::<str>::as_ref(address).is_ascii())
    }
}

pub(super) fn encode(server: &SmtpServer, message: &Message) -> Result<EncodedMail, Failure> {
    let from = address(&server.from_address)?;
    let to = message
        .recipients
        .iter()
        .map(|text| address(text))
        .collect::<Result<Vec<_>, _>>()?;
    if to.is_empty() {
        return Err(Failure::Unsendable("the mail has no recipient".into()));
    }
    let builder = headers(server, message, &from, &to)?;
    let text = SinglePart::plain(without_nul(&message.text));
    let mime = match &message.html {
        None => builder.singlepart(text),
        Some(html) => builder.multipart(
            MultiPart::alternative()
                .singlepart(text)
                .singlepart(SinglePart::html(without_nul(html))),
        ),
    };
    let mime = mime.map_err(|error| Failure::Unsendable(format!("the mail cannot be put together: {error}")))?;
    Ok(EncodedMail {
        from,
        to,
        content: mime.formatted(),
    })
}

fn headers(server: &SmtpServer, message: &Message, from: &Address, to: &[Address]) -> Result<MessageBuilder, Failure> {
    let to: Mailboxes = to.iter().map(|address| Mailbox::new(None, address.clone())).collect();
    let sender = server
        .from_name
        .as_deref()
        .map(one_line)
        .filter(|name| !name.is_empty());
    let mut builder = Mime::builder()
        .from(Mailbox::new(sender, from.clone()))
        .header(header::To::from(to))
        .date(message.sent_at.into())
        .message_id(Some(one_line(&message.message_id)))
        .subject(one_line(&message.subject));
    if let Some(text) = &server.reply_to {
        builder = builder.reply_to(Mailbox::new(None, address(text)?));
    }
    for (name, value) in &message.headers {
        builder = builder.raw_header(HeaderValue::new(header_name(name)?, one_line(value)));
    }
    Ok(builder)
}

fn address(text: &str) -> Result<Address, Failure> {
    text.trim()
        .parse()
        .ok()
        .ok_or_else(|| Failure::Unsendable(format!("{} is not an email address", crate::text::one_line(text, 100))))
}

fn header_name(name: &str) -> Result<HeaderName, Failure> {
    let printable = name.bytes().all(|byte| byte.is_ascii_graphic());
    let parsed = printable
        .then(|| HeaderName::new_from_ascii(name.to_owned()).ok())
        .flatten();
    parsed.ok_or_else(|| Failure::Unsendable("a mail header has a name that is not allowed".into()))
}

/// A header value must not be able to start another header. The writer of headers folds and encodes, but what it does
/// with line breaks in a value is not something to rely on.
fn one_line(value: &str) -> String {
    let spaced: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.trim().to_owned()
}

fn without_nul(body: &str) -> String {
    body.replace('\0', "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use entity::smtp_settings::{SmtpAuth, SmtpSecurity};

    fn server() -> SmtpServer {
        SmtpServer {
            host: "mail.test".into(),
            port: 25,
            security: SmtpSecurity::None,
            login: None,
            auth: SmtpAuth::Password,
            from_name: Some("Müller & Co".into()),
            from_address: "leads@seller.test".into(),
            reply_to: Some("sales@seller.test".into()),
        }
    }

    fn message() -> Message {
        Message {
            recipients: vec!["a@buyer.test".into(), "b@buyer.test".into()],
            subject: "New lead Ana".into(),
            text: "Ana".into(),
            html: None,
            message_id: "<dlv_1@leadmesh.test>".into(),
            sent_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            headers: vec![("Leadmesh-Test".into(), "true".into())],
        }
    }

    fn content(message: &Message) -> String {
        String::from_utf8(encode(&server(), message).unwrap().content).unwrap()
    }

    fn header_names(content: &str) -> Vec<&str> {
        let head = content.split("\r\n\r\n").next().unwrap();
        head.split("\r\n")
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split(':').next().unwrap())
            .collect()
    }

    #[test]
    fn the_headers_are_the_ones_asked_for() {
        let content = content(&message());
        for line in [
            "To: a@buyer.test, b@buyer.test\r\n",
            "Reply-To: sales@seller.test\r\n",
            "Subject: New lead Ana\r\n",
            "Message-ID: <dlv_1@leadmesh.test>\r\n",
            "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\n",
            "Leadmesh-Test: true\r\n",
        ] {
            assert!(content.contains(line), "{line} is not in {content}");
        }
    }

    #[test]
    fn html_comes_with_a_plain_alternative() {
        let content = content(&Message {
            html: Some("<b>Ana</b>".into()),
            ..message()
        });
        assert!(content.contains("multipart/alternative"));
        let plain = content.find("text/plain").unwrap();
        assert!(
            plain < content.find("text/html").unwrap(),
            "the last alternative is the preferred one"
        );
    }

    #[test]
    fn a_line_break_in_a_subject_makes_no_header() {
        let content = content(&Message {
            subject: "Ana\r\nBcc: x@y.test".into(),
            ..message()
        });
        assert!(content.contains("Subject: Ana  Bcc: x@y.test\r\n"), "{content}");
        assert!(!header_names(&content).contains(&"Bcc"));
    }

    #[test]
    fn what_is_no_address_cannot_be_sent_to() {
        for recipient in [
            "",
            "a",
            "a@",
            "a@b.test\r\nRCPT TO:<c@d.test>",
            "a@b.test>",
            "a b@c.test",
        ] {
            let message = Message {
                recipients: vec![recipient.into()],
                ..message()
            };
            assert!(encode(&server(), &message).is_err(), "{recipient:?}");
        }
        assert!(
            encode(
                &server(),
                &Message {
                    recipients: Vec::new(),
                    ..message()
                }
            )
            .is_err()
        );
    }

    #[test]
    fn header_names_with_odd_characters_are_refused() {
        for name in ["", "a b", "a:b", "a\r\nBcc", "ä"] {
            let headers = vec![(name.to_owned(), "x".to_owned())];
            assert!(
                encode(&server(), &Message { headers, ..message() }).is_err(),
                "{name:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_adds_a_header_or_leaves_ascii(subject: String, text: String, value: String) {
            let usual = header_names(&content(&message())).iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            let headers = vec![("Leadmesh-Test".into(), value)];
            let odd = content(&Message { subject, text, headers, ..message() });
            prop_assert!(odd.is_ascii());
            prop_assert_eq!(header_names(&odd), usual);
        }
    }
}
