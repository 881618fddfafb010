//! The messages and close codes of `graphql-transport-ws`
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).

use std::borrow::Cow;

use async_graphql::{Response, ServerError};
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::graphql::Parameters;
use crate::session::bearer_token;
use leadmesh_forms::lenient_json::mend;
use leadmesh_graphql::limits::answer::{self, WriteError};
use leadmesh_graphql::limits::budget::Spending;
use leadmesh_graphql::mask;

/// The name of the protocol. The older `graphql-ws` is deliberately not spoken.
pub(super) const NAME: &str = "graphql-transport-ws";

/// What a client may send.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Incoming {
    ConnectionInit {
        payload: Option<Map<String, Value>>,
    },
    Subscribe {
        id: String,
        payload: Parameters,
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

/// The payload of a pong is of no use; it is read so that what is no object is refused, as in a ping.
fn pong<'de, D: Deserializer<'de>>(message: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    struct Pong {
        #[serde(rename = "payload")]
        _payload: Option<Map<String, Value>>,
    }
    Pong::deserialize(message).map(drop)
}

/// Brackets around the values of variables: those of the message, of its payload and of `variables`.
const VALUES: usize = 3;
/// The longest operation id; clients send UUIDs or counters.
const LONGEST_ID: usize = 128;

impl Incoming {
    pub(super) fn parse(text: &str) -> Result<Self, Close> {
        let parsed = serde_json::from_slice(&mend(text.as_bytes(), VALUES)).map_err(|error| {
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

/// The bearer token in the payload of `connection_init`, where browsers put what they cannot put into headers; `Err`
/// if there is an authorization that is no bearer token.
pub(super) fn token(payload: &Map<String, Value>) -> Result<Option<&str>, Close> {
    let entry =
        |map: &'_ Map<String, Value>, wanted: &str| map.keys().find(|key| key.eq_ignore_ascii_case(wanted)).cloned();
    let authorization = |map| entry(map, "authorization").and_then(|key| map.get(&key));
    let inner = entry(payload, "headers")
        .and_then(|key| payload.get(&key))
        .and_then(Value::as_object);
    match authorization(payload).or_else(|| inner.and_then(authorization)) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_str().and_then(bearer_token) {
            Some(token) => Ok(Some(token)),
            None => Err(not_bearer()),
        },
    }
}

/// Credentials of another kind were given.
pub(super) fn not_bearer() -> Close {
    Close::new(4403, "Forbidden: authorization must be \"Bearer\" and a token")
}

/// What the server sends.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Outgoing<'a> {
    ConnectionAck,
    Next {
        id: &'a str,
        payload: &'a Response,
    },
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
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
        let text = serde_json::to_string(self).map_err(|error| {
            tracing::error!(%error, "a message cannot be written as JSON");
            Close::new(1011, "Internal error")
        })?;
        Ok(Message::Text(text.into()))
    }

    /// The message of a result as a frame, or of the error that it is larger than answers may be.
    pub(super) fn bounded_frame(&self, id: &str) -> Result<Message, Close> {
        match answer::json(self, Spending::default().bytes) {
            Ok(text) => match String::from_utf8(text) {
                Ok(text) => Ok(Message::Text(text.into())),
                Err(_never) => self.frame(),
            },
            Err(WriteError::NotJson(_)) => self.frame(),
            Err(WriteError::TooLarge(error)) => {
                let refused = Response::from_errors(vec![mask::refused(error, "")]);
                Outgoing::Next { id, payload: &refused }.frame()
            }
        }
    }
}

/// Why the server closes a socket.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Close {
    code: u16,
    reason: Cow<'static, str>,
}

/// What fits into a close frame beside the code (RFC 6455, section 5.5); with more, the frame itself fails.
const LONGEST_REASON: usize = 123;

impl Close {
    pub(super) fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
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
    use serde_json::json;

    use super::*;

    fn token_in(payload: &Value) -> Result<Option<String>, Close> {
        token(payload.as_object().unwrap()).map(|token| token.map(str::to_owned))
    }

    #[test]
    fn the_token_may_be_in_several_places() {
        let found = Ok(Some("t".to_owned()));
        assert_eq!(token_in(&json!({"authorization": "Bearer t"})), found);
        assert_eq!(token_in(&json!({"Authorization": "bearer t"})), found);
        assert_eq!(token_in(&json!({"headers": {"Authorization": "Bearer t"}})), found);
        assert_eq!(token_in(&json!({"other": 1})), Ok(None));
        assert!(token_in(&json!({"authorization": "t"})).is_err());
        assert!(token_in(&json!({"authorization": 1})).is_err());
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
            r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"connection_init","payload":"x"}"#,
            r#"{"type":"ping","payload":7}"#,
            r#"{"type":"pong","payload":7}"#,
        ] {
            assert_eq!(Incoming::parse(text).unwrap_err().code, 4400, "{text}");
        }
        for text in [r#"{"type":"pong"}"#, r#"{"type":"pong","payload":{"n":7}}"#] {
            assert!(matches!(Incoming::parse(text), Ok(Incoming::Pong)), "{text}");
        }
    }

    #[test]
    fn reasons_are_cut_to_what_fits_between_characters() {
        let close = Close::new(4409, "ü".repeat(100));
        assert_eq!(close.reason.len(), 122);
    }
}
