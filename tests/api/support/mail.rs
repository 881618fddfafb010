//! Reads a mail as far as the tests need it: headers, and the text of a part.

use base64::{Engine, engine::general_purpose::STANDARD};

/// One mail as a server took it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReceivedMail {
    /// The name that the client gave itself in EHLO.
    pub(crate) hello: String,
    /// Who was logged in.
    pub(crate) user: Option<String>,
    /// Whether it came over TLS.
    pub(crate) secured: bool,
    /// The sender in the envelope.
    pub(crate) from: String,
    /// The recipients in the envelope that were accepted.
    pub(crate) recipients: Vec<String>,
    /// Headers and body, dots unstuffed.
    pub(crate) content: String,
}

impl ReceivedMail {
    /// A header of the mail itself, unfolded and decoded; the first of that name.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        header(split(&self.content).0, name).map(|value| decode_words(&value))
    }

    /// The names of all headers, in order.
    pub(crate) fn header_names(&self) -> Vec<&str> {
        let lines = split(&self.content).0.split("\r\n");
        lines
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| Some(line.split_once(':')?.0))
            .collect()
    }

    /// The subject.
    pub(crate) fn subject(&self) -> String {
        self.header("Subject").unwrap_or_default()
    }

    /// The plain-text body, decoded.
    pub(crate) fn text(&self) -> Option<String> {
        part(&self.content, "text/plain")
    }

    /// The HTML body, decoded.
    pub(crate) fn html(&self) -> Option<String> {
        part(&self.content, "text/html")
    }
}

fn split(content: &str) -> (&str, &str) {
    content.split_once("\r\n\r\n").unwrap_or((content, ""))
}

fn header(head: &str, name: &str) -> Option<String> {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    unfolded.split("\r\n").find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

fn part(content: &str, kind: &str) -> Option<String> {
    let (head, body) = split(content);
    let found = header(head, "Content-Type").unwrap_or_else(|| "text/plain".into());
    if let Some((_, boundary)) = found.split_once("boundary=") {
        let boundary = format!("--{}", boundary.split(';').next()?.trim_matches('"'));
        return body
            .split(boundary.as_str())
            .skip(1)
            .find_map(|inner| part(inner.trim_start_matches("\r\n"), kind));
    }
    if !found.to_ascii_lowercase().starts_with(kind) {
        return None;
    }
    let encoding = header(head, "Content-Transfer-Encoding").unwrap_or_default();
    Some(
        text(&decode_body(body, &encoding))
            .replace("\r\n", "\n")
            .trim_end_matches('\n')
            .to_owned(),
    )
}

fn decode_body(body: &str, encoding: &str) -> Vec<u8> {
    match encoding.to_ascii_lowercase().as_str() {
        "base64" => STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap(),
        "quoted-printable" => unquote(&body.replace("=\r\n", "")),
        _ => body.as_bytes().to_vec(),
    }
}

/// `=C3=BC` to bytes.
fn unquote(quoted: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = quoted;
    while let Some((before, after)) = rest.split_once('=') {
        bytes.extend_from_slice(before.as_bytes());
        let (hex, tail) = after.split_at(2);
        bytes.push(u8::from_str_radix(hex, 16).unwrap());
        rest = tail;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// Encoded words of RFC 2047, in UTF-8. White space between two of them does not count.
fn decode_words(value: &str) -> String {
    let mut decoded = String::new();
    let mut after_word = false;
    let mut rest = value;
    while let Some((before, word)) = rest.split_once("=?") {
        if !(after_word && before.trim().is_empty()) {
            decoded.push_str(before);
        }
        let mut fields = word.splitn(4, '?');
        let (_, kind, body) = (fields.next(), fields.next().unwrap(), fields.next().unwrap());
        let bytes = match kind {
            "b" | "B" => STANDARD.decode(body).unwrap(),
            _ => unquote(&body.replace('_', " ")),
        };
        decoded.push_str(&text(&bytes));
        rest = fields.next().unwrap_or_default().strip_prefix('=').unwrap_or_default();
        after_word = true;
    }
    decoded.push_str(rest);
    decoded
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_parts_are_decoded() {
        let content = concat!(
            "Subject: =?utf-8?b?SsO8cmdlbg==?=\r\n =?utf-8?q?_M=C3=BCller?= ok\r\n",
            "Content-Type: multipart/alternative;\r\n boundary=\"xyz\"\r\n\r\n",
            "--xyz\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
            "J=C3=BCr=\r\ngen\r\n--xyz\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            "PGI+w7w8\r\nL2I+\r\n--xyz--\r\n",
        );
        let mail = ReceivedMail {
            content: content.into(),
            ..Default::default()
        };
        assert_eq!(mail.subject(), "Jürgen Müller ok");
        assert_eq!(mail.text().unwrap(), "Jürgen");
        assert_eq!(mail.html().unwrap(), "<b>ü</b>");
        assert_eq!(mail.header_names(), ["Subject", "Content-Type"]);
    }
}
