//! A line for people and a line of JSON for each run.

use std::fs::{File, OpenOptions};
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::load::{Load, Measured, Pace};
use crate::processes::Used;
use crate::server::Mode;

/// Written to as runs end.
pub(crate) struct Report {
    path: PathBuf,
    file: File,
    broken: usize,
}

const HEAD: &str = "\
mode      to  from   leads  accepted/s  delivered/s   submit ms p50   p95   p99   arrival p50   p95   p99    MB   CPU s: server postgres redis tool   lost again  load";

impl Report {
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        writeln!(stdout(), "{HEAD}")?;
        Ok(Self {
            path: path.to_owned(),
            file,
            broken: 0,
        })
    }

    pub(crate) fn add(
        &mut self,
        (mode, fan_out): (Mode, u16),
        load: &Load,
        measured: &Measured,
        (used, load_average): (&Used, Option<f64>),
    ) -> anyhow::Result<()> {
        let from = match load.pace {
            Pace::Clients(clients) => clients.to_string(),
            Pace::PerSecond(rate) => format!("{rate}/s"),
        };
        let rate = |count: usize, time: Duration| rounded(as_f64(count) / time.as_secs_f64());
        let line = json!({
            "mode": mode,
            "fanOut": fan_out,
            "from": from,
            "leads": load.leads,
            "acceptedPerSecond": rate(measured.submit.len(), measured.accepting),
            "deliveredPerSecond": rate(measured.arrival.len(), measured.delivering),
            "submitMs": quantiles(&measured.submit),
            "arrivalMs": quantiles(&measured.arrival),
            "peakBytes": used.peak,
            "cpuSeconds": {"server": used.server, "postgres": used.postgres, "redis": used.redis, "tool": used.tool},
            "lost": measured.lost,
            "repeated": measured.repeated,
            "loadBefore": load_average,
        });
        writeln!(self.file, "{line}")?;
        writeln!(stdout(), "{}", row(&line))?;
        self.broken += measured.lost;
        Ok(())
    }

    /// An error when anything was lost.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        writeln!(stdout(), "added to {}", self.path.display())?;
        anyhow::ensure!(self.broken == 0, "{} deliveries were lost", self.broken);
        Ok(())
    }
}

fn row(line: &Value) -> String {
    let at = |path: &str| line.pointer(path).unwrap_or(&Value::Null);
    let number = |path: &str, decimals: usize| {
        at(path)
            .as_f64()
            .map_or_else(|| "–".to_owned(), |number| format!("{number:.decimals$}"))
    };
    let megabytes = at("/peakBytes")
        .as_u64()
        .map_or_else(|| "–".to_owned(), |bytes| (bytes >> 20).to_string());
    format!(
        "{:<9} {:>2} {:>5} {:>7} {:>11} {:>12}   {:>13} {:>5} {:>5}   {:>11} {:>5} {:>5} {:>5}   {:>13} {:>8} {:>5} {:>4}   {:>4} {:>5} {:>5}",
        at("/mode").as_str().unwrap_or_default(),
        at("/fanOut"),
        at("/from").as_str().unwrap_or_default(),
        at("/leads"),
        number("/acceptedPerSecond", 0),
        number("/deliveredPerSecond", 0),
        number("/submitMs/p50", 2),
        number("/submitMs/p95", 1),
        number("/submitMs/p99", 1),
        number("/arrivalMs/p50", 2),
        number("/arrivalMs/p95", 1),
        number("/arrivalMs/p99", 1),
        megabytes,
        number("/cpuSeconds/server", 2),
        number("/cpuSeconds/postgres", 2),
        number("/cpuSeconds/redis", 2),
        number("/cpuSeconds/tool", 2),
        at("/lost"),
        at("/repeated"),
        number("/loadBefore", 1),
    )
}

/// Of ascending times, in milliseconds.
pub(crate) fn quantiles(ascending: &[Duration]) -> Value {
    let at = |percent: usize| {
        let place = (ascending.len() * percent).div_ceil(100).saturating_sub(1);
        ascending.get(place).map(|time| rounded(time.as_secs_f64() * 1_000.0))
    };
    json!({"p50": at(50), "p95": at(95), "p99": at(99)})
}

fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts of leads are far below 2^52")]
fn as_f64(count: usize) -> f64 {
    count as f64
}
