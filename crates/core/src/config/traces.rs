//! Whether and where spans are exported, by the settings that OpenTelemetry names for all programs, and which outcomes are logged.

use std::collections::HashMap;
use std::time::Duration;

use clap::{Args, ValueEnum};
use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

use super::ConfigError;

/// What follows the collector's address: OTLP 1.x, section "OTLP/HTTP Request".
const PATH: &str = "v1/traces";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// The settings as given.
#[derive(Args, Clone, Debug)]
pub struct TraceSettings {
    /// Address of an OpenTelemetry collector that takes OTLP over HTTP (protobuf), such as `http://127.0.0.1:4318`; spans go to
    /// `/v1/traces` below it [default: none; no spans are exported].
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true)]
    pub otlp_endpoint: Option<String>,
    /// Headers of each export, as `name=value` by comma, values percent-encoded [default: none].
    #[arg(long, env = "OTEL_EXPORTER_OTLP_HEADERS", hide_env_values = true)]
    pub otlp_headers: Option<String>,
    /// Milliseconds that an export may take, repetitions included, 100 to 60,000.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_TIMEOUT", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=60_000))]
    pub otlp_timeout: u32,
    /// The name of this service in exported spans.
    #[arg(long, env = "OTEL_SERVICE_NAME", default_value = "leadmesh")]
    pub service_name: String,
    /// Share of leads whose spans are exported, 0 to 1. All processes choose the same leads if they have the same share.
    #[arg(long, env = "LEADMESH_TRACE_RATIO", default_value_t = 1.0, value_parser = parse_ratio)]
    pub trace_ratio: f64,
    /// What is logged with one line each: leads that are stored, deliveries that have ended, both (all) or neither (off).
    #[arg(long, env = "LEADMESH_LOG_OUTCOMES", default_value = "off", value_enum)]
    pub log_outcomes: LogOutcomes,
}

/// What is logged with one line each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogOutcomes {
    /// Nothing.
    Off,
    /// Leads that are stored.
    Leads,
    /// Deliveries that have ended.
    Deliveries,
    /// Both.
    All,
}

/// Where spans are exported to. `Debug` does not show the headers.
#[derive(Clone, PartialEq, Eq)]
pub struct Collector {
    /// With the path.
    pub url: Url,
    /// With every export; they may hold credentials.
    pub headers: HashMap<String, String>,
    /// For one export.
    pub timeout: Duration,
}

impl TraceSettings {
    /// Without an export and without lines of outcomes.
    pub fn off() -> Self {
        Self {
            otlp_endpoint: None,
            otlp_headers: None,
            otlp_timeout: 10_000,
            service_name: "leadmesh".to_owned(),
            trace_ratio: 1.0,
            log_outcomes: LogOutcomes::Off,
        }
    }

    /// Where spans are exported to; none if they are not.
    ///
    /// # Errors
    ///
    /// When the address or the headers cannot be read. The error repeats nothing of them.
    pub fn collector(&self) -> Result<Option<Collector>, ConfigError> {
        let Some(endpoint) = self.otlp_endpoint.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        Ok(Some(Collector {
            url: traces_url(endpoint)?,
            headers: headers(self.otlp_headers.as_deref().unwrap_or_default())?,
            timeout: Duration::from_millis(self.otlp_timeout.into()),
        }))
    }
}

impl LogOutcomes {
    /// Whether stored leads are logged.
    pub fn has_leads(self) -> bool {
        matches!(self, Self::Leads | Self::All)
    }

    /// Whether ended deliveries are logged.
    pub fn has_deliveries(self) -> bool {
        matches!(self, Self::Deliveries | Self::All)
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector")
            .field("url", &self.url.as_str())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn traces_url(endpoint: &str) -> Result<Url, ConfigError> {
    let is_plain = |url: &Url| {
        let has_login = !url.username().is_empty() || url.password().is_some();
        matches!(url.scheme(), "http" | "https") && !has_login && url.query().is_none() && url.fragment().is_none()
    };
    let parsed = Url::parse(endpoint).ok().filter(is_plain);
    let below = parsed.and_then(|mut url| {
        let path = format!("{}/{PATH}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url.has_host().then_some(url)
    });
    below.ok_or_else(|| {
        ConfigError::Set(format!(
            "OTEL_EXPORTER_OTLP_ENDPOINT must be an http:// or https:// address such as http://127.0.0.1:4318, without user, password and query: credentials go into {HEADERS}"
        ))
    })
}

fn headers(text: &str) -> Result<HashMap<String, String>, ConfigError> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let read = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let name: HeaderName = name.trim().parse().ok()?;
        HeaderValue::from_str(&value).ok()?;
        Some((name.to_string(), value.into_owned()))
    };
    let all: Option<HashMap<String, String>> = pairs.map(read).collect();
    all.ok_or_else(|| {
        ConfigError::Set(format!(
            "{HEADERS} cannot be read: write name=value by comma, and in values write the characters , = and % as %2C, %3D and %25"
        ))
    })
}

fn parse_ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "must be a number from 0 to 1, such as 0.05".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collector(endpoint: &str, headers: &str) -> Result<Option<Collector>, ConfigError> {
        let settings = TraceSettings {
            otlp_endpoint: Some(endpoint.to_owned()),
            otlp_headers: Some(headers.to_owned()),
            ..TraceSettings::off()
        };
        settings.collector()
    }

    #[test]
    fn spans_go_below_the_address() {
        for (endpoint, url) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://otel.example/otlp/", "https://otel.example/otlp/v1/traces"),
        ] {
            assert_eq!(collector(endpoint, "").unwrap().unwrap().url.as_str(), url);
        }
        assert_eq!(collector("", "").unwrap(), None);
        assert_eq!(TraceSettings::off().collector().unwrap(), None);
    }

    #[test]
    fn headers_are_read_and_not_shown() {
        let read = collector("http://otel.example", "Authorization=Basic%20c2VjcmV0, x-team=a").unwrap();
        let read = read.unwrap();
        assert_eq!(read.headers["authorization"], "Basic c2VjcmV0");
        assert_eq!(read.headers["x-team"], "a");
        assert!(!format!("{read:?}").contains("c2VjcmV0"));
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_repeating_it() {
        for (endpoint, headers, setting) in [
            ("otel.example:4318", "", "OTEL_EXPORTER_OTLP_ENDPOINT"),
            ("http://user:secret@otel.example", "", "OTEL_EXPORTER_OTLP_ENDPOINT"),
            ("http://otel.example/?key=secret", "", "OTEL_EXPORTER_OTLP_ENDPOINT"),
            ("http://otel.example", "secret", HEADERS),
            ("http://otel.example", "a b=secret", HEADERS),
            ("http://otel.example", "a=secret%0A", HEADERS),
        ] {
            let error = collector(endpoint, headers).unwrap_err().to_string();
            assert!(error.starts_with(setting) && !error.contains("secret"), "{error}");
        }
        assert!(parse_ratio("1.5").is_err() && parse_ratio("NaN").is_err());
        assert_eq!(parse_ratio("0.25"), Ok(0.25));
    }
}
