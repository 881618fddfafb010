//! Callers who take connections and say nothing.

use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};

/// Addresses that callers come from: one alone gets its share only.
const FROM: std::ops::Range<u8> = 2..7;
/// Connections of each.
const EACH: usize = 100;

/// Opens more connections than the process accepts. They last until they are dropped.
pub(super) async fn gather(address: SocketAddr) -> Vec<TcpStream> {
    let mut connections = Vec::new();
    for from in FROM.flat_map(|last| std::iter::repeat_n(last, EACH)) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, from], 0))).unwrap();
        // What is not accepted any more waits in the backlog, which is full at some time.
        let connecting = tokio::time::timeout(std::time::Duration::from_millis(50), socket.connect(address));
        if let Ok(Ok(connection)) = connecting.await {
            connections.push(connection);
        }
    }
    connections
}
