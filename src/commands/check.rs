//! `leadmesh check`: tests the settings and the stores, and says what to set.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::logs;
use super::serve::mode;
use crate::descriptors;
use leadmesh_core::app::connect_redis;
use leadmesh_core::clock::Clock;
use leadmesh_core::config::store_address::display;
use leadmesh_core::config::{Config, Settings};
use leadmesh_core::crypto::{Vault, master_key};
use leadmesh_core::database::{self, Db, time};
use leadmesh_core::identity::proof_setting;
use leadmesh_delivery::instance_mail;

/// A check without an answer by then has failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Some mail servers greet only after six seconds, against senders of spam.
const MAIL: Duration = Duration::from_secs(8);
/// The operator sees immediately that Redis is away, and can repeat the check.
const REDIS_RETRIES: usize = 1;

/// Enough open files for all connections of callers, the database and deliveries.
const ENOUGH_FILES: u64 = 32_768;
/// Beyond this offset other servers refuse certificates and signatures.
const FAR_OFF: TimeDelta = TimeDelta::minutes(1);

/// A network with a shorter prefix holds more than a company's proxies: the largest private networks have 8 bits in IPv4 and 7
/// in IPv6.
const NARROWEST: u8 = 7;

/// The result of one check.
enum Found {
    Right(String),
    /// Works, but may surprise.
    Note(String),
    Wrong(String),
}

struct Report<'a, W> {
    out: &'a mut W,
    wrong: bool,
}

impl<W: Write> Report<'_, W> {
    fn add(&mut self, what: &str, found: Found) -> std::io::Result<()> {
        let (mark, text) = match found {
            Found::Right(text) => ("ok   ", text),
            Found::Note(text) => ("note ", text),
            Found::Wrong(text) => {
                self.wrong = true;
                ("WRONG", text)
            }
        };
        writeln!(self.out, "{mark} {what:<10} {text}")?;
        // Notifies those who wait for a check.
        self.out.flush()
    }

    /// Adds the result of a check, or `late` if it does not end in time.
    async fn wait(&mut self, what: &str, check: impl Future<Output = Found>, late: &str) -> std::io::Result<()> {
        let found = timeout(PATIENCE, check).await;
        self.add(what, found.unwrap_or_else(|_elapsed| too_late(late)))
    }
}

fn too_late(advice: &str) -> Found {
    Found::Wrong(format!("no answer within {} seconds; {advice}", PATIENCE.as_secs()))
}

/// Checks everything and reports what it found. The exit code is 2 when a setting has to change.
pub(super) async fn check(settings: Settings, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    logs::start(&settings.log, settings.log_format)?;
    let mut report = Report { out, wrong: false };
    match Config::new(settings) {
        Err(error) => report.add("settings", Found::Wrong(error.to_string()))?,
        Ok(config) => {
            let text = format!("{} mode, reached at {}", mode(&config), config.public_url);
            report.add("settings", Found::Right(text))?;
            report.add("address", address(&config).await)?;
            database(&config, &mut report).await?;
            let late = "set REDIS_URL to a Redis that is running";
            report.wait("redis", redis(&config), late).await?;
            report.add("mail", mail(&config).await)?;
            report.add("addresses", addresses(&config))?;
            report.add("proxies", proxies(&config))?;
            report.add("files", files())?;
        }
    }
    let code = if report.wrong { 2 } else { 0 };
    out.flush()?;
    Ok(ExitCode::from(code))
}

/// Which proxies may name a caller's address: with too wide a network, every caller may.
fn proxies(config: &Config) -> Found {
    let trusted = &config.settings.trusted_proxies;
    match trusted.iter().find(|network| network.prefix_len() < NARROWEST) {
        Some(wide) => Found::Note(format!(
            "LEADMESH_TRUSTED_PROXIES has {wide}: callers from there may give any address as theirs, so that limits by address stop nobody; name only your proxies"
        )),
        None if trusted.is_empty() => Found::Right("none is trusted: a caller's address is the peer's".into()),
        None => Found::Right("their X-Forwarded-For is trusted".into()),
    }
}

fn files() -> Found {
    descriptors::raise();
    match descriptors::limit() {
        Some(limit) if limit < ENOUGH_FILES => Found::Note(format!(
            "this process may have {limit} files open: raise that (ulimit -n, LimitNOFILE of systemd) to {ENOUGH_FILES} for many connections"
        )),
        Some(limit) => Found::Right(format!("this process may have {limit} open")),
        None => Found::Right("there is no limit of open files".into()),
    }
}

async fn address(config: &Config) -> Found {
    let listen = config.settings.listen;
    match TcpListener::bind(listen).await {
        Ok(_) => Found::Right(format!("{listen} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Found::Note(format!(
            "{listen} is in use: unless it is this server that runs already, set LEADMESH_LISTEN to another"
        )),
        Err(error) => Found::Wrong(format!(
            "cannot listen on {listen}: {error}; set LEADMESH_LISTEN to an address of this machine"
        )),
    }
}

/// Checks the database and, once it answers, what is in it.
async fn database<W: Write>(config: &Config, report: &mut Report<'_, W>) -> std::io::Result<()> {
    let address = display(&config.database_url);
    let late = "set DATABASE_URL to a running database, and check whether another session locks its tables";
    let db = match timeout(PATIENCE, Db::connect(&config.database_url, 2)).await {
        Err(_elapsed) => return report.add("database", too_late(late)),
        Ok(Ok(db)) => db,
        Ok(Err(error)) => {
            let text = format!("cannot connect to {address}: {}", database::explain(&error));
            return report.add("database", Found::Wrong(text));
        }
    };
    let (mut fits, mut is_read) = (false, true);
    let schema = async {
        match db.pending_migrations().await {
            Ok(0) => {
                fits = true;
                Found::Right(format!("{address}, its schema is up to date"))
            }
            Ok(_) if config.is_embedded() => {
                is_read = false;
                Found::Right(format!(
                    "{address}, whose schema is brought up to date at the next start"
                ))
            }
            Ok(_) => Found::Wrong(format!(
                "{address}, its schema is not up to date: run `leadmesh migrate`"
            )),
            Err(error) => Found::Wrong(format!("{address} does not reveal its schema: {error}")),
        }
    };
    report.wait("database", schema, late).await?;
    if is_read {
        report.wait("clock", clock(&db), late).await?;
    }
    if fits {
        report.wait("master key", master_key_fits(config, &db), late).await?;
        match timeout(PATIENCE, proof_fits(config, &db)).await {
            Ok(None) => {}
            Ok(Some(found)) => report.add("proof", found)?,
            Err(_elapsed) => report.add("proof", too_late(late))?,
        }
    }
    Ok(())
}

/// Deliveries follow the database's clock, so that a wrong machine clock harms none; certificates and logs follow the
/// machine's.
async fn clock(db: &Db) -> Found {
    let clock = Clock::system();
    if !db.is_postgres() {
        return Found::Right("this machine's is the only one".into());
    }
    if let Err(error) = time::begin(db, &clock).await {
        return Found::Wrong(format!("the database's cannot be read: {error}"));
    }
    match time::offset(&clock) {
        None => {
            let ahead = clock.ahead().num_milliseconds();
            Found::Right(format!("within {} ms of the database's", ahead.abs().max(1)))
        }
        Some(offset) if clock.ahead().abs() > FAR_OFF => Found::Wrong(offset),
        Some(offset) => Found::Note(offset),
    }
}

async fn master_key_fits(config: &Config, db: &Db) -> Found {
    let vault = Vault::new(&config.master_key).opening_also(config.previous_master_key.as_ref());
    match master_key::is_known(db.read(), &vault).await {
        Ok(Some(true)) => match master_key::count_closed(db.read(), &vault).await {
            Ok(0) => Found::Right("it opens all data keys".into()),
            Ok(closed) => Found::Wrong(master_key::closed_advice(closed)),
            Err(error) => Found::Wrong(format!("cannot be compared: {error:#}")),
        },
        Ok(None) => Found::Right("the first start will keep it".into()),
        Ok(Some(false)) => Found::Wrong(
            "LEADMESH_MASTER_KEY is not the key that this database was made with: set the right one".into(),
        ),
        Err(error) => Found::Wrong(format!("cannot be compared: {error:#}")),
    }
}

/// Whether a process with these settings may serve beside the others, or after them; none where the settings agree.
async fn proof_fits(config: &Config, db: &Db) -> Option<Found> {
    let stored = match proof_setting::stored(db.read()).await {
        Ok(stored) => stored?,
        Err(error) => return Some(Found::Wrong(format!("cannot be compared: {error}"))),
    };
    let own = config.address_proof();
    if stored == own {
        return None;
    }
    Some(match proof_setting::check_change(config, stored, 0) {
        Err(error) => Found::Wrong(error.to_string()),
        Ok(()) => Found::Note(format!(
            "LEADMESH_PROOF_OF_ADDRESS is {} here, and the installation goes by {}: that changes once all of its processes have stopped \
             and one starts with these settings",
            proof_setting::display(own),
            proof_setting::display(stored)
        )),
    })
}

async fn redis(config: &Config) -> Found {
    match &config.settings.redis_url {
        None if config.is_embedded() => Found::Right("none: not needed in embedded mode".into()),
        None => Found::Note("none: set REDIS_URL before a second process is started".into()),
        Some(url) => match connect_redis(url, REDIS_RETRIES).await {
            Ok(_) => Found::Right(format!("{} answers", display(url))),
            Err(error) => Found::Wrong(format!("{error:#}; set REDIS_URL to a Redis that is running")),
        },
    }
}

/// What an email address is worth on this server.
fn addresses(config: &Config) -> Found {
    match (config.requires_proof(), config.mail.is_some()) {
        (true, true) => Found::Right("an address counts once a link that was mailed to it was used".into()),
        (true, false) => Found::Note(
            "an address counts once it is proven by a mailed link, and without a mail server none can be: nobody receives invitations \
             at an address or is found by one; set LEADMESH_SMTP_URL, or LEADMESH_PROOF_OF_ADDRESS=off"
                .into(),
        ),
        (false, _) => Found::Note(
            "not proven: whoever signs up first with an address sees the invitations that are sent to it, and a sign-up tells whether an \
             address is known; set LEADMESH_SMTP_URL and LEADMESH_MAIL_FROM, and LEADMESH_PROOF_OF_ADDRESS to nothing or required, unless \
             only people whom you trust can reach this server"
                .into(),
        ),
    }
}

async fn mail(config: &Config) -> Found {
    let Some(settings) = config.mail.clone() else {
        let text =
            "none: invitations and links for new passwords are not sent; set LEADMESH_SMTP_URL and LEADMESH_MAIL_FROM";
        return Found::Note(text.into());
    };
    let server = instance_mail::server(settings);
    let server_address = format!("{}:{}", server.host, server.port);
    match instance_mail::mailer(config).probe(&server, MAIL).await {
        Ok(()) => Found::Right(format!("{server_address} accepts the log-in")),
        Err(trouble) => Found::Wrong(format!("{server_address}: {trouble}; see LEADMESH_SMTP_URL")),
    }
}
