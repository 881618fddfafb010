//! How many leads a second come in over GraphQL and go out by webhook, and how long that takes, in both modes.
//!
//! `scripts/bench` starts the services and runs this. It starts a server as a child process, seeds an account through the
//! use cases, and is itself the load and the recipient: submit and arrival are thus measured by one clock. Everything is
//! on the loopback interface. docs/BENCHMARKS.md says what the figures mean.

mod client;
mod load;
mod processes;
mod receiver;
mod report;
mod seed;
mod server;
mod streams;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use leadmesh_core::config::Settings;

use load::{Load, Pace};
use processes::{Processes, Used};
use receiver::Receiver;
use report::Report;
use server::{Mode, Place, Running};

/// Leads before the measured ones, so that caches, pools and prepared statements are as in a server that has run for a while.
const WARM_UP: usize = 1_000;
/// Of the last outcomes to be recorded, before the time that the processes have used is read.
const SETTLE: Duration = Duration::from_millis(500);
/// Any run that takes longer is given up.
const LONGEST_RUN: Duration = Duration::from_mins(5);
/// Leads a second when the server is hardly used.
const LIGHT: u32 = 100;
/// Leads of a run with several destinations for each, at least.
const FEWEST: usize = 2_000;

/// As in the server, which this program contains.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "Measures leads a second and latencies")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only this mode: embedded or server (default: both, as far as there are services).
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Connections that submit at once, each as soon as it has its answer.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    clients: Vec<usize>,
    /// Webhooks that each lead goes to.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10])]
    fan_out: Vec<u16>,
    /// Leads of a run; with several destinations for each, so many fewer.
    #[arg(long, default_value_t = 20_000)]
    leads: usize,
    /// Leads of a run with one connection, at most.
    #[arg(long, default_value_t = 2_000)]
    leads_alone: usize,
    /// Seconds of the run with 100 leads a second; 0 leaves it out.
    #[arg(long, default_value_t = 10)]
    light_seconds: u32,
    /// Measure open subscriptions instead: what they cost, and how long events take.
    #[arg(long)]
    streams: bool,
    /// Sockets, each with one subscription.
    #[arg(long, default_value_t = 2_000)]
    sockets: usize,
    /// Portals that they follow.
    #[arg(long, default_value_t = 50)]
    portals: u16,
    /// Leads a second meanwhile.
    #[arg(long, default_value_t = 50)]
    stream_rate: u32,
    /// Seconds of that.
    #[arg(long, default_value_t = 30)]
    stream_seconds: u32,
    /// The server to start with `serve`, instead of one within this program.
    #[arg(long, env = "LEADMESH_BENCH_BINARY")]
    binary: Option<PathBuf>,
    /// A PostgreSQL in which databases may be created.
    #[arg(long, env = "LEADMESH_BENCH_DATABASE_URL", hide_env_values = true)]
    postgres: Option<String>,
    /// A Redis of our own.
    #[arg(long, env = "LEADMESH_BENCH_REDIS_URL", hide_env_values = true)]
    redis: Option<String>,
    /// Where `scripts/services` keeps both, to see what they use.
    #[arg(long, env = "LEADMESH_BENCH_SERVICES")]
    services: Option<PathBuf>,
    /// Results as lines of JSON are added to this file.
    #[arg(long, default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/throughput.jsonl"))]
    json: PathBuf,
    /// What cargo says to benchmarks.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Be the server that is measured, until standard input ends.
    #[command(hide = true)]
    Serve {
        #[command(flatten)]
        settings: Box<Settings>,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Serve { settings }) => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(server::serve(*settings)),
        // One thread, so that the load costs the server as little as possible.
        None => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(async {
                if arguments.streams {
                    streams::measure(&arguments).await
                } else {
                    measure(&arguments).await
                }
            }),
    }
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let mut report = Report::create(&arguments.json)?;
    for mode in modes(arguments)? {
        for fan_out in &arguments.fan_out {
            measure_server(arguments, mode, *fan_out, &mut report).await?;
        }
    }
    report.end()
}

fn modes(arguments: &Arguments) -> anyhow::Result<Vec<Mode>> {
    let has_services = arguments.postgres.is_some() && arguments.redis.is_some();
    match arguments.mode {
        Some(Mode::Server) if !has_services => anyhow::bail!(
            "the server mode needs LEADMESH_BENCH_DATABASE_URL and LEADMESH_BENCH_REDIS_URL: run scripts/bench, which starts both"
        ),
        Some(mode) => Ok(vec![mode]),
        None if has_services => Ok(vec![Mode::Embedded, Mode::Server]),
        None => Ok(vec![Mode::Embedded]),
    }
}

/// All runs on one server with a database of its own.
async fn measure_server(arguments: &Arguments, mode: Mode, fan_out: u16, report: &mut Report) -> anyhow::Result<()> {
    let receiver = Receiver::start().await?;
    let place = Place::new(mode, arguments.postgres.as_deref(), arguments.redis.as_deref()).await?;
    let target = seed::seed(&place, receiver.address(), fan_out).await?;
    let server = Running::start(&place, arguments.binary.as_deref()).await?;
    let processes = Processes::new(server.id(), arguments.services.as_deref());
    let closed = arguments.clients.iter().map(|clients| Load {
        leads: leads(arguments, *clients, fan_out),
        pace: Pace::Clients(*clients),
    });
    let light = (arguments.light_seconds > 0).then(|| Load {
        leads: usize::try_from(LIGHT * arguments.light_seconds).unwrap_or(usize::MAX),
        pace: Pace::PerSecond(LIGHT),
    });
    let warm_up = Load {
        leads: WARM_UP,
        pace: Pace::Clients(16),
    };
    load::run(&warm_up, &target, server.address(), &receiver).await?;
    for load in light.into_iter().chain(closed) {
        tokio::time::sleep(SETTLE).await;
        processes.forget_peak();
        let (before, own_load) = (processes.used(), processes::load_average());
        let run = load::run(&load, &target, server.address(), &receiver);
        let measured = tokio::time::timeout(LONGEST_RUN, run)
            .await
            .context("a run takes longer than five minutes: given up")??;
        tokio::time::sleep(SETTLE).await;
        let used: Used = processes.used().since(&before);
        report.add((mode, fan_out), &load, &measured, (&used, own_load))?;
    }
    Ok(())
}

fn leads(arguments: &Arguments, clients: usize, fan_out: u16) -> usize {
    let all = (arguments.leads / usize::from(fan_out.max(1))).max(FEWEST.min(arguments.leads));
    if clients == 1 {
        all.min(arguments.leads_alone)
    } else {
        all
    }
}
