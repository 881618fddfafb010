//! The messages waiting to be sent to one client.
//!
//! Results wait in a bounded queue. While it is full the operations are not polled, so a slow reader slows down its
//! own streams and loses no event. Control messages are kept apart, so that reading never waits for writing: there is
//! one acknowledgement, one ping, and only the last pong.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Error,
    extract::ws::{Message, WebSocket},
};
use futures::SinkExt;

/// The most waiting results.
const MESSAGES: usize = 16;
/// The most waiting bytes; the last result may exceed it.
const BYTES: usize = 128 * 1024;

#[derive(Default)]
pub(super) struct Outbox {
    controls: VecDeque<Message>,
    pong: Option<Message>,
    results: VecDeque<(Arc<str>, Message)>,
    bytes: usize,
    close: Option<Message>,
    unflushed: bool,
}

impl Outbox {
    /// Whether another result may be added.
    pub(super) fn has_room(&self) -> bool {
        self.results.len() < MESSAGES && self.bytes < BYTES
    }

    pub(super) fn result(&mut self, id: Arc<str>, message: Message) {
        self.bytes += length(&message);
        self.results.push_back((id, message));
    }

    /// Adds the acknowledgement or a ping; one of each can wait.
    pub(super) fn control(&mut self, message: Message) {
        if !self.controls.contains(&message) {
            self.controls.push_back(message);
        }
    }

    pub(super) fn pong(&mut self, message: Message) {
        self.pong = Some(message);
    }

    /// Adds the last message.
    pub(super) fn close(&mut self, message: Message) {
        self.close = Some(message);
    }

    /// Drops the results of an operation that the client has ended.
    pub(super) fn discard(&mut self, id: &str) {
        self.results.retain(|(of, _)| &**of != id);
        self.bytes = self.results.iter().map(|(_, message)| length(message)).sum();
    }

    /// Sends what the client accepts now; returns whether anything was sent.
    pub(super) fn poll_send(&mut self, socket: &mut WebSocket, cx: &mut Context<'_>) -> Result<bool, Error> {
        let mut sent = false;
        while !self.is_empty() {
            match socket.poll_ready_unpin(cx) {
                Poll::Pending => return Ok(sent),
                Poll::Ready(ready) => ready?,
            }
            if let Some(message) = self.next() {
                socket.start_send_unpin(message)?;
                (sent, self.unflushed) = (true, true);
            }
        }
        if self.unflushed
            && let Poll::Ready(flushed) = socket.poll_flush_unpin(cx)
        {
            flushed?;
            self.unflushed = false;
        }
        Ok(sent)
    }

    /// Whether messages wait because the client does not read.
    pub(super) fn is_stalled(&self) -> bool {
        self.unflushed || !self.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.pong.is_none() && self.close.is_none() && self.controls.is_empty() && self.results.is_empty()
    }

    fn next(&mut self) -> Option<Message> {
        if let Some(message) = self.controls.pop_front().or_else(|| self.pong.take()) {
            return Some(message);
        }
        let Some((_, message)) = self.results.pop_front() else {
            return self.close.take();
        };
        self.bytes -= length(&message);
        Some(message)
    }
}

fn length(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Message {
        Message::Text(text.into())
    }

    #[test]
    fn there_is_room_until_the_messages_or_bytes_are_many() {
        let mut outbox = Outbox::default();
        for _ in 0..MESSAGES {
            assert!(outbox.has_room());
            outbox.result("1".into(), text("x"));
        }
        assert!(!outbox.has_room());
        let mut outbox = Outbox::default();
        outbox.result("1".into(), text(&"x".repeat(BYTES)));
        assert!(!outbox.has_room());
    }

    #[test]
    fn an_ended_operation_leaves_nothing_behind() {
        let mut outbox = Outbox::default();
        for id in ["1", "2", "1"] {
            outbox.result(id.into(), text(id));
        }
        outbox.discard("1");
        assert_eq!((outbox.next(), outbox.bytes), (Some(text("2")), 0));
        assert!(outbox.is_empty());
    }

    #[test]
    fn controls_go_first_the_last_pong_stays_and_close_is_last() {
        let mut outbox = Outbox::default();
        outbox.result("1".into(), text("result"));
        outbox.close(Message::Close(None));
        outbox.pong(text("old pong"));
        outbox.pong(text("pong"));
        outbox.control(text("ack"));
        outbox.control(text("ack"));
        let order = [text("ack"), text("pong"), text("result"), Message::Close(None)];
        assert_eq!(std::iter::from_fn(|| outbox.next()).collect::<Vec<_>>(), order);
    }
}
