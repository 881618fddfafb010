//! HTTP/1.1 messages with a `Content-Length` on a kept connection: all that load and recipient need, at little cost.

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes asked for at once.
const CHUNK: usize = 16 * 1024;
/// Longest head and longest body.
const LONGEST: usize = 1024 * 1024;

/// A connection.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of the message before, to be dropped.
    done: usize,
}

/// A request or an answer.
pub(crate) struct Message<'w> {
    head: &'w str,
    /// All of it.
    pub(crate) body: &'w [u8],
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> anyhow::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(CHUNK),
            done: 0,
        })
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// The next message; none when the other side has ended between two.
    pub(crate) async fn read(&mut self) -> anyhow::Result<Option<Message<'_>>> {
        self.buffer.drain(..std::mem::take(&mut self.done));
        let end_of_head = loop {
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            if !self.fill().await? {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                bail!("the connection ended within a head");
            }
        };
        let length = header(text(&self.buffer, end_of_head)?, "content-length").map_or(Ok(0), str::parse)?;
        let (start, end) = (end_of_head + 4, end_of_head + 4 + length);
        while self.buffer.len() < end {
            if !self.fill().await? {
                bail!("the connection ended within a body");
            }
        }
        self.done = end;
        Ok(Some(Message {
            head: text(&self.buffer, end_of_head)?,
            body: self.buffer.get(start..end).unwrap_or_default(),
        }))
    }

    async fn fill(&mut self) -> anyhow::Result<bool> {
        if self.buffer.len() > LONGEST {
            bail!("a message of more than {LONGEST} bytes");
        }
        self.buffer.reserve(CHUNK);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}

impl Message<'_> {
    /// A header, by its name in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }

    /// The part between the first two spaces: an answer's status, a request's target.
    pub(crate) fn second_word(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }
}

fn text(buffer: &[u8], end: usize) -> anyhow::Result<&str> {
    std::str::from_utf8(buffer.get(..end).unwrap_or_default()).context("a head that is not text")
}

fn header<'h>(head: &'h str, wanted: &str) -> Option<&'h str> {
    head.split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value.trim())
}
