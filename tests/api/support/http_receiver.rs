//! A web server that plays a partner's endpoint: it records what arrives and answers as told, well or badly.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes, to_bytes};
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::certificate;

/// How long a test waits for something that is to arrive before it fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of a long body that are sent at a time.
const CHUNK: usize = 16_384;

/// A running receiver. It stops when it is dropped.
pub(crate) struct HttpReceiver {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// 1 for the first request of this receiver.
    pub(crate) number: usize,
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) at: Instant,
    /// The sender's address; the same port means the same connection.
    pub(crate) peer: SocketAddr,
}

/// What the receiver does with a request. Start from one of the constructors, change it with the other methods.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Script,
    delay: Duration,
    hold: Option<Arc<Semaphore>>,
}

#[derive(Clone, Debug)]
enum Script {
    Whole(Bytes),
    Drip {
        every: Duration,
        times: usize,
    },
    Endless,
    /// So many bytes.
    Long(usize),
    Hang,
    Reset,
}

type Respond = Arc<dyn Fn(usize, &Received) -> Answer + Send + Sync>;

struct State {
    respond: Mutex<Respond>,
    received: Mutex<Vec<Arc<Received>>>,
    unread: Mutex<VecDeque<Arc<Received>>>,
    count: watch::Sender<usize>,
    connections: AtomicUsize,
    active: AtomicUsize,
    most_active: AtomicUsize,
    /// Ends the connections that there are.
    broken: Notify,
}

impl HttpReceiver {
    /// Listens on a free port of 127.0.0.1 and answers everything with 200 until told otherwise.
    pub(crate) async fn start() -> Self {
        Self::listen(None).await
    }

    /// Over TLS, with HTTP/2 for those who want it. The second is its certificate as PEM: whom nobody told to trust it will not.
    pub(crate) async fn start_tls() -> (Self, String) {
        let (config, pem) = certificate::server(&["h2", "http/1.1"]);
        (Self::listen(Some(TlsAcceptor::from(Arc::new(config)))).await, pem)
    }

    async fn listen(tls: Option<TlsAcceptor>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            respond: Mutex::new(Arc::new(|_, _| Answer::status(200))),
            received: Mutex::default(),
            unread: Mutex::default(),
            count: watch::Sender::new(0),
            connections: AtomicUsize::new(0),
            active: AtomicUsize::new(0),
            most_active: AtomicUsize::new(0),
            broken: Notify::new(),
        });
        let accepting = tokio::spawn(accept(listener, tls, state.clone()));
        Self {
            address,
            scheme,
            state,
            accepting,
        }
    }

    /// The receiver's URL with a path, which starts with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Answers by a function of the request and its number (the first is 1), from the next request on.
    pub(crate) fn respond(&self, respond: impl Fn(usize, &Received) -> Answer + Send + Sync + 'static) -> &Self {
        *self.state.respond.lock().unwrap() = Arc::new(respond);
        self
    }

    /// Answers every request alike.
    pub(crate) fn answer(&self, answer: Answer) -> &Self {
        self.respond(move |_, _| answer.clone())
    }

    /// Gives these answers in turn, counted from the receiver's first request, and the last one for ever.
    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Answer>) -> &Self {
        let answers: Vec<Answer> = answers.into_iter().collect();
        self.respond(move |number, _| answers[(number - 1).min(answers.len() - 1)].clone())
    }

    /// The next request that no earlier call has returned, in the order of arrival; waits for it.
    pub(crate) async fn next(&self) -> Arc<Received> {
        let mut count = self.state.count.subscribe();
        let found = async {
            loop {
                count.borrow_and_update();
                if let Some(request) = self.state.unread.lock().unwrap().pop_front() {
                    return request;
                }
                count.changed().await.unwrap();
            }
        };
        let late = format!("no further request came after {}", self.count());
        timeout(PATIENCE, found).await.expect(&late)
    }

    /// Waits until at least `n` requests have arrived, and returns all there are.
    pub(crate) async fn wait_for(&self, n: usize) -> Vec<Arc<Received>> {
        let mut count = self.state.count.subscribe();
        // What is waited for is a lock on the count, which must be gone before the requests are locked.
        let came = timeout(PATIENCE, count.wait_for(|count| *count >= n)).await.is_ok();
        assert!(came, "{} of {n} requests came", self.count());
        self.requests()
    }

    /// All requests so far, in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<Arc<Received>> {
        self.state.received.lock().unwrap().clone()
    }

    /// How many requests have arrived.
    pub(crate) fn count(&self) -> usize {
        *self.state.count.borrow()
    }

    /// How many connections have been accepted, closed ones included.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Breaks all connections that there are over TLS, and with them what is under way on them.
    pub(crate) fn break_connections(&self) {
        self.state.broken.notify_waiters();
    }

    /// How many requests were waiting for their answer at once, at most. An answer counts as given when its headers
    /// are; what drips afterwards is not counted.
    pub(crate) fn most_active(&self) -> usize {
        self.state.most_active.load(Ordering::SeqCst)
    }
}

impl Drop for HttpReceiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Received {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Answer {
    /// A status with an empty body.
    pub(crate) fn status(status: u16) -> Self {
        Self::scripted(status, Script::Whole(Bytes::new()))
    }

    /// 200 with a JSON body.
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        Self::status(200)
            .header("content-type", "application/json")
            .body(value.to_string())
    }

    /// Never answers.
    pub(crate) fn hang() -> Self {
        Self::scripted(200, Script::Hang)
    }

    /// Breaks the connection with a reset instead of answering.
    pub(crate) fn reset() -> Self {
        Self::scripted(200, Script::Reset)
    }

    /// Headers at once, then so many single bytes, one after each pause.
    pub(crate) fn drip(status: u16, every: Duration, times: usize) -> Self {
        Self::scripted(status, Script::Drip { every, times })
    }

    /// Headers at once, then a body without end, as fast as it is read.
    pub(crate) fn endless(status: u16) -> Self {
        Self::scripted(status, Script::Endless)
    }

    /// Headers at once, then a body of so many bytes, as fast as it is read.
    pub(crate) fn long(status: u16, bytes: usize) -> Self {
        Self::scripted(status, Script::Long(bytes))
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Script::Whole(body.into());
        self
    }

    /// Takes this long before it answers.
    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Answers one request for every permit that is added, however early or late.
    pub(crate) fn hold(mut self, permits: Arc<Semaphore>) -> Self {
        self.hold = Some(permits);
        self
    }

    fn scripted(status: u16, body: Script) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
            delay: Duration::ZERO,
            hold: None,
        }
    }

    fn into_response(self) -> Response<Body> {
        let body = match self.body {
            Script::Whole(bytes) => Body::from(bytes),
            Script::Drip { every, times } => drip(every, times),
            Script::Endless => Body::from_stream(stream::repeat_with(|| {
                Ok::<_, Infallible>(Bytes::from_static(&[b'x'; CHUNK]))
            })),
            Script::Long(bytes) => {
                let chunk = || Ok::<_, Infallible>(Bytes::from_static(&[b'x'; CHUNK]));
                Body::from_stream(stream::repeat_with(chunk).take(bytes.div_ceil(CHUNK)))
            }
            Script::Hang | Script::Reset => unreachable!("never answered"),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status.try_into().unwrap();
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().unwrap();
            response
                .headers_mut()
                .append(name, HeaderValue::from_str(value).unwrap());
        }
        response
    }
}

fn drip(every: Duration, times: usize) -> Body {
    let drops = stream::unfold(0, move |sent| async move {
        if sent == times {
            return None;
        }
        tokio::time::sleep(every).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(b".")), sent + 1))
    });
    Body::from_stream(drops)
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let mut serving = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, peer)) = listener.accept() => {
                state.connections.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                match tls.clone() {
                    None => serving.spawn(serve(stream, peer, state.clone())),
                    Some(tls) => serving.spawn(serve_tls(stream, tls, peer, state.clone())),
                };
            }
            Some(_) = serving.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, state: Arc<State>) {
    let reset = Arc::new(Notify::new());
    let wanted = reset.clone();
    let service = service_fn(move |request| answer(request, peer, state.clone(), reset.clone()));
    let mut server = http1::Builder::new();
    let mut connection = server
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = &mut connection => {}
        () = wanted.notified() => {
            // Closing with a zero linger time sends RST.
            let _ = connection.into_parts().io.into_inner().set_zero_linger();
        }
    }
}

async fn serve_tls(stream: TcpStream, tls: TlsAcceptor, peer: SocketAddr, state: Arc<State>) {
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let served = state.clone();
    // A single request cannot be reset here: an HTTP/2 connection belongs to many.
    let service = service_fn(move |request| answer(request, peer, served.clone(), Arc::default()));
    let server = auto::Builder::new(TokioExecutor::new());
    tokio::select! {
        _ = server.serve_connection(TokioIo::new(stream), service) => {}
        () = state.broken.notified() => {}
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    state: Arc<State>,
    reset: Arc<Notify>,
) -> Result<Response<Body>, Infallible> {
    let _active = Active::begin(&state);
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(Body::new(body), usize::MAX).await else {
        return pending().await;
    };
    let received = Received {
        number: 0,
        method: head.method,
        version: head.version,
        uri: head.uri,
        headers: head.headers,
        body,
        at: Instant::now(),
        peer,
    };
    let received = state.record(received);
    let respond = state.respond.lock().unwrap().clone();
    let answer = respond(received.number, &received);
    if let Some(permits) = &answer.hold {
        permits.acquire().await.unwrap().forget();
    }
    if !answer.delay.is_zero() {
        tokio::time::sleep(answer.delay).await;
    }
    match answer.body {
        Script::Hang => pending().await,
        Script::Reset => {
            reset.notify_one();
            pending().await
        }
        _ => Ok(answer.into_response()),
    }
}

impl State {
    fn record(&self, request: Received) -> Arc<Received> {
        let mut all = self.received.lock().unwrap();
        let request = Arc::new(Received {
            number: all.len() + 1,
            ..request
        });
        all.push(request.clone());
        self.unread.lock().unwrap().push_back(request.clone());
        self.count.send_replace(all.len());
        request
    }
}

/// Counts a request for as long as it waits, also when the client gives up.
struct Active(Arc<State>);

impl Active {
    fn begin(state: &Arc<State>) -> Self {
        let now = state.active.fetch_add(1, Ordering::SeqCst) + 1;
        state.most_active.fetch_max(now, Ordering::SeqCst);
        Self(state.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::SeqCst);
    }
}
