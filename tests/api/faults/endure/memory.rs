//! How much memory the processes hold, and whether it grows.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

/// Of a run from which a slope can be told.
pub(super) const LONG_ENOUGH: Duration = Duration::from_secs(300);
/// Caches, pools and the allocator fill for so long after a start.
const WARM: Duration = Duration::from_secs(25);
const LOOK: Duration = Duration::from_secs(1);
/// Kilobytes a minute that the processes may grow by on the whole.
const SLOPE: f64 = 2_048.0;

/// Watches until it is dropped.
pub(super) struct Memory {
    state: Arc<Mutex<State>>,
    watching: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    running: Vec<Life>,
    over: Vec<Life>,
}

/// A process from its start to its end.
struct Life {
    pid: u32,
    began: Instant,
    /// When, and kilobytes.
    samples: Vec<(Instant, f64)>,
}

impl Life {
    fn of(pid: u32) -> Self {
        Self {
            pid,
            began: Instant::now(),
            samples: Vec::new(),
        }
    }
}

/// What was seen.
pub(super) struct Slope {
    /// Kilobytes a minute, of all lives that were long enough; none if none was.
    slope: Option<f64>,
    highest: f64,
    lives: usize,
}

impl Memory {
    /// Watches these processes, in the order of their places.
    pub(super) fn watch(pids: impl Iterator<Item = u32>) -> Self {
        let state = Arc::new(Mutex::new(State {
            running: pids.map(Life::of).collect(),
            over: Vec::new(),
        }));
        let shared = state.clone();
        let watching = tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let now = Instant::now();
                for life in &mut shared.lock().unwrap().running {
                    life.samples.extend(resident(life.pid).map(|held| (now, held)));
                }
            }
        });
        Self { state, watching }
    }

    /// Another process runs in that place.
    pub(super) fn now_runs(&self, place: usize, pid: u32) {
        let mut state = self.state.lock().unwrap();
        let over = std::mem::replace(&mut state.running[place], Life::of(pid));
        state.over.push(over);
    }

    /// One slope for all: within each life, by least squares, once it is warm.
    pub(super) fn slope(&self) -> Slope {
        let state = self.state.lock().unwrap();
        let (mut covariance, mut variance, mut highest, mut lives) = (0.0, 0.0, 0.0_f64, 0);
        for life in state.over.iter().chain(&state.running) {
            highest = life.samples.iter().fold(highest, |most, (_, held)| most.max(*held));
            let warm = life.samples.iter().filter(|(at, _)| *at > life.began + WARM);
            let points: Vec<(f64, f64)> = warm
                .map(|(at, held)| ((*at - life.began).as_secs_f64() / 60.0, *held))
                .collect();
            if points.len() < 10 {
                continue;
            }
            lives += 1;
            let count = f64::from(u32::try_from(points.len()).unwrap());
            let mean_time = points.iter().map(|(time, _)| time).sum::<f64>() / count;
            let mean_held = points.iter().map(|(_, held)| held).sum::<f64>() / count;
            for (time, held) in points {
                covariance += (time - mean_time) * (held - mean_held);
                variance += (time - mean_time).powi(2);
            }
        }
        Slope {
            slope: (variance > 0.0).then(|| covariance / variance),
            highest,
            lives,
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Slope {
    pub(super) fn broken(&self) -> Option<String> {
        let grows = self.slope.is_some_and(|slope| slope > SLOPE);
        grows.then(|| format!("memory grows: {self}; at most {SLOPE:.0} kB a minute"))
    }
}

impl fmt::Display for Slope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.slope {
            Some(slope) => write!(f, "slope {slope:.0} kB a minute over {} lives of processes", self.lives)?,
            None => write!(f, "no process has lived for long enough to tell a slope")?,
        }
        write!(f, ", {:.1} MB at most in one process", self.highest / 1024.0)
    }
}

/// Kilobytes; none of a process that has ended, and where the system does not tell.
fn resident(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let held = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    held.trim().trim_end_matches(" kB").parse().ok()
}
