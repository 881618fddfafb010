//! A connection to a mail server whose replies are bounded, whatever the server says: nothing beyond the bounds is kept, and what is
//! read is handed on a line at a time, with a turn for other tasks after each.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of one line of a reply. RFC 5321 has 512; servers are known to write more.
const LINE: usize = 2 << 10;
/// Bytes of one reply, all its lines together.
const REPLY: usize = 16 << 10;
/// Lines of one reply: as the reader of replies begins anew with each line, its work grows with their square.
const LINES: usize = 256;
/// Bytes of a line that are handed on: fewer are kept of it, and the reader of replies takes no more than a thousand.
const HANDED_ON: usize = 900;
/// What stands in place of the greeting, which a server does not repeat after STARTTLS.
const GREETING: &[u8] = b"220 secured\r\n";

/// A reply that goes beyond the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the mail server's reply is too long: a line may have 2 KiB, and a reply 16 KiB in 256 lines; check that host and port are those of \
     a mail server"
)]
pub(super) struct TooLong;

/// Bytes read since the last write.
#[derive(Debug)]
pub(super) struct BoundedReplies<S> {
    inner: S,
    /// Read and not looked at yet: `buffer[from..to]`.
    buffer: Box<[u8; LINE]>,
    from: usize,
    to: usize,
    /// A line that has not come to its end.
    line: Vec<u8>,
    /// A line that has, and how much of it was handed on.
    ready: Vec<u8>,
    handed: usize,
    reply: usize,
    lines: usize,
    /// Whether others have a turn before more is handed on.
    yields: bool,
    over: bool,
}

impl<S> BoundedReplies<S> {
    /// Of a server that greets.
    pub(super) fn new(inner: S) -> Self {
        Self {
            inner,
            buffer: Box::new([0; LINE]),
            from: 0,
            to: 0,
            line: Vec::new(),
            ready: Vec::new(),
            handed: 0,
            reply: 0,
            lines: 0,
            yields: false,
            over: false,
        }
    }

    /// Of a server that has greeted already.
    pub(super) fn greeted(inner: S) -> Self {
        Self {
            ready: GREETING.to_vec(),
            ..Self::new(inner)
        }
    }

    /// The connection itself; none if the server has said more than was read.
    pub(super) fn into_inner(self) -> Option<S> {
        let is_read = self.from == self.to && self.line.is_empty() && self.handed == self.ready.len();
        is_read.then_some(self.inner)
    }

    /// Hands on what is left of a line, if one is ready.
    fn hand_on(&mut self, out: &mut ReadBuf<'_>) -> bool {
        let left = self.ready.get(self.handed..).unwrap_or_default();
        let part = left.get(..left.len().min(out.remaining())).unwrap_or_default();
        out.put_slice(part);
        self.handed += part.len();
        let is_part = !part.is_empty();
        self.yields = is_part && self.handed == self.ready.len();
        is_part
    }

    /// Takes what the buffer has of the line under way, and makes it ready if that is its end.
    fn gather(&mut self) -> io::Result<()> {
        let read = self.buffer.get(self.from..self.to).unwrap_or_default();
        let end = read
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(read.len(), |at| at + 1);
        let part = read.get(..end).unwrap_or_default();
        self.line.extend_from_slice(part);
        self.from += end;
        self.reply += end;
        let is_whole = self.line.ends_with(b"\n");
        self.lines += usize::from(is_whole);
        if self.line.len() > LINE || self.reply > REPLY || self.lines > LINES {
            self.over = true;
            return Err(io::Error::other(TooLong));
        }
        if is_whole {
            self.finish_line();
        }
        Ok(())
    }

    /// Makes the line ready, as the reader of replies takes it: a short text, whatever its bytes.
    fn finish_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        let text = line.trim_end_matches(['\r', '\n']);
        let end = if line.ends_with('\n') { "\r\n" } else { "" };
        let short = text.get(..text.floor_char_boundary(HANDED_ON)).unwrap_or_default();
        self.ready = [short, end].concat().into_bytes();
        self.handed = 0;
        self.line.clear();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BoundedReplies<S> {
    fn poll_read(self: Pin<&mut Self>, task: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.over {
                return Poll::Ready(Err(io::Error::other(TooLong)));
            }
            if std::mem::take(&mut this.yields) {
                task.waker().wake_by_ref();
                return Poll::Pending;
            }
            if this.hand_on(out) {
                return Poll::Ready(Ok(()));
            }
            if this.from == this.to {
                let mut fresh = ReadBuf::new(&mut this.buffer[..]);
                std::task::ready!(Pin::new(&mut this.inner).poll_read(task, &mut fresh))?;
                (this.from, this.to) = (0, fresh.filled().len());
                if this.to == 0 {
                    if this.line.is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                    this.finish_line();
                    continue;
                }
            }
            this.gather()?;
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BoundedReplies<S> {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = std::task::ready!(Pin::new(&mut this.inner).poll_write(task, bytes))?;
        (this.reply, this.lines) = (0, 0);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(task)
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(task)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> AsyncTokioStream for BoundedReplies<S> {
    /// Unused here: addresses are chosen before they are dialled.
    fn peer_addr(&self) -> io::Result<std::net::SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    /// How many lines are read, and whether that is all.
    async fn read(said: Vec<u8>) -> (usize, bool) {
        let stream = tokio::io::join(io::Cursor::new(said), tokio::io::sink());
        let (mut replies, mut all) = (BoundedReplies::new(stream), Vec::new());
        let end = replies.read_to_end(&mut all).await;
        let too_long = |error: io::Error| {
            error
                .get_ref()
                .is_some_and(<dyn std::error::Error + Send + Sync>::is::<TooLong>)
        };
        let lines = all.split(|byte| *byte == b'\n').count() - 1;
        (lines, end.map_err(|error| assert!(too_long(error))).is_ok())
    }

    #[tokio::test]
    async fn lines_replies_and_their_number_are_bounded() {
        let line = |length: usize| [vec![b'a'; length - 1], b"\n".to_vec()].concat();
        assert_eq!(read(line(LINE)).await, (1, true));
        assert_eq!(read(line(LINE + 1)).await, (0, false));
        assert_eq!(read(vec![b'a'; 1 << 20]).await, (0, false), "a line without an end");
        assert_eq!(read(line(1_024).repeat(16)).await, (16, true));
        assert_eq!(read([line(1_024).repeat(16), line(2)].concat()).await, (16, false));
        assert_eq!(read(b"220-a\r\n".repeat(14_000)).await, (LINES, false));
    }

    #[tokio::test]
    async fn a_line_is_handed_on_as_a_short_text_whatever_its_bytes() {
        let long = [b"250 \xff".to_vec(), "ä".repeat(600).into_bytes(), b"\n".to_vec()].concat();
        let stream = tokio::io::join(io::Cursor::new(long), tokio::io::sink());
        let (mut replies, mut text) = (BoundedReplies::new(stream), String::new());
        replies.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("250 \u{fffd}ää") && text.ends_with("ä\r\n"), "{text}");
        assert!(text.len() <= HANDED_ON + 2);
    }

    #[tokio::test]
    async fn every_line_gives_others_a_turn_and_is_all_that_is_handed_on() {
        let stream = tokio::io::join(io::Cursor::new(b"250-a\r\n250 b\r\n".to_vec()), tokio::io::sink());
        let mut replies = BoundedReplies::greeted(stream);
        let mut buffer = [0; 64];
        for line in ["220 secured\r\n", "250-a\r\n"] {
            let length = replies.read(&mut buffer).await.unwrap();
            assert_eq!(std::str::from_utf8(&buffer[..length]).unwrap(), line);
        }
        assert!(futures::poll!(Box::pin(replies.read(&mut buffer))).is_pending());
        assert!(
            replies.into_inner().is_none(),
            "a line was said that nobody has asked for"
        );
    }
}
