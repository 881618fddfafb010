//! What processes use, as Linux tells it in `/proc`; elsewhere it is not known.

use std::fs;
use std::path::Path;

/// Seconds in one unit of processor time (`USER_HZ` is 100 on every Linux).
const TICK: f64 = 0.01;

/// The processes that take part.
pub(crate) struct Processes {
    server: u32,
    postgres: Option<u32>,
    redis: Option<u32>,
}

/// Seconds of processor time, and the server's largest memory in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) server: Option<f64>,
    pub(crate) postgres: Option<f64>,
    pub(crate) redis: Option<f64>,
    pub(crate) tool: Option<f64>,
    pub(crate) peak: Option<u64>,
}

impl Processes {
    /// The server, and what `scripts/services` has started in that folder.
    pub(crate) fn new(server: u32, services: Option<&Path>) -> Self {
        let first_line = |path: &str| {
            let text = fs::read_to_string(services?.join(path)).ok()?;
            text.lines().next()?.trim().parse().ok()
        };
        Self {
            server,
            postgres: first_line("postgres/data/postmaster.pid"),
            redis: first_line("redis/pid"),
        }
    }

    /// Used until now.
    pub(crate) fn used(&self) -> Used {
        Used {
            server: time(self.server).map(|(own, _)| own),
            postgres: self.postgres.and_then(with_children),
            redis: self.redis.and_then(time).map(|(own, _)| own),
            tool: time(std::process::id()).map(|(own, _)| own),
            peak: peak(self.server),
        }
    }

    /// Makes the largest memory count from now on.
    pub(crate) fn forget_peak(&self) {
        // Without it the peak is that of all runs so far, which is still true.
        drop(fs::write(format!("/proc/{}/clear_refs", self.server), "5"));
    }
}

impl Used {
    /// What was used in between; the peak is the later one.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let between = |after: Option<f64>, before: Option<f64>| Some(after? - before?);
        Self {
            server: between(self.server, before.server),
            postgres: between(self.postgres, before.postgres),
            redis: between(self.redis, before.redis),
            tool: between(self.tool, before.tool),
            peak: self.peak,
        }
    }
}

/// How many processes want to run on this machine, over the last minute.
pub(crate) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg")
        .ok()?
        .split(' ')
        .next()?
        .parse()
        .ok()
}

/// The fields of `/proc/PID/stat` behind the name, which may hold anything.
fn stat(id: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.split(' ').map(str::to_owned).collect())
}

/// A process' own time, and that of its children that have ended.
fn time(id: u32) -> Option<(f64, f64)> {
    let fields = stat(id)?;
    let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
    Some(((ticks(11)? + ticks(12)?) * TICK, (ticks(13)? + ticks(14)?) * TICK))
}

fn with_children(id: u32) -> Option<f64> {
    let (own, ended) = time(id)?;
    let running: f64 = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|child| stat(*child).is_some_and(|fields| fields.get(1) == Some(&id.to_string())))
        .filter_map(|child| time(child).map(|(own, _)| own))
        .sum();
    Some(own + ended + running)
}

/// Bytes of memory that a process holds.
pub(crate) fn resident(id: u32) -> Option<u64> {
    memory(id, "VmRSS:")
}

fn peak(id: u32) -> Option<u64> {
    memory(id, "VmHWM:")
}

fn memory(id: u32, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let kilobytes = text
        .lines()
        .find_map(|line| line.strip_prefix(name))?
        .trim()
        .trim_end_matches(" kB");
    Some(kilobytes.parse::<u64>().ok()? * 1024)
}
