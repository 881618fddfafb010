//! Opening the connection that a dialogue with a mail server goes over: dialled, secured as the settings say, its replies bounded.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::Starttls;
use lettre::transport::smtp::extension::{ClientId, Extension};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::replies::BoundedReplies;
use super::smtp_error::SmtpError;
use entity::smtp_settings::SmtpSecurity;

use super::{SmtpServer, trust};
use crate::failure::{self, Failure};

/// Per address of the host.
const CONNECT: Duration = Duration::from_secs(5);

/// Connects to the first of the addresses that answers, and greets.
pub(super) async fn open(
    addresses: &[SocketAddr],
    server: &SmtpServer,
    hello: &ClientId,
) -> Result<AsyncSmtpConnection, SmtpError> {
    let stream = dial(addresses).await.map_err(|error| failure::explain(&error))?;
    match server.security {
        SmtpSecurity::None => over(BoundedReplies::new(stream), hello).await,
        SmtpSecurity::Tls => {
            let stream = trust::secure(&server.host, stream).await?;
            over(BoundedReplies::new(stream), hello).await
        }
        SmtpSecurity::Starttls => start_tls(stream, server, hello).await,
    }
}

/// Greets over a connection that is there.
pub(super) async fn over(
    stream: impl AsyncTokioStream + 'static,
    hello: &ClientId,
) -> Result<AsyncSmtpConnection, SmtpError> {
    Ok(AsyncSmtpConnection::connect_with_transport(Box::new(stream), hello).await?)
}

async fn dial(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::HostUnreachable);
    for address in addresses {
        match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_elapsed) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// Asks in the clear for the switch to TLS, and greets anew after it. What a server says beyond its consent was not secured and
/// ends the connection: somebody on the way may have put it there.
async fn start_tls(stream: TcpStream, server: &SmtpServer, hello: &ClientId) -> Result<AsyncSmtpConnection, SmtpError> {
    let lent = Lent::new(stream);
    let mut in_clear = over(lent.clone(), hello).await?;
    if !in_clear.server_info().supports_feature(Extension::StartTls) {
        let text = "the mail server does not offer STARTTLS; use its TLS port, often 465, or another server";
        return Err(Failure::Tls(text.into()).into());
    }
    in_clear.command(Starttls).await?;
    drop(in_clear);
    let Some(stream) = lent.take_back() else {
        let text = "the mail server said more than it was asked before the connection was secured";
        return Err(Failure::Tls(text.into()).into());
    };
    let stream = trust::secure(&server.host, stream).await?;
    over(BoundedReplies::greeted(stream), hello).await
}

/// A connection that is taken back for the switch to TLS.
#[derive(Clone, Debug)]
struct Lent(Arc<Mutex<Option<BoundedReplies<TcpStream>>>>);

impl Lent {
    fn new(stream: TcpStream) -> Self {
        Self(Arc::new(Mutex::new(Some(BoundedReplies::new(stream)))))
    }

    fn take_back(self) -> Option<TcpStream> {
        self.lock().take()?.into_inner()
    }

    fn lock(&self) -> MutexGuard<'_, Option<BoundedReplies<TcpStream>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        poll: impl FnOnce(Pin<&mut BoundedReplies<TcpStream>>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match self.lock().as_mut() {
            Some(stream) => poll(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for Lent {
    fn poll_read(self: Pin<&mut Self>, task: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_read(task, out))
    }
}

impl AsyncWrite for Lent {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write(task, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(task))
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_shutdown(task))
    }
}

impl AsyncTokioStream for Lent {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
