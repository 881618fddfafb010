//! Sockets that follow portals, and when each of them was told of what.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const FOLLOW: &str = "subscription { portalLeads { cursor kind lead { id title status } } }";
/// Files that the process needs beside its sockets.
const OTHERS: usize = 100;

/// A socket was told of a lead.
pub(crate) struct Arrival {
    pub(crate) socket: usize,
    /// As the sender has numbered the lead.
    pub(crate) number: usize,
    pub(crate) at: Instant,
}

/// Open sockets.
pub(crate) struct Sockets {
    told: UnboundedReceiver<Arrival>,
}

impl Sockets {
    /// Opens so many, over all portals in turn; all of them follow when this returns, give or take the time of one answer.
    pub(crate) async fn open(address: SocketAddr, tokens: &[String], count: usize) -> anyhow::Result<Self> {
        let (teller, told) = unbounded_channel();
        for (number, token) in tokens.iter().cycle().take(count).enumerate() {
            let socket = connect(address, token).await?;
            tokio::spawn(follow(number, socket, teller.clone()));
        }
        Ok(Self { told })
    }

    /// What they were told, once that is so much or nothing comes any more.
    pub(crate) async fn take(mut self, count: usize, patience: Duration) -> Vec<Arrival> {
        let mut arrivals = Vec::with_capacity(count);
        while arrivals.len() < count
            && let Ok(Some(arrival)) = tokio::time::timeout(patience, self.told.recv()).await
        {
            arrivals.push(arrival);
        }
        // A repetition would come right behind.
        tokio::time::sleep(Duration::from_millis(500)).await;
        while let Ok(arrival) = self.told.try_recv() {
            arrivals.push(arrival);
        }
        arrivals
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(address: SocketAddr, token: &str) -> anyhow::Result<Socket> {
    let mut request = format!("ws://{address}/graphql").into_client_request()?;
    let protocol = "graphql-transport-ws".parse()?;
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
    let introduction = json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {token}")}});
    socket.send(Message::text(introduction.to_string())).await?;
    loop {
        match socket.next().await.context("a socket was closed")?? {
            Message::Text(text) if text.contains("connection_ack") => break,
            Message::Ping(_) => {}
            other => bail!("a socket was not let in: {other:?}"),
        }
    }
    let subscribe = json!({"type": "subscribe", "id": "1", "payload": {"query": FOLLOW}});
    socket.send(Message::text(subscribe.to_string())).await?;
    Ok(socket)
}

/// Tells of each event; ends with the socket, which then shows as events that were lost.
async fn follow(number: usize, mut socket: Socket, teller: UnboundedSender<Arrival>) {
    while let Some(Ok(message)) = socket.next().await {
        let at = Instant::now();
        if let Message::Text(text) = message
            && let Some(lead) = lead(&text)
        {
            drop(teller.send(Arrival {
                socket: number,
                number: lead,
                at,
            }));
        }
    }
}

/// The number at the end of the lead's name.
fn lead(text: &str) -> Option<usize> {
    let message: Value = serde_json::from_str(text).ok()?;
    let title = message.pointer("/payload/data/portalLeads/lead/title")?.as_str()?;
    title.rsplit(' ').next()?.parse().ok()
}

/// Refuses to begin where the system does not let a process open so many files.
pub(crate) fn check_limit(sockets: usize) -> anyhow::Result<()> {
    let Ok(limits) = std::fs::read_to_string("/proc/self/limits") else {
        return Ok(());
    };
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse::<usize>().ok());
    let needed = sockets + OTHERS;
    ensure!(
        soft.is_none_or(|soft| soft >= needed),
        "a process may open too few files here: `ulimit -n {needed}` first"
    );
    Ok(())
}
