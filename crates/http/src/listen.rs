//! Accepts connections and serves HTTP/1 and HTTP/2 on them.
//!
//! `axum::serve` waits for ever for a stalled request line; here every step has a limit, the number of connections is
//! bounded in all and for each address, and a shutdown waits for requests in progress.

mod activity;
mod bounded_stream;
mod connection_limit;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    http::header,
    response::Response,
};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
};
use ipnet::IpNet;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use activity::{Activity, TrackedBody};
use bounded_stream::{BoundedStream, closed_by_peer};
use connection_limit::ConnectionLimit;

/// Limits of connections.
#[derive(Debug, Clone)]
pub struct ListenLimits {
    /// Concurrent connections, sockets included. More wait in the backlog of the operating system.
    pub connections: usize,
    /// Concurrent connections from one IPv4 address or IPv6 network of 64 bits. More are closed immediately.
    pub per_address: usize,
    /// Networks of proxies, to which `per_address` does not apply.
    pub proxies: Vec<IpNet>,
    /// Time for the header of a request, and of an idle HTTP/1 connection.
    pub header: Duration,
    /// Time that an HTTP/2 connection is kept that only answers pings.
    pub idle: Duration,
    /// Time that a peer may read nothing of what is sent to it. Longer than the limit of a WebSocket reader.
    pub stall: Duration,
    /// Time for requests and sockets in progress when a shutdown begins.
    pub grace: Duration,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            per_address: 10_000,
            proxies: Vec::new(),
            header: Duration::from_secs(10),
            idle: Duration::from_mins(2),
            stall: Duration::from_secs(210),
            grace: Duration::from_secs(20),
        }
    }
}

/// Bytes of a request's header.
const HEADER_BYTES: usize = 32 * 1024;
/// Streams of one HTTP/2 connection at the same time.
const STREAMS: u32 = 100;
/// Pause after a failed accept (usually: no file descriptors left).
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Checks during each `idle` or `stall` time.
const CHECKS_PER_LIMIT: u32 = 8;

/// Serves `router` on `listener` until `shutdown`, then until every request and every socket of `sockets` has ended or
/// the grace time is over.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ListenLimits,
    shutdown: CancellationToken,
    sockets: TaskTracker,
) {
    let graceful = GracefulShutdown::new();
    let server = Server::new(router, &limits);
    let limit = ConnectionLimit::new(limits.connections, limits.per_address, limits.proxies.clone());
    while let Some(accepted) = shutdown
        .run_until_cancelled(accept(&listener, &limit, limits.stall))
        .await
    {
        match accepted {
            Ok(Some(accepted)) => {
                tokio::spawn(server.clone().connection(accepted, graceful.watcher()));
            }
            Ok(None) => {}
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

/// A connection with a permit.
struct Accepted {
    stream: BoundedStream,
    /// The same socket, to notice that the peer closes it while hyper does not read.
    socket: Arc<TcpStream>,
    peer: SocketAddr,
}

/// The next connection; none if its address has as many as it may.
async fn accept(listener: &TcpListener, limit: &ConnectionLimit, stall: Duration) -> io::Result<Option<Accepted>> {
    let permit = limit
        .next()
        .await
        .ok_or_else(|| io::Error::other("the listener is closed"))?;
    let (stream, peer) = listener.accept().await?;
    let Some(place) = limit.take(permit, peer.ip()) else {
        tracing::debug!(%peer, "refused a connection: its address has too many; name proxies in LEADMESH_TRUSTED_PROXIES");
        return Ok(None);
    };
    stream.set_nodelay(true)?;
    let socket = Arc::new(stream);
    Ok(Some(Accepted {
        stream: BoundedStream::new(socket.clone(), stall, place),
        socket,
        peer,
    }))
}

#[derive(Clone)]
struct Server {
    router: Router,
    builder: Builder<TokioExecutor>,
    header: Duration,
    idle: Duration,
    stall: Duration,
}

impl Server {
    fn new(router: Router, limits: &ListenLimits) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header)
            // A client may close its writing side and still read the answer.
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
            idle: limits.idle,
            stall: limits.stall,
        }
    }

    async fn connection(self, accepted: Accepted, watcher: Watcher) {
        let Accepted { stream, socket, peer } = accepted;
        let spoken = CancellationToken::new();
        let activity = Arc::new(Activity::new());
        let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
            spoken.cancel();
            request.extensions_mut().insert(ConnectInfo(peer));
            let exchange = activity.begin();
            let answering = self.router.clone().oneshot(request);
            async move {
                let answer = answering.await?;
                let tracked = if is_event_stream(&answer) {
                    TrackedBody::stream
                } else {
                    TrackedBody::new
                };
                Ok::<_, std::convert::Infallible>(answer.map(|body| Body::new(tracked(body, exchange))))
            }
        });
        let connection = self
            .builder
            .serve_connection_with_upgrades(TokioIo::new(stream), service);
        // hyper's own limit starts once it knows that the protocol is HTTP/1; until then this one applies.
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
            () = left(&activity, &socket) => tracing::debug!(%peer, "the reader of a stream of events has gone"),
            reason = over(&activity, self.idle, self.stall) => tracing::debug!(%peer, reason, "closed a connection"),
        }
    }
}

fn is_event_stream(answer: &Response<Body>) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// Waits until the peer of an event stream has closed its writing side. A client that waits for an answer may do that
/// and still read it; a follower of events is gone then, and holds a permit that hyper, which does not read meanwhile,
/// would release only when the next event cannot be written.
async fn left(activity: &Activity, socket: &TcpStream) {
    activity.stream_began().await;
    closed_by_peer(socket).await;
}

/// Waits until the connection is idle or stalled, and says which. hyper has no such limits for HTTP/2.
async fn over(activity: &Activity, idle: Duration, stall: Duration) -> &'static str {
    let mut checks = tokio::time::interval(idle.min(stall) / CHECKS_PER_LIMIT);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        checks.tick().await;
        if let Some(reason) = activity.fault(Instant::now(), idle, stall) {
            return reason;
        }
    }
}
