//! Settings from flags, the environment and an optional `.env`: parsed once, and checked with messages that say what to set.

mod mail;
pub mod origins;
pub mod spelling;
pub mod store_address;
pub mod traces;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use entity::account::Plan;
use entity::proof::AddressProof;
use ipnet::IpNet;

pub use mail::MailServer;
use origins::Origins;
use traces::TraceSettings;

/// The settings as given.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Address of HTTP and WebSocket.
    #[arg(long, env = "LEADMESH_LISTEN", default_value = "127.0.0.1:8080", value_parser = parse_listen)]
    pub listen: SocketAddr,
    /// Address that serves the metrics to any caller, such as `10.0.0.5:9090` [default: none; `/metrics` of the main address answers
    /// only direct callers on this machine].
    #[arg(long, env = "LEADMESH_METRICS_LISTEN", value_parser = parse_metrics_listen)]
    pub metrics_listen: Option<SocketAddr>,
    /// What links in mails and docs start with [default: http:// and the listen address].
    #[arg(long, env = "LEADMESH_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// `postgres://…` or `sqlite://…` [default: a SQLite file in the data directory].
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// `redis://…` [default: none; queue and events stay in this process].
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// What every key and channel in Redis starts with: two installations that share a Redis need different ones.
    #[arg(long, env = "LEADMESH_REDIS_PREFIX", default_value = "leadmesh")]
    pub redis_prefix: String,
    /// Embedded database and generated keys.
    #[arg(long, env = "LEADMESH_DATA_DIR", default_value = "./leadmesh-data")]
    pub data_dir: PathBuf,
    /// 32 bytes in base64 under which every account's keys are sealed [default: generated, with SQLite only].
    #[arg(long, env = "LEADMESH_MASTER_KEY", hide_env_values = true)]
    pub master_key: Option<String>,
    /// Another master key that opens what is sealed, and seals nothing: the one before or the one to come, while `leadmesh keys
    /// rewrap` moves from one to the other.
    #[arg(long, env = "LEADMESH_PREVIOUS_MASTER_KEY", hide_env_values = true)]
    pub previous_master_key: Option<String>,
    /// 32 bytes in base64 that sign access tokens [default: generated, with SQLite only].
    #[arg(long, env = "LEADMESH_TOKEN_SECRET", hide_env_values = true)]
    pub token_secret: Option<String>,
    /// The instance's mail server for invitations and resets: `smtp://user:password@host:587` (STARTTLS),
    /// `smtps://…:465` (TLS) or `smtp+plain://host:25` [default: none; `inviteUser` and
    /// `invitePortalUser` answer the link then, addresses are not proven, and other mails fail].
    #[arg(long, env = "LEADMESH_SMTP_URL", hide_env_values = true)]
    pub smtp_url: Option<String>,
    /// From address of the instance's mails; needed with a mail server.
    #[arg(long, env = "LEADMESH_MAIL_FROM")]
    pub mail_from: Option<String>,
    /// The name that this server gives itself to mail servers (EHLO), such as `leads.example.com` [default: the host of the public
    /// URL if that is a domain name, else `[127.0.0.1]`].
    #[arg(long, env = "LEADMESH_EHLO_NAME", value_parser = parse_domain)]
    pub ehlo_name: Option<String>,
    /// Networks that webhooks and mail servers may be in although private, as CIDRs.
    #[arg(long, env = "LEADMESH_ALLOW_DESTINATIONS", value_delimiter = ',')]
    pub allow_destinations: Vec<IpNet>,
    /// Plan after plain sign-up: FREE or PAID.
    #[arg(long, env = "LEADMESH_DEFAULT_PLAN", default_value = "PAID", value_parser = parse_plan)]
    pub default_plan: Plan,
    /// Plan after sign-up through an invitation: FREE or PAID.
    #[arg(long, env = "LEADMESH_INVITED_PLAN", default_value = "FREE", value_parser = parse_plan)]
    pub invited_plan: Plan,
    /// Who may sign up: open, invited or closed.
    #[arg(long, env = "LEADMESH_SIGN_UP", default_value = "open", value_enum)]
    pub sign_up: SignUp,
    /// Whether an email address counts only once a mailed link has proven it: required or off [default: required with a mail
    /// server, off without one]. The same for all processes.
    #[arg(long, env = "LEADMESH_PROOF_OF_ADDRESS", value_enum)]
    pub proof_of_address: Option<ProofOfAddress>,
    /// Origins whose pages may call the API from a browser, as `https://app.example.com`; `*` for all.
    #[arg(long, env = "LEADMESH_ALLOW_ORIGINS", value_delimiter = ',')]
    pub allow_origins: Vec<String>,
    /// Addresses of proxies whose X-Forwarded-For is believed, as CIDRs.
    #[arg(long, env = "LEADMESH_TRUSTED_PROXIES", value_delimiter = ',', value_parser = parse_network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Deliveries under way at once in this process, 1 to 10,000.
    #[arg(long, env = "LEADMESH_CONCURRENCY", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub concurrency: u32,
    /// Deliveries under way at once to one destination in this process; with several processes each has as many.
    #[arg(long, env = "LEADMESH_DESTINATION_CONCURRENCY", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub destination_concurrency: u32,
    /// Database connections of this process, at least 5: they are divided among requests, intake, worker and lease.
    #[arg(long, env = "LEADMESH_DATABASE_CONNECTIONS", default_value_t = 16, value_parser = clap::value_parser!(u32).range(5..=1_000))]
    pub database_connections: u32,
    /// Most bytes that a delivery may send as body or mail, 1,024 to 16,777,216; larger ones fail.
    #[arg(long, env = "LEADMESH_PAYLOAD_BYTES", default_value_t = 1_048_576, value_parser = clap::value_parser!(u32).range(1_024..=16_777_216))]
    pub payload_bytes: u32,
    /// Most bytes of settings that an account may store, their history included, 1,048,576 to 4,294,967,295.
    #[arg(long, env = "LEADMESH_ACCOUNT_SETTINGS_BYTES", default_value_t = 67_108_864, value_parser = clap::value_parser!(u32).range(1_048_576..))]
    pub account_settings_bytes: u32,
    /// Days for which idempotency keys are kept, at least 7.
    #[arg(long, env = "LEADMESH_IDEMPOTENCY_DAYS", default_value_t = 7, value_parser = clap::value_parser!(u32).range(7..=3_650))]
    pub idempotency_days: u32,
    /// Days until an invitation to connect ends unanswered, 1 to 365.
    #[arg(long, env = "LEADMESH_INVITATION_DAYS", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=365))]
    pub invitation_days: u32,
    /// Days until a session ends however often it is refreshed, 1 to 3,650: then people sign in again.
    #[arg(long, env = "LEADMESH_SESSION_DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub session_days: u32,
    /// Days after which a connection is due for a review, 1 to 3,650.
    #[arg(long, env = "LEADMESH_REVIEW_DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub review_days: u32,
    /// Points a second that a person, key or portal user may ask for, in each process; a minute's worth at once. 0 sets no limit.
    #[arg(long, env = "LEADMESH_RATE_PRINCIPAL", default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub rate_principal: u32,
    /// The same for all people and keys of an account together.
    #[arg(long, env = "LEADMESH_RATE_ACCOUNT", default_value_t = 1_500, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub rate_account: u32,
    /// The same for all requests without a token from one address.
    #[arg(long, env = "LEADMESH_RATE_ADDRESS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub rate_address: u32,
    /// What is logged: a level, or target=level by comma.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log: String,
    /// Form of the log, on standard error.
    #[arg(long, env = "LEADMESH_LOG_FORMAT", default_value = "text", value_enum)]
    pub log_format: LogFormat,
    /// Spans, and lines of outcomes.
    #[command(flatten)]
    pub traces: TraceSettings,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object a line, for programs.
    Json,
}

/// Who may sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SignUp {
    /// Everybody.
    Open,
    /// Holders of an invitation.
    Invited,
    /// Nobody.
    Closed,
}

/// Whether addresses are to be proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ProofOfAddress {
    /// By a mailed link, before they count.
    Required,
    /// Not at all: they count from sign-up.
    Off,
}

/// Settings that cannot be used, with what to set instead.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{0}")]
    Set(String),
    #[error(
        "cannot use the data directory {path}: {source}; set LEADMESH_DATA_DIR to a directory that this user can write"
    )]
    DataDir { path: PathBuf, source: std::io::Error },
}

/// Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub settings: Settings,
    /// Without a slash at the end.
    pub public_url: String,
    /// `postgres://…` or `sqlite://…`.
    pub database_url: String,
    pub master_key: Secret,
    pub previous_master_key: Option<Secret>,
    pub token_secret: Secret,
    pub mail: Option<MailServer>,
    pub origins: Origins,
}

impl Config {
    /// Checks the settings; in embedded mode makes the data directory and missing keys.
    pub fn new(settings: Settings) -> Result<Self, ConfigError> {
        let database_url = database_url(&settings)?;
        let embedded = database_url.starts_with("sqlite:");
        if settings.database_url.is_none() {
            make_data_dir(&settings.data_dir)?;
        }
        if let Some(url) = &settings.redis_url {
            store_address::check("REDIS_URL", url, &["redis://", "rediss://"])?;
        }
        settings.traces.collector()?;
        let mail = mail::mail_server(settings.smtp_url.as_deref(), settings.mail_from.as_deref())?;
        let key = |value: &Option<String>, variable, file| match value {
            Some(text) => parse_secret(variable, text),
            None if embedded => kept_secret(&settings.data_dir, file),
            None => Err(ConfigError::Set(format!(
                "{variable} is needed with PostgreSQL: set it to 32 random bytes in base64, for example from `openssl rand -base64 32`, and keep it safe"
            ))),
        };
        let public_url = match &settings.public_url {
            Some(url) => checked_public_url(url)?,
            None => format!("http://{}", settings.listen),
        };
        Ok(Self {
            public_url,
            database_url,
            master_key: key(&settings.master_key, "LEADMESH_MASTER_KEY", "master.key")?,
            previous_master_key: settings
                .previous_master_key
                .as_deref()
                .map(|text| parse_secret("LEADMESH_PREVIOUS_MASTER_KEY", text))
                .transpose()?,
            token_secret: key(&settings.token_secret, "LEADMESH_TOKEN_SECRET", "token.secret")?,
            mail,
            origins: origins::origins(&settings)?,
            settings,
        })
    }

    /// The name in EHLO; none where this server has no domain name. The machine's host name is never used: it would tell
    /// strangers how the operator's network is named.
    pub fn ehlo_name(&self) -> Option<String> {
        let of_public_url = || match url::Url::parse(&self.public_url).ok()?.host()?.to_owned() {
            url::Host::Domain(name) if name.contains('.') => Some(name),
            _ => None,
        };
        self.settings.ehlo_name.clone().or_else(of_public_url)
    }

    pub fn address_proof(&self) -> AddressProof {
        if self.requires_proof() {
            AddressProof::Required
        } else {
            AddressProof::NotRequired
        }
    }

    /// Whether an address counts only once a mailed link has proven it.
    pub fn requires_proof(&self) -> bool {
        match self.settings.proof_of_address {
            Some(setting) => setting == ProofOfAddress::Required,
            None => self.mail.is_some(),
        }
    }

    /// Whether the database is `SQLite`.
    pub fn is_embedded(&self) -> bool {
        self.database_url.starts_with("sqlite:")
    }
}

/// Reads no other setting.
pub fn database_url(settings: &Settings) -> Result<String, ConfigError> {
    match &settings.database_url {
        None => Ok(sqlite_url(&settings.data_dir)),
        Some(url) => {
            store_address::check("DATABASE_URL", url, &["postgres://", "postgresql://", "sqlite:"])?;
            Ok(url.clone())
        }
    }
}

fn sqlite_url(data_dir: &Path) -> String {
    format!("sqlite://{}", data_dir.join("leadmesh.db").display())
}

fn checked_public_url(text: &str) -> Result<String, ConfigError> {
    match url::Url::parse(text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => Err(ConfigError::Set(
            "LEADMESH_PUBLIC_URL must have no user and no password: it is part of links in emails".to_owned(),
        )),
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.query().is_none() => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(ConfigError::Set(format!(
            "LEADMESH_PUBLIC_URL is {text:?} but must be an http:// or https:// address without a query"
        ))),
    }
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let advice = "LEADMESH_LISTEN takes an IP address and a port, such as 127.0.0.1:8080, or 0.0.0.0:8080 for all addresses of this machine";
    text.parse().map_err(|_invalid| advice.to_owned())
}

/// A network or a single address.
fn parse_network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let advice = || format!("{text:?} is not a network: write it as 10.0.0.0/8, or one address as 10.0.0.5");
    text.parse()
        .or_else(|_invalid| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_invalid| advice())
}

fn parse_metrics_listen(text: &str) -> Result<SocketAddr, String> {
    let advice = "LEADMESH_METRICS_LISTEN takes an IP address and a port, such as 127.0.0.1:9090";
    text.parse().map_err(|_invalid| advice.to_owned())
}

/// A domain name for EHLO (RFC 5321, section 4.1.2); names outside ASCII become their ASCII form.
fn parse_domain(text: &str) -> Result<String, String> {
    match url::Host::parse(text) {
        Ok(url::Host::Domain(name)) if name.len() <= 253 => Ok(name),
        _ => Err("LEADMESH_EHLO_NAME takes a domain name, such as leads.example.com".to_owned()),
    }
}

pub fn parse_plan(text: &str) -> Result<Plan, String> {
    match text.to_uppercase().as_str() {
        "FREE" => Ok(Plan::Free),
        "PAID" => Ok(Plan::Paid),
        _ => Err("must be FREE or PAID".into()),
    }
}

fn parse_secret(variable: &str, text: &str) -> Result<Secret, ConfigError> {
    let bytes = STANDARD
        .decode(text.trim())
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    bytes.map(Secret).ok_or_else(|| {
        ConfigError::Set(format!(
            "{variable} must be 32 bytes in base64, for example from `openssl rand -base64 32`"
        ))
    })
}

/// Makes the directory of the embedded database and of generated keys, if it is not there.
pub fn make_data_dir(data_dir: &Path) -> Result<(), ConfigError> {
    std::fs::create_dir_all(data_dir).map_err(|source| ConfigError::DataDir {
        path: data_dir.to_owned(),
        source,
    })
}

/// A secret in the data directory; made at the first start.
fn kept_secret(data_dir: &Path, file: &str) -> Result<Secret, ConfigError> {
    let failed = |source| ConfigError::DataDir {
        path: data_dir.to_owned(),
        source,
    };
    make_data_dir(data_dir)?;
    let path = data_dir.join(file);
    match std::fs::read_to_string(&path) {
        Ok(text) => parse_secret(&path.display().to_string(), &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret: [u8; 32] = rand::random();
            write_private(&path, &STANDARD.encode(secret)).map_err(failed)?;
            Ok(Secret(secret))
        }
        Err(error) => Err(failed(error)),
    }
}

/// `create_new` so that of two processes at their first start one fails instead of replacing the other's key.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
