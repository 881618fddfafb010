//! A Leadmesh as a process of its own.

use std::ffi::OsStr;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::ahead;
use super::stores::Stores;

/// For a start on a busy machine.
const START: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(10);
/// Lines of its log that are shown when a test fails.
const SHOWN: usize = 60;

/// A running process. It is killed when this is dropped.
pub(super) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it in a role (`serve`, `api`, `worker`, or [`ahead::ROLE`]) on that address, and waits until it is ready.
    pub(super) async fn start(stores: &Stores, role: &str, address: SocketAddr) -> Self {
        let log = stores.directory().join(format!("{role}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = match role {
            ahead::ROLE => ahead::command(stores),
            role => command(stores, role),
        };
        let child = command
            .env("LEADMESH_LISTEN", address.to_string())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut process = Self { child, log };
        process.ready(address).await;
        process
    }

    async fn ready(&mut self, address: SocketAddr) {
        let client = client(Duration::from_secs(2));
        let deadline = Instant::now() + START;
        loop {
            let answer = client.get(format!("http://{address}/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert_eq!(self.child.try_wait().unwrap(), None, "the process ended at its start");
            assert!(Instant::now() < deadline, "the process is not ready");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// SIGKILL; returns when it was.
    pub(super) fn kill(&mut self) -> Instant {
        let at = Instant::now();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        at
    }

    /// Its number, for signals.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written; processes of one role share a log.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Kilobytes of memory that it has had at once since [`Self::forget_peak`]; where the system does not tell, always 0.
    pub(super) fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak.map_or(0, |text| text.trim().trim_end_matches(" kB").parse().unwrap())
    }

    /// Lets the peak begin anew.
    pub(super) fn forget_peak(&self) {
        drop(std::fs::write(format!("/proc/{}/clear_refs", self.pid()), "5"));
    }

    /// SIGTERM; returns how it ended and how long it took.
    pub(super) async fn terminate(&mut self, within: Duration) -> (ExitStatus, Duration) {
        let at = Instant::now();
        signal(self.child.id(), "TERM");
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, at.elapsed());
            }
            assert!(at.elapsed() < within, "the process did not end within {within:?}");
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("the end of {}:\n{}", self.log.display(), end_of(&self.log));
        }
    }
}

fn end_of(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..].join("\n")
}

/// The program with a subcommand and nothing of this environment.
pub(super) fn command(stores: &Stores, subcommand: &str) -> Command {
    let mut command = bare(stores, OsStr::new(env!("CARGO_BIN_EXE_leadmesh")));
    command.arg(subcommand);
    command
}

/// A program with the settings of a process on these stores and nothing of this environment.
pub(super) fn bare(stores: &Stores, program: &OsStr) -> Command {
    let mut command = Command::new(program);
    if let Some(files) = stores.files() {
        // The shell is replaced by the program, which keeps its limit and its number.
        command = Command::new("/bin/sh");
        command
            .args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")])
            .arg(program);
    }
    command
        .env_clear()
        .envs(stores.environment())
        .current_dir(stores.directory())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// Sends a signal to a process.
pub(super) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "cannot send {name} to {pid}");
}

/// An HTTP client with a time-out.
pub(super) fn client(timeout: Duration) -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(timeout).build().unwrap()
}

/// An address that is free, outside the ports that the system hands out itself: it has to be free again after a kill.
pub(super) fn free_address() -> SocketAddr {
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = std::iter::repeat_with(|| rand::random_range(10_000..20_000_u16))
        .find(free)
        .unwrap();
    SocketAddr::from(([127, 0, 0, 1], port))
}
