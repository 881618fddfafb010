//! Accepting connections and serving HTTP/1 and HTTP/2 on them.
//!
//! `axum::serve` gives a stalled request line all the time in the world; here every step has a limit, the number of
//! connections is bounded in all and for each address, and a shutdown waits for what is under way.

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

/// How connections are treated.
#[derive(Debug, Clone)]
pub struct ListenLimits {
    /// Connections at the same time, sockets included; more wait in the backlog of the system.
    pub connections: usize,
    /// Of these from one IPv4 address or IPv6 network of 64 bits; more are closed at once.
    pub per_address: usize,
    /// Networks of proxies, to which `per_address` does not apply.
    pub proxies: Vec<IpNet>,
    /// For the header of a request; also how long an idle connection of HTTP/1 is kept.
    pub header: Duration,
    /// How long a connection of HTTP/2 is kept that only answers pings.
    pub idle: Duration,
    /// How long a peer may read nothing of what is sent to it. Longer than the patience with the reader of a WebSocket.
    pub stall: Duration,
    /// For requests and sockets that are under way when a shutdown begins.
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
/// After a connection could not be accepted (usually: no file descriptors left).
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// How often `idle` and `stall` are looked at in each of them.
const CHECKS_PER_LIMIT: u32 = 8;

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

/// A connection that has a place.
struct Accepted {
    stream: BoundedStream,
    /// The same, to see the peer close it while hyper does not read.
    socket: Arc<TcpStream>,
    peer: SocketAddr,
}

/// The next connection; none when its address has all that it may have.
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
            () = left(&activity, &socket) => tracing::debug!(%peer, "the reader of a stream of events has gone"),
            reason = over(&activity, self.idle, self.stall) => tracing::debug!(%peer, reason, "closed a connection"),
        }
    }
}

fn is_event_stream(answer: &Response<Body>) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// Waits until the peer of a stream of events has closed its side. Whoever waits for an answer may do so and still read it; who
/// follows events has gone then, and holds a place that hyper, which reads nothing meanwhile, would only give back when the next
/// event cannot be written.
async fn left(activity: &Activity, socket: &TcpStream) {
    activity.stream_began().await;
    closed_by_peer(socket).await;
}

/// Waits until the connection only takes a place, and says why. hyper has no such limits for HTTP/2.
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
