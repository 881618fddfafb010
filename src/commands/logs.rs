//! The log, on standard error.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt, FilterFn};
use tracing_subscriber::layer::{Filter, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, registry};

use super::traces::{self, Export};
use leadmesh_core::config::traces::LogOutcomes;
use leadmesh_core::config::{ConfigError, LogFormat, Settings};
use leadmesh_core::outcomes;

/// Libraries that see payloads, passwords or rows, and log them below the level of warnings. No setting changes that.
const DISCREET: [&str; 13] = [
    "async_graphql",
    "h2",
    "hyper",
    "hyper_util",
    "lettre",
    "redis",
    "reqwest",
    "rustls",
    "sea_orm",
    "sqlx",
    "tokio_tungstenite",
    "tower_http",
    "tungstenite",
];

pub(super) fn start(directives: &str, format: LogFormat) -> Result<(), ConfigError> {
    install(vec![lines(directives, format, LogOutcomes::Off)?])
}

/// Starts the log and the traces of a process that serves; once. Answers the export of spans, if there is one.
pub(super) fn start_serving(settings: &Settings) -> Result<Option<Export>, ConfigError> {
    let lines = lines(&settings.log, settings.log_format, settings.traces.log_outcomes)?;
    let (spans, export) = traces::start(&settings.traces)?.unzip();
    install(std::iter::once(lines).chain(spans).collect())?;
    Ok(export)
}

fn install(layers: Vec<Box<dyn Layer<Registry> + Send + Sync>>) -> Result<(), ConfigError> {
    let started = registry().with(layers).try_init();
    started.map_err(|_started_before| ConfigError::Set("the log was started twice: this is a bug in Leadmesh".into()))
}

fn lines(
    directives: &str,
    format: LogFormat,
    outcomes: LogOutcomes,
) -> Result<Box<dyn Layer<Registry> + Send + Sync>, ConfigError> {
    let wanted = FilterFn::new(move |of: &Metadata<'_>| match of.target() {
        outcomes::LEADS => outcomes.has_leads(),
        outcomes::DELIVERIES => outcomes.has_deliveries(),
        _ => true,
    });
    let filter = filter(directives)?.and(wanted);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    Ok(match format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    })
}

/// What is logged under directives such as `info,leadmesh_delivery=debug`: never more than warnings of libraries that see secrets.
///
/// # Errors
///
/// When the directives are not understood.
pub fn filter<S: 'static>(directives: &str) -> Result<impl Filter<S> + Send + Sync + 'static, ConfigError> {
    let chosen = EnvFilter::builder().parse(directives).map_err(|error| {
        ConfigError::Set(format!(
            "RUST_LOG is {directives:?}, which is not understood ({error}): set a level such as info, or target=level by comma"
        ))
    })?;
    Ok(chosen.and(FilterFn::new(may_be_logged)))
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    // Levels are ordered by verbosity.
    *metadata.level() <= Level::WARN || !is_discreet(metadata.target())
}

fn is_discreet(target: &str) -> bool {
    let room = target.split("::").next().unwrap_or_default();
    // Such as sqlx_core, and sea_orm_migration, which logs every query of the schema.
    let is_of = |name: &&str| {
        let rest = room.strip_prefix(*name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    };
    DISCREET.iter().any(is_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_that_see_secrets_are_kept_quiet() {
        for target in [
            "sqlx::query",
            "sqlx_core::pool",
            "hyper",
            "hyper_util::client",
            "lettre::transport",
            "h2::codec",
            "sea_orm_migration::migrator",
        ] {
            assert!(is_discreet(target), "{target}");
        }
        for target in ["leadmesh::server", "h2o", "tokio::runtime"] {
            assert!(!is_discreet(target), "{target}");
        }
    }

    #[test]
    fn a_filter_that_is_not_understood_names_the_setting() {
        let error = start("leadmesh=loud", LogFormat::Text).unwrap_err().to_string();
        assert!(error.starts_with("RUST_LOG is \"leadmesh=loud\""), "{error}");
    }
}
