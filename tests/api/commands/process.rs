//! A run of the binary: what it says, how it ends.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A run that may still go on. It ends with the test.
pub(super) struct Run {
    child: Child,
    out: Receiver<String>,
    errors: Receiver<String>,
}

/// A run that is over.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) out: String,
    pub(super) errors: String,
}

/// The binary with these arguments, in a directory of its own and without any settings of ours.
pub(super) fn leadmesh(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leadmesh"));
    command
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Run {
    pub(super) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        Self {
            out: lines(child.stdout.take().unwrap()),
            errors: lines(child.stderr.take().unwrap()),
            child,
        }
    }

    /// What it says up to a line with this in it.
    pub(super) fn says(&self, what: &str) -> Vec<String> {
        until(&self.out, what)
    }

    /// What it logs up to a line with this in it.
    pub(super) fn logs(&self, what: &str) -> Vec<String> {
        until(&self.errors, what)
    }

    /// Sends a signal such as TERM.
    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.child.id())])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end. Its outputs close with it.
    pub(super) fn end(mut self) -> Ended {
        let out = rest(&self.out);
        let errors = rest(&self.errors);
        Ended {
            status: self.child.wait().unwrap(),
            out,
            errors,
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs it to its end.
pub(super) fn run(command: Command) -> Ended {
    Run::start(command).end()
}

impl Ended {
    pub(super) fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// It did what it was asked.
    pub(super) fn succeeded(self) -> String {
        assert_eq!(self.code(), 0, "{self:?}");
        self.out
    }

    /// It failed with this code, and said why in one line.
    pub(super) fn failed(self, code: i32) -> String {
        assert_eq!(self.code(), code, "{self:?}");
        let line = self
            .errors
            .strip_prefix("error: ")
            .unwrap_or_else(|| panic!("{self:?}"));
        assert_eq!(line.trim_end().lines().count(), 1, "said more than once: {line}");
        line.trim_end().to_owned()
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn until(lines: &Receiver<String>, what: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let line = lines.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("did not say {what:?}, only:\n{}", all.join("\n")));
        let found = line.contains(what);
        all.push(line);
        if found {
            return all;
        }
    }
}

fn rest(lines: &Receiver<String>) -> String {
    let mut all = String::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => all = all + &line + "\n",
            Err(mpsc::RecvTimeoutError::Disconnected) => return all,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("did not end; said:\n{all}"),
        }
    }
}
