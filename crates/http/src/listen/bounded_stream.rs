//! The socket of a connection. It holds its permit while it is open, upgraded to a WebSocket or not, and does not wait
//! for ever for a peer that reads nothing.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::connection_limit::ConnectionPermit;

/// Time between checks of a peer that has sent data which nobody has read.
const CLOSE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct BoundedStream {
    stream: Arc<TcpStream>,
    stall: Duration,
    /// Runs while the peer's window is full.
    waiting: Option<Pin<Box<Sleep>>>,
    _place: ConnectionPermit,
}

impl BoundedStream {
    /// A write that makes no progress for `stall` fails.
    pub(super) fn new(stream: Arc<TcpStream>, stall: Duration, place: ConnectionPermit) -> Self {
        Self {
            stream,
            stall,
            waiting: None,
            _place: place,
        }
    }

    /// Ends the wait after a write that made progress; fails a write that has waited too long.
    fn judge<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let stall = self.stall;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(stall)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer reads nothing")))
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read(buffer.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(|bytes| buffer.advance(bytes))),
            }
        }
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = when_writable(&self.stream, context, |stream| stream.try_write(bytes));
        self.judge(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = when_writable(&self.stream, context, |stream| stream.try_write_vectored(slices));
        self.judge(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing is buffered here.
    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(&*self.stream, Shutdown::Write).map_err(io::Error::from))
    }
}

fn when_writable(
    stream: &TcpStream,
    context: &mut Context<'_>,
    write: impl Fn(&TcpStream) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(context))?;
        match write(stream) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            written => return Poll::Ready(written),
        }
    }
}

/// Waits until the peer has closed its writing side, even if data that it sent before is unread.
pub(super) async fn closed_by_peer(stream: &TcpStream) {
    loop {
        match stream.ready(Interest::READABLE).await {
            Ok(state) if !state.is_read_closed() => sleep(CLOSE_CHECK_INTERVAL).await,
            _ => return,
        }
    }
}
