//! A mail server that keeps what it is sent and refuses what it is told to refuse.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use tokio_rustls::TlsAcceptor;

use super::certificate;
use super::mail::ReceivedMail;

const PATIENCE: Duration = Duration::from_secs(20);

/// A running mail server. It stops when it is dropped.
pub(crate) struct SmtpReceiver {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

/// What the script is asked about, in the order of a dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// A connection was made.
    Connect,
    /// Somebody logs in; the second text is the password.
    Auth(&'a str, &'a str),
    /// The sender.
    Mail(&'a str),
    /// One recipient.
    Rcpt(&'a str),
    /// The command before the content.
    Data,
    /// The content, as it came.
    Content(&'a str),
}

/// A scripted reaction.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Code and text, as in `451 try later`.
    Say(&'static str),
    /// Says nothing, and keeps the connection open.
    Hang,
    /// Closes the connection without a word.
    Close,
}

/// `None` is the ordinary reaction of a server that takes everything. The number counts the mails begun (MAIL
/// commands) so far, this one included: 1 during the first mail.
type Respond = Arc<dyn Fn(usize, Step<'_>) -> Option<Reply> + Send + Sync>;

struct State {
    respond: Mutex<Respond>,
    greeting: Mutex<Vec<&'static str>>,
    mails: Mutex<Vec<Arc<ReceivedMail>>>,
    count: watch::Sender<usize>,
    begun: AtomicUsize,
    connections: AtomicUsize,
}

impl SmtpReceiver {
    /// Listens on a free port of 127.0.0.1, offers login, and takes every mail until told otherwise.
    pub(crate) async fn start() -> Self {
        Self::listen(None).await
    }

    /// Speaks TLS from the first byte, or offers STARTTLS and takes nothing without it. The second is its certificate as PEM: whom
    /// nobody told to trust it will not.
    pub(crate) async fn start_tls(implicit: bool) -> (Self, String) {
        let (config, pem) = certificate::server(&[]);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        (Self::listen(Some(Tls { acceptor, implicit })).await, pem)
    }

    async fn listen(tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            respond: Mutex::new(Arc::new(|_, _| None)),
            greeting: Mutex::new(vec!["8BITMIME", "SMTPUTF8", "AUTH PLAIN LOGIN"]),
            mails: Mutex::default(),
            count: watch::Sender::new(0),
            begun: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, tls, state.clone()));
        Self {
            address,
            state,
            accepting,
        }
    }

    pub(crate) fn host(&self) -> String {
        self.address.ip().to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Reacts by a function of the mail's number and the step.
    pub(crate) fn respond(&self, respond: impl Fn(usize, Step<'_>) -> Option<Reply> + Send + Sync + 'static) -> &Self {
        *self.state.respond.lock().unwrap() = Arc::new(respond);
        self
    }

    /// Offers these extensions to EHLO instead of 8BITMIME, SMTPUTF8 and AUTH.
    pub(crate) fn offer(&self, extensions: impl IntoIterator<Item = &'static str>) -> &Self {
        *self.state.greeting.lock().unwrap() = extensions.into_iter().collect();
        self
    }

    /// Waits until at least `n` mails have been taken, and returns all there are.
    pub(crate) async fn wait_for(&self, n: usize) -> Vec<Arc<ReceivedMail>> {
        let mut count = self.state.count.subscribe();
        let waited = timeout(PATIENCE, count.wait_for(|count| *count >= n)).await;
        assert!(waited.is_ok(), "{} of {n} mails came", self.count());
        self.mails()
    }

    /// All mails taken so far.
    pub(crate) fn mails(&self) -> Vec<Arc<ReceivedMail>> {
        self.state.mails.lock().unwrap().clone()
    }

    /// How many mails have been taken.
    pub(crate) fn count(&self) -> usize {
        *self.state.count.borrow()
    }

    /// How many mails have been begun, refused ones included.
    pub(crate) fn begun(&self) -> usize {
        self.state.begun.load(Ordering::SeqCst)
    }

    /// How many connections have been accepted, closed ones included.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for SmtpReceiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[derive(Clone)]
struct Tls {
    acceptor: TlsAcceptor,
    implicit: bool,
}

async fn accept(listener: TcpListener, tls: Option<Tls>, state: Arc<State>) {
    let mut serving = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                stream.set_nodelay(true).unwrap();
                state.connections.fetch_add(1, Ordering::SeqCst);
                let dialogue = Dialogue { stream: plain(stream), tls: tls.clone(), state: state.clone(), mail: ReceivedMail::default() };
                serving.spawn(dialogue.run());
            }
            Some(_) = serving.join_next() => {}
        }
    }
}

/// What a dialogue is held over.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

fn plain(stream: impl Wire + 'static) -> BufReader<Box<dyn Wire>> {
    BufReader::new(Box::new(stream))
}

struct Dialogue {
    stream: BufReader<Box<dyn Wire>>,
    /// Until it is secured.
    tls: Option<Tls>,
    state: Arc<State>,
    mail: ReceivedMail,
}

/// The connection is over.
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

impl Dialogue {
    async fn run(mut self) {
        if self.tls.as_ref().is_some_and(|tls| tls.implicit) && self.secure().await.is_err() {
            return;
        }
        if let Ok(true) = self.react(Step::Connect, "220 receiver.test ESMTP").await {
            while self.command().await.is_ok() {}
        }
    }

    async fn command(&mut self) -> Result<(), Over> {
        let line = self.line().await?;
        let upper = line.to_ascii_uppercase();
        match upper.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" | "HELO" => {
                line.split_once(' ')
                    .map_or("", |(_, name)| name)
                    .clone_into(&mut self.mail.hello);
                self.greet().await
            }
            "STARTTLS" if self.tls.is_some() => {
                self.say("220 go ahead").await?;
                self.secure().await
            }
            "AUTH" | "MAIL" if self.tls.is_some() => self.say("530 first STARTTLS").await,
            "AUTH" => self.log_in(&line).await,
            "MAIL" => self.sender(&line).await,
            "RCPT" => self.recipient(&line).await,
            "DATA" => self.content().await,
            "RSET" => {
                self.forget();
                self.say("250 ok").await
            }
            "NOOP" => self.say("250 ok").await,
            "QUIT" => {
                self.say("221 bye").await?;
                Err(Over)
            }
            _ => self.say("502 unknown command").await,
        }
    }

    async fn greet(&mut self) -> Result<(), Over> {
        let mut extensions = self.state.greeting.lock().unwrap().clone();
        if self.tls.is_some() {
            extensions = vec!["STARTTLS"];
        }
        let lines: Vec<String> = extensions
            .iter()
            .map(|extension| format!("250-{extension}\r\n"))
            .collect();
        self.say(&format!("250-receiver.test\r\n{}250 HELP", lines.concat()))
            .await
    }

    async fn secure(&mut self) -> Result<(), Over> {
        let tls = self.tls.take().ok_or(Over)?;
        let (unread, _) = tokio::io::duplex(1);
        let stream = std::mem::replace(&mut self.stream, plain(unread)).into_inner();
        self.stream = plain(tls.acceptor.accept(stream).await?);
        self.mail.secured = true;
        Ok(())
    }

    async fn log_in(&mut self, line: &str) -> Result<(), Over> {
        let mut words = line.split(' ').skip(1);
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        let initial = words.next().map(decode);
        let (user, password) = if mechanism == "PLAIN" {
            let all = match initial {
                Some(text) => text,
                None => self.ask("334 ").await?,
            };
            let mut parts = all.split('\0').skip(1).map(str::to_owned);
            (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
        } else if mechanism == "XOAUTH2" {
            let all = match initial {
                Some(text) => text,
                None => self.ask("334 ").await?,
            };
            let part = |name: &str| {
                all.split('\u{1}')
                    .find_map(|part| part.strip_prefix(name))
                    .unwrap_or_default()
            };
            (part("user=").to_owned(), part("auth=Bearer ").to_owned())
        } else {
            let user = match initial {
                Some(text) => text,
                None => self.ask("334 VXNlcm5hbWU6").await?,
            };
            (user, self.ask("334 UGFzc3dvcmQ6").await?)
        };
        if self.react(Step::Auth(&user, &password), "235 welcome").await? {
            self.mail.user = Some(user);
        }
        Ok(())
    }

    async fn sender(&mut self, line: &str) -> Result<(), Over> {
        self.state.begun.fetch_add(1, Ordering::SeqCst);
        self.forget();
        let sender = address(line);
        if self.react(Step::Mail(&sender), "250 ok").await? {
            self.mail.from = sender;
        }
        Ok(())
    }

    async fn recipient(&mut self, line: &str) -> Result<(), Over> {
        let recipient = address(line);
        if self.react(Step::Rcpt(&recipient), "250 ok").await? {
            self.mail.recipients.push(recipient);
        }
        Ok(())
    }

    async fn content(&mut self) -> Result<(), Over> {
        if self.mail.recipients.is_empty() {
            return self.say("503 no recipients").await;
        }
        if !self.react(Step::Data, "354 go on").await? {
            return Ok(());
        }
        let mut content = String::new();
        loop {
            let line = self.line().await?;
            if line == "." {
                break;
            }
            content.push_str(line.strip_prefix('.').unwrap_or(&line));
            content.push_str("\r\n");
        }
        let reaction = self.judge(Step::Content(&content));
        if reaction.is_none() {
            self.state.record(ReceivedMail {
                content,
                ..self.mail.clone()
            });
        }
        self.forget();
        self.carry_out(reaction, "250 queued").await.map(|_| ())
    }

    /// Whether the step was taken.
    async fn react(&mut self, step: Step<'_>, usual: &str) -> Result<bool, Over> {
        let reaction = self.judge(step);
        self.carry_out(reaction, usual).await
    }

    async fn carry_out(&mut self, reaction: Option<Reply>, usual: &str) -> Result<bool, Over> {
        match reaction {
            None => self.say(usual).await.map(|()| true),
            Some(Reply::Say(text)) => self.say(text).await.map(|()| text.starts_with(['2', '3'])),
            Some(Reply::Hang) => std::future::pending().await,
            Some(Reply::Close) => Err(Over),
        }
    }

    fn judge(&self, step: Step<'_>) -> Option<Reply> {
        let respond = self.state.respond.lock().unwrap().clone();
        respond(self.state.begun.load(Ordering::SeqCst), step)
    }

    async fn ask(&mut self, question: &str) -> Result<String, Over> {
        self.say(question).await?;
        self.line().await.map(|line| decode(&line))
    }

    async fn say(&mut self, text: &str) -> Result<(), Over> {
        Ok(self.stream.write_all(format!("{text}\r\n").as_bytes()).await?)
    }

    async fn line(&mut self) -> Result<String, Over> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line).await? == 0 {
            return Err(Over);
        }
        let text = String::from_utf8_lossy(&line);
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn forget(&mut self) {
        self.mail = ReceivedMail {
            user: self.mail.user.take(),
            hello: std::mem::take(&mut self.mail.hello),
            secured: self.mail.secured,
            ..ReceivedMail::default()
        };
    }
}

impl State {
    fn record(&self, mail: ReceivedMail) {
        let mut mails = self.mails.lock().unwrap();
        mails.push(Arc::new(mail));
        self.count.send_replace(mails.len());
    }
}

/// What stands between the angle brackets.
fn address(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(|| line.to_owned(), |(address, _)| address.to_owned())
}

fn decode(text: &str) -> String {
    String::from_utf8_lossy(&STANDARD.decode(text.trim()).unwrap_or_default()).into_owned()
}
