//! A running process: the API, the delivery worker, or both.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::descriptors;
use crate::housekeeping;
use leadmesh_core::app::App;
use leadmesh_core::config::ConfigError;
use leadmesh_core::crypto::key_holders;
use leadmesh_core::database::server_lock::ServerLock;
use leadmesh_core::database::time;
use leadmesh_core::identity::proof_setting;
use leadmesh_core::live::relay;
use leadmesh_delivery::supervision::restart_on_panic;
use leadmesh_delivery::worker::Worker;
use leadmesh_delivery::{erasure_notices, instance_mail};
use leadmesh_graphql::schema::{registry, schema};
use leadmesh_http::authenticate::AppAuthenticator;
use leadmesh_http::graphql::Endpoint;
use leadmesh_http::listen::{ListenLimits, serve};
use leadmesh_http::router;
use leadmesh_leads::intake::Intake;
use leadmesh_network::counter_writer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Both,
    Api,
    Worker,
}

pub struct Server {
    app: App,
    address: SocketAddr,
    worker: Option<Worker>,
    serving: JoinHandle<()>,
    /// Loops for the instance's email, housekeeping and deferred counters.
    chores: TaskTracker,
    stop: CancellationToken,
    /// Released when everything above has ended.
    _only: ServerLock,
}

impl Server {
    /// Serves on the listener, and on that for metrics where the settings name one. Refused where the installation's other
    /// processes have different settings of what all must agree on.
    pub async fn start(app: &App, role: Role, listener: TcpListener, only: ServerLock) -> anyhow::Result<Self> {
        let metrics = app.config.settings.metrics_listen.map(listen_for_metrics).transpose()?;
        let process = proof_setting::join(app).await?;
        let address = listener.local_addr().context("the listener has no address")?;
        let worker = match role {
            Role::Api => None,
            Role::Both | Role::Worker => Some(Worker::start(app)?),
        };
        let stop = CancellationToken::new();
        let hearing = (app.clone(), stop.clone());
        tokio::spawn(restart_on_panic(
            app.metrics.clone(),
            "receiving notices of other nodes",
            move || relay::relay(hearing.0.clone(), hearing.1.clone()),
        ));
        let chores = chores(app, role, process, &stop);
        let intake = Intake::start(app);
        let endpoint = Arc::new(Endpoint {
            shutdown: stop.clone(),
            open_sockets: app.metrics.sockets.clone(),
            metrics: app.metrics.clone(),
            writes: app.writes.clone(),
            ..Endpoint::new(
                schema(app.clone(), intake),
                registry(),
                AppAuthenticator::new(app.clone()),
            )
        });
        let sockets = endpoint.open_sockets.clone();
        let router = if role == Role::Worker {
            router::worker(app)
        } else {
            router::all(app, endpoint)
        };
        if let Some(metrics) = metrics {
            let limits = ListenLimits::default();
            chores.spawn(serve(
                metrics,
                router::metrics(app),
                limits,
                stop.clone(),
                TaskTracker::new(),
            ));
        }
        let serving = tokio::spawn(serve(listener, router, listen_limits(app), stop.clone(), sockets));
        Ok(Self {
            app: app.clone(),
            address,
            worker,
            serving,
            chores,
            stop,
            _only: only,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, finishes what is under way, gives leases back.
    pub async fn stop(self) {
        self.stop.cancel();
        drop(self.serving.await);
        // Before the worker, which takes over what they claimed.
        self.app.writes.finish().await;
        if let Some(worker) = self.worker {
            worker.stop().await;
        }
        self.chores.wait().await;
        counter_writer::flush(&self.app).await;
    }
}

/// As many connections as the limit of open files leaves after those of the database and deliveries, and half of them for one
/// address.
fn listen_limits(app: &App) -> ListenLimits {
    let settings = &app.config.settings;
    let reserved = u64::from(settings.database_connections) + u64::from(settings.concurrency);
    let wanted = ListenLimits::default().connections;
    let connections = descriptors::connections(wanted, reserved, descriptors::limit());
    if connections < wanted / 2 {
        tracing::warn!(
            connections,
            "the limit of open files leaves fewer connections of callers than {wanted}: raise it (ulimit -n, LimitNOFILE of systemd) to 65536"
        );
    }
    ListenLimits {
        connections,
        per_address: connections / 2,
        proxies: settings.trusted_proxies.clone(),
        ..ListenLimits::default()
    }
}

fn listen_for_metrics(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    let advice = "set LEADMESH_METRICS_LISTEN to an address of this machine and a free port";
    listener.map_err(|error| ConfigError::Set(format!("cannot listen on {address}: {error}; {advice}")).into())
}

/// The loops of a process. Each goes on after a panic, which ends one round of it.
fn chores(app: &App, role: Role, process: Uuid, stop: &CancellationToken) -> TaskTracker {
    let chores = Chores {
        app: app.clone(),
        stop: stop.clone(),
        tasks: TaskTracker::new(),
    };
    chores.spawn("announcing keys", move |app, stop| {
        key_holders::announce(process, app.db.clone(), app.clock.clone(), app.vault.clone(), stop)
    });
    chores.spawn("keeping time", |app, stop| {
        time::keep(app.db.clone(), app.clock.clone(), stop)
    });
    if role != Role::Api {
        chores.spawn("sending the instance's emails", instance_mail::run);
        chores.spawn("sending erasure notices", erasure_notices::run);
        chores.spawn("housekeeping", housekeeping::run);
        chores.spawn("notifying owners", housekeeping::notify_owners);
    }
    if role != Role::Worker {
        chores.spawn("writing deferred counters", counter_writer::run);
    }
    chores.tasks.close();
    chores.tasks
}

/// Loops of a process that restart after a panic.
struct Chores {
    app: App,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Chores {
    fn spawn<F>(&self, what: &'static str, begin: impl Fn(App, CancellationToken) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (app, stop) = (self.app.clone(), self.stop.clone());
        let metrics = app.metrics.clone();
        self.tasks.spawn(restart_on_panic(metrics, what, move || {
            begin(app.clone(), stop.clone())
        }));
    }
}
