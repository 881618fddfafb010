//! A TCP proxy that passes on what it gets: late, or not at all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A running proxy before one server. It stops when it is dropped.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// Milliseconds by which everything is late, in each direction.
    delay: AtomicU64,
    /// Ends the connections that there are.
    cut: Notify,
}

impl Proxy {
    /// Starts one on a free port.
    pub(super) async fn before(server: SocketAddr) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), server).await
    }

    /// Starts one on that address.
    pub(super) async fn at(address: SocketAddr, server: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = state.clone();
        let accepting = tokio::spawn(async move {
            let mut carrying = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    Ok((client, _)) = listener.accept() => {
                        carrying.spawn(carry(client, server, shared.clone()));
                    }
                    Some(_) = carrying.join_next() => {}
                }
            }
        });
        Self {
            address,
            state,
            accepting,
        }
    }

    /// From now on everything is so late, in each direction.
    pub(super) fn delay(&self, delay: Duration) {
        let milliseconds = u64::try_from(delay.as_millis()).unwrap();
        self.state.delay.store(milliseconds, Ordering::SeqCst);
    }

    /// Resets all connections that there are.
    pub(super) fn cut(&self) {
        self.state.cut.notify_waiters();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(mut client: TcpStream, server: SocketAddr, state: Arc<State>) {
    let cut = state.cut.notified();
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    for socket in [&client, &server] {
        drop(socket.set_nodelay(true));
    }
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let both = async {
        tokio::join!(
            pump(from_client, to_server, &state),
            pump(from_server, to_client, &state)
        )
    };
    tokio::select! {
        _ = both => return,
        () = cut => {}
    }
    for socket in [&client, &server] {
        drop(socket.set_zero_linger());
    }
}

/// Until one side ends or breaks, which the other is told.
async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, state: &State) {
    let mut buffer = vec![0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let delay = state.delay.load(Ordering::SeqCst);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    drop(to.shutdown().await);
}
