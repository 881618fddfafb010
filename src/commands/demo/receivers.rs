//! The recipients of the demo's leads: an HTTP server and a mail server on this machine, just large enough for the demo.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;

use super::board::{BoardEvent, Channel};
use leadmesh_delivery::signing::{Secret, signature};

const LONGEST_LINE: u64 = 64 * 1024;

/// Running receivers; they end with the process.
pub(super) struct Receivers {
    pub(super) http: SocketAddr,
    pub(super) smtp: SocketAddr,
    secret: Arc<OnceLock<Secret>>,
}

#[derive(Clone)]
struct Hook {
    board: UnboundedSender<BoardEvent>,
    secret: Arc<OnceLock<Secret>>,
}

impl Receivers {
    /// Starts both receivers on these ports, or on free ones where none are given or they are taken.
    pub(super) async fn start(ports: Option<(u16, u16)>, board: UnboundedSender<BoardEvent>) -> anyhow::Result<Self> {
        let (http, smtp) = ports.unwrap_or_default();
        let (http, smtp) = (bind(http).await?, bind(smtp).await?);
        let receivers = Self {
            http: http.local_addr()?,
            smtp: smtp.local_addr()?,
            secret: Arc::default(),
        };
        let hook = Hook {
            board: board.clone(),
            secret: receivers.secret.clone(),
        };
        let router = Router::new().route("/leads", post(receive)).with_state(hook);
        tokio::spawn(async move { axum::serve(http, router).await });
        tokio::spawn(take_mails(smtp, board));
        Ok(receivers)
    }

    /// Refuses requests from now on that are not signed with this secret.
    pub(super) fn expect_signatures(&self, secret: &str) {
        if let Ok(secret) = Secret::parse(secret) {
            let _set_once = self.secret.set(secret);
        }
    }
}

async fn bind(port: u16) -> std::io::Result<TcpListener> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) if port > 0 => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
        Err(error) => Err(error),
    }
}

async fn receive(State(hook): State<Hook>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let timestamp = text("webhook-timestamp").parse().unwrap_or_default();
    let signed = hook.secret.get().is_some_and(|secret| {
        let expected = signature(std::slice::from_ref(secret), text("webhook-id"), timestamp, &body);
        text("webhook-signature").split(' ').any(|given| given == expected)
    });
    if !signed {
        return StatusCode::UNAUTHORIZED;
    }
    report(&hook.board, Channel::Webhook, text("leadmesh-lead-id"));
    StatusCode::OK
}

fn report(board: &UnboundedSender<BoardEvent>, channel: Channel, lead: &str) {
    // Sending fails only after the demo has stopped.
    let _nobody_listens = board.send(BoardEvent::arrived(channel, lead));
}

async fn take_mails(listener: TcpListener, board: UnboundedSender<BoardEvent>) {
    while let Ok((stream, _)) = listener.accept().await {
        let board = board.clone();
        let _slower_at_most = stream.set_nodelay(true);
        tokio::spawn(async move {
            if let Err(error) = converse(stream, &board).await {
                tracing::debug!(%error, "a connection to the demo's mail server broke");
            }
        });
    }
}

/// The part of SMTP (RFC 5321) that an email without extensions needs.
async fn converse(stream: TcpStream, board: &UnboundedSender<BoardEvent>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    write.write_all(b"220 demo.example\r\n").await?;
    let mut line = String::new();
    while next_line(&mut lines, &mut line).await? {
        let verb = line
            .split([' ', '\r', '\n'])
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let reply: &[u8] = match verb.as_str() {
            "EHLO" => b"250-demo.example\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let email = read_email(&mut lines).await?;
                email.report(board);
                b"250 taken\r\n"
            }
            "QUIT" => {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP" => b"250 fine\r\n",
            _ => b"502 not here\r\n",
        };
        write.write_all(reply).await?;
    }
    Ok(())
}

#[derive(Default)]
struct Email {
    lead: Option<String>,
    to: String,
    subject: String,
}

impl Email {
    fn report(self, board: &UnboundedSender<BoardEvent>) {
        match self.lead {
            Some(lead) => report(board, Channel::Email, &lead),
            None => {
                let _nobody_listens = board.send(BoardEvent::Mail {
                    to: self.to,
                    subject: self.subject,
                });
            }
        }
    }
}

/// Reads up to a line with a full stop alone, and keeps the headers that the demo shows.
async fn read_email(lines: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<Email> {
    let mut email = Email::default();
    let (mut line, mut in_header) = (String::new(), true);
    while next_line(lines, &mut line).await? {
        let text = line.trim_end();
        if text == "." {
            break;
        }
        in_header &= !text.is_empty();
        if let Some((name, value)) = text.split_once(": ").filter(|_| in_header) {
            match name.to_ascii_lowercase().as_str() {
                "leadmesh-lead-id" => email.lead = Some(value.to_owned()),
                "to" => value.clone_into(&mut email.to),
                "subject" => value.clone_into(&mut email.subject),
                _ => {}
            }
        }
    }
    Ok(email)
}

/// False at the end of the connection.
async fn next_line(lines: &mut (impl AsyncBufReadExt + Unpin), line: &mut String) -> std::io::Result<bool> {
    line.clear();
    let mut bytes = Vec::new();
    let mut limited = tokio::io::AsyncReadExt::take(lines, LONGEST_LINE);
    limited.read_until(b'\n', &mut bytes).await?;
    line.push_str(&String::from_utf8_lossy(&bytes));
    Ok(!bytes.is_empty())
}
