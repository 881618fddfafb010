//! The messages and close codes of `graphql-transport-ws`
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).

use std::borrow::Cow;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// The name of the protocol. The older `graphql-ws` is deliberately not supported.
pub(super) const NAME: &str = "graphql-transport-ws";

/// A message of the client.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", bound = "P: DeserializeOwned")]
pub(super) enum Incoming<P> {
    ConnectionInit {
        payload: Option<Map<String, Value>>,
    },
    Subscribe {
        id: String,
        payload: P,
    },
    Complete {
        id: String,
    },
    Ping {
        payload: Option<Map<String, Value>>,
    },
    #[serde(deserialize_with = "pong")]
    Pong,
}

/// Reads the payload of a pong only to refuse one that is not an object, as in a ping.
fn pong<'de, D: Deserializer<'de>>(message: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    struct Pong {
        #[serde(rename = "payload")]
        _payload: Option<Map<String, Value>>,
    }
    Pong::deserialize(message).map(drop)
}

/// The longest operation id in bytes; clients send UUIDs or counters.
const LONGEST_ID: usize = 128;

impl<P: DeserializeOwned> Incoming<P> {
    pub(super) fn parse(text: &str, prepare: fn(&[u8]) -> Cow<'_, [u8]>) -> Result<Self, Close> {
        let parsed = serde_json::from_slice(&prepare(text.as_bytes())).map_err(|error| {
            tracing::debug!(%error, "a message is refused");
            Close::new(4400, "Invalid message")
        })?;
        match &parsed {
            Self::Subscribe { id, .. } | Self::Complete { id } if !(1..=LONGEST_ID).contains(&id.len()) => {
                Err(Close::new(4400, "Invalid message: an id has 1 to 128 bytes"))
            }
            _ => Ok(parsed),
        }
    }
}

/// A message of the server without a result.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Outgoing<'a> {
    ConnectionAck,
    Complete {
        id: &'a str,
    },
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Map<String, Value>>,
    },
}

impl Outgoing<'_> {
    /// The message as a frame; `Err` ends the socket, because a message that cannot be written must not get lost.
    pub(super) fn frame(&self) -> Result<Message, Close> {
        let text = serde_json::to_string(self).map_err(|error| unwritable(&error))?;
        Ok(Message::Text(text.into()))
    }

    /// A message with a payload that is JSON already.
    pub(super) fn payload(kind: &str, id: &str, payload: &str) -> Result<Message, Close> {
        let id = serde_json::to_string(id).map_err(|error| unwritable(&error))?;
        Ok(Message::Text(
            format!(r#"{{"type":"{kind}","id":{id},"payload":{payload}}}"#).into(),
        ))
    }
}

fn unwritable(error: &serde_json::Error) -> Close {
    tracing::error!(%error, "a message cannot be written as JSON");
    Close::new(1011, "Internal error")
}

/// A close code and its reason.
#[derive(Debug, PartialEq, Eq)]
pub struct Close {
    code: u16,
    reason: Cow<'static, str>,
}

/// The longest reason in a close frame (RFC 6455, section 5.5); a longer one makes the frame invalid.
const LONGEST_REASON: usize = 123;

impl Close {
    /// A reason longer than a close frame takes is cut.
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        let mut reason = reason.into();
        if reason.len() > LONGEST_REASON {
            let end = reason.floor_char_boundary(LONGEST_REASON);
            reason.to_mut().truncate(end);
        }
        Self { code, reason }
    }

    pub(super) fn frame(self) -> Message {
        let reason = match self.reason {
            Cow::Borrowed(text) => Utf8Bytes::from_static(text),
            Cow::Owned(text) => text.into(),
        };
        Message::Close(Some(CloseFrame {
            code: self.code,
            reason,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Operation {
        #[serde(rename = "query")]
        _query: String,
    }

    fn parse(text: &str) -> Result<Incoming<Operation>, Close> {
        Incoming::parse(text, |text| Cow::Borrowed(text))
    }

    #[test]
    fn messages_of_another_shape_are_refused() {
        for text in [
            "",
            "null",
            "[]",
            r#"{"type":"start","id":"1"}"#,
            r#"{"id":"1"}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":1,"payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":{}}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"connection_init","payload":"x"}"#,
            r#"{"type":"ping","payload":7}"#,
            r#"{"type":"pong","payload":7}"#,
        ] {
            assert_eq!(parse(text).unwrap_err().code, 4400, "{text}");
        }
        for text in [r#"{"type":"pong"}"#, r#"{"type":"pong","payload":{"n":7}}"#] {
            assert!(matches!(parse(text), Ok(Incoming::Pong)), "{text}");
        }
    }

    #[test]
    fn reasons_are_cut_to_what_fits_between_characters() {
        let close = Close::new(4409, "ü".repeat(100));
        assert_eq!(close.reason.len(), 122);
    }
}
