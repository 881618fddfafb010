//! What leaves the house: webhooks and mails, sent to real receivers.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

use leadmesh_delivery::guard::Guard;
use rustls::{ServerConnection, StreamOwned};

use crate::support::certificate;

mod email;
mod webhook;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A guard that lets the receivers be reached.
fn permissive() -> Guard {
    Guard::new(vec!["127.0.0.0/8".parse().unwrap()])
}

/// A guard as an operator has it who allowed nothing, in whose network every name leads here.
fn strict() -> Guard {
    Guard::with_lookup(Vec::new(), async |_| Ok(vec![LOOPBACK]))
}

/// A TLS server for one connection, whose certificate nobody trusts.
fn untrusted_tls_server() -> SocketAddr {
    let (config, _) = certificate::server(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), socket);
        let _ = stream.write_all(b"220 only heard by those who trust\r\n");
        let _ = stream.read(&mut [0; 1024]);
    });
    address
}

/// A port on which nothing listens.
fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
