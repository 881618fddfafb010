//! A schema whose fields do what a transport has to cope with.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_graphql::{Context, InputObject, Object, Schema, SimpleObject, Subscription, connection::query};
use futures::{Stream, StreamExt, stream};
use leadmesh_core::error::Error;
use tokio::sync::{Mutex, mpsc};

pub(super) type TestSchema = Schema<Query, Mutation, Events>;

/// Who is asking, as the test's authentication found out.
#[derive(Clone)]
pub(super) struct Actor(pub(super) String);

/// What tests look at from outside.
#[derive(Clone, Default)]
pub(super) struct Probe(Arc<ProbeInner>);

#[derive(Default)]
struct ProbeInner {
    mutations: AtomicUsize,
    produced: AtomicUsize,
    streams: AtomicUsize,
    /// What `pushed` streams emit, for the next subscriber.
    next_push: Mutex<Option<mpsc::UnboundedReceiver<i32>>>,
}

impl Probe {
    pub(super) fn mutations(&self) -> usize {
        self.0.mutations.load(Ordering::SeqCst)
    }

    /// Events that endless streams have made.
    pub(super) fn produced(&self) -> usize {
        self.0.produced.load(Ordering::SeqCst)
    }

    /// Streams, and queries without end, that exist.
    pub(super) fn streams(&self) -> usize {
        self.0.streams.load(Ordering::SeqCst)
    }

    /// The other end of the next `pushed` subscription.
    pub(super) async fn pusher(&self) -> mpsc::UnboundedSender<i32> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.0.next_push.lock().await = Some(receiver);
        sender
    }

    fn count_stream(&self) -> Alive {
        self.0.streams.fetch_add(1, Ordering::SeqCst);
        Alive(self.clone())
    }
}

struct Alive(Probe);

impl Alive {
    /// Makes a closure own it.
    fn hold(&self) {
        debug_assert!(self.0.streams() > 0);
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.0.streams.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) fn build(probe: Probe) -> TestSchema {
    Schema::build(Query, Mutation, Events).data(probe).finish()
}

pub(super) struct Query;
pub(super) struct Mutation;
pub(super) struct Events;

#[derive(SimpleObject)]
#[graphql(complex)]
struct Lead {
    id: i32,
}

#[async_graphql::ComplexObject]
impl Lead {
    async fn similar(&self) -> Lead {
        Lead { id: self.id + 1 }
    }
}

#[derive(InputObject)]
struct Pair {
    left: i32,
    right: Option<i32>,
}

#[Object]
impl Query {
    async fn hello(&self, name: Option<String>) -> String {
        format!("hello {}", name.as_deref().unwrap_or("world"))
    }

    async fn sum(&self, pair: Pair) -> i32 {
        pair.left + pair.right.unwrap_or_default()
    }

    async fn bounded(&self, #[graphql(validator(maximum = 5))] n: i32) -> i32 {
        n
    }

    async fn actor(&self, ctx: &Context<'_>) -> Option<String> {
        ctx.data_opt::<Actor>().map(|actor| actor.0.clone())
    }

    async fn lead(&self) -> Lead {
        Lead { id: 1 }
    }

    /// A page that forgets to turn the library's errors into its own.
    async fn ids(
        &self,
        first: Option<i32>,
        last: Option<i32>,
    ) -> async_graphql::Result<async_graphql::connection::Connection<i32, Lead>> {
        query(None, None, first, last, |_, _, _, _| async {
            Ok::<_, async_graphql::Error>(async_graphql::connection::Connection::new(false, false))
        })
        .await
    }

    /// Only an `Option` outside the `Result` keeps an error within its field; `Result<Option<_>>` voids the parent.
    async fn missing(&self) -> Option<Result<i32, Arc<Error>>> {
        Some(Err(Arc::new(Error::NotFound("lead"))))
    }

    async fn database(&self) -> Result<Option<i32>, std::io::Error> {
        Err(std::io::Error::other("secret connection string"))
    }

    async fn internal(&self) -> Result<Option<i32>, Error> {
        Err(Error::Internal(anyhow::anyhow!("secret cause")))
    }

    #[expect(clippy::disallowed_methods, reason = "shows that such an error is masked")]
    async fn hand_made(&self) -> async_graphql::Result<Option<i32>> {
        Err(async_graphql::Error::new("secret text"))
    }

    async fn required(&self) -> Result<i32, Error> {
        Err(Error::Forbidden("not yours"))
    }

    async fn panics(&self) -> i32 {
        let nothing: Vec<i32> = Vec::new();
        *nothing.first().expect("a resolver that panics, on purpose")
    }

    async fn never(&self, ctx: &Context<'_>) -> i32 {
        let _alive = ctx.data_unchecked::<Probe>().count_stream();
        std::future::pending().await
    }
}

#[Object]
impl Mutation {
    async fn bump(&self, ctx: &Context<'_>) -> usize {
        ctx.data_unchecked::<Probe>().0.mutations.fetch_add(1, Ordering::SeqCst) + 1
    }
}

#[Subscription]
impl Events {
    async fn count(&self, ctx: &Context<'_>, to: i32) -> impl Stream<Item = i32> {
        let alive = ctx.data_unchecked::<Probe>().count_stream();
        stream::iter(1..=to).inspect(move |_| alive.hold())
    }

    async fn silent(&self, ctx: &Context<'_>) -> impl Stream<Item = i32> {
        let alive = ctx.data_unchecked::<Probe>().count_stream();
        stream::pending().inspect(move |_: &i32| alive.hold())
    }

    async fn endless(&self, ctx: &Context<'_>) -> impl Stream<Item = String> {
        let probe = ctx.data_unchecked::<Probe>().clone();
        let alive = probe.count_stream();
        stream::repeat_with(move || {
            alive.hold();
            let number = probe.0.produced.fetch_add(1, Ordering::SeqCst);
            format!("{number:08} {}", "x".repeat(1_000))
        })
    }

    async fn pushed(&self, ctx: &Context<'_>) -> impl Stream<Item = i32> {
        let receiver = ctx
            .data_unchecked::<Probe>()
            .0
            .next_push
            .lock()
            .await
            .take()
            .expect("a pusher");
        stream::unfold(receiver, |mut receiver| async {
            Some((receiver.recv().await?, receiver))
        })
    }

    async fn refused(&self) -> Result<stream::Empty<i32>, Error> {
        Err(Error::Forbidden("not your stream"))
    }

    async fn broken(&self) -> Result<stream::Empty<i32>, std::io::Error> {
        Err(std::io::Error::other("secret stream"))
    }

    async fn flaky(&self) -> impl Stream<Item = Result<i32, Arc<std::io::Error>>> {
        stream::iter([Ok(1), Err(Arc::new(std::io::Error::other("secret event"))), Ok(3)])
    }

    async fn late(&self) -> impl Stream<Item = Result<i32, Arc<Error>>> {
        stream::iter([Err(Arc::new(Error::NotFound("cursor"))), Ok(2)])
    }

    async fn panicking(&self) -> impl Stream<Item = i32> {
        stream::iter([1, 2]).inspect(|n| assert!(*n < 2, "a stream that panics, on purpose"))
    }

    async fn actor(&self, ctx: &Context<'_>) -> impl Stream<Item = String> {
        stream::iter([ctx.data_unchecked::<Actor>().0.clone()])
    }
}
