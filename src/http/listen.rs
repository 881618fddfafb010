//! Accepting connections and serving HTTP/1 and HTTP/2 on them.
//!
//! `axum::serve` gives a stalled request line all the time in the world; here every step has a limit, the number of
//! connections is bounded, and a shutdown waits for what is under way.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// How connections are treated.
#[derive(Debug, Clone)]
pub struct ListenLimits {
    /// Connections at the same time, sockets included; more wait in the backlog of the system.
    pub connections: usize,
    /// For the header of a request; also how long an idle connection is kept.
    pub header: Duration,
    /// For requests and sockets that are under way when a shutdown begins.
    pub grace: Duration,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            header: Duration::from_secs(10),
            grace: Duration::from_secs(20),
        }
    }
}

/// Bytes of a request's header.
const HEADER_BYTES: usize = 32 * 1024;
/// Streams of one HTTP/2 connection at the same time.
const STREAMS: u32 = 100;
/// After a connection could not be accepted (usually: no file descriptors left).
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `shutdown`, then until every request and every socket of `sockets` has ended or
/// the grace is over.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ListenLimits,
    shutdown: CancellationToken,
    sockets: TaskTracker,
) {
    let graceful = GracefulShutdown::new();
    let server = Server::new(router, &limits);
    let permits = Arc::new(Semaphore::new(limits.connections));
    while let Some(accepted) = shutdown.run_until_cancelled(accept(&listener, &permits)).await {
        match accepted {
            Ok((stream, peer, permit)) => {
                tokio::spawn(server.clone().connection(stream, peer, graceful.watcher(), permit));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    sockets.close();
    let farewell = async { tokio::join!(graceful.shutdown(), sockets.wait()) };
    if tokio::time::timeout(limits.grace, farewell).await.is_err() {
        tracing::warn!(sockets = sockets.len(), "some requests or sockets did not end in time");
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, permit))
}

#[derive(Clone)]
struct Server {
    router: Router,
    builder: Builder<TokioExecutor>,
    header: Duration,
}

impl Server {
    fn new(router: Router, limits: &ListenLimits) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header)
            // A client may say that it sends no more and still read the answer.
            .half_close(true)
            .max_buf_size(HEADER_BYTES);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(u32::try_from(HEADER_BYTES).unwrap_or(u32::MAX))
            .keep_alive_interval(limits.header * 2)
            .keep_alive_timeout(limits.header);
        Self {
            router,
            builder,
            header: limits.header,
        }
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr, watcher: Watcher, permit: OwnedSemaphorePermit) {
        let spoken = CancellationToken::new();
        let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
            spoken.cancel();
            request.extensions_mut().insert(ConnectInfo(peer));
            self.router.clone().oneshot(request)
        });
        let connection = self
            .builder
            .serve_connection_with_upgrades(TokioIo::new(stream), service);
        // hyper's own limit starts with HTTP/1, once it has seen that it is not HTTP/2; until then this one holds.
        let silence = async {
            if tokio::time::timeout(self.header, spoken.cancelled()).await.is_ok() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            served = watcher.watch(connection.into_owned()) => {
                if let Err(error) = served {
                    tracing::debug!(%peer, error, "a connection ended with an error");
                }
            }
            () = silence => tracing::debug!(%peer, "a connection never sent a request"),
        }
        drop(permit);
    }
}
