//! Starts programs in process groups of their own, waits for them with a deadline, and never leaves one behind.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::fixture::{wait_for_listener, wait_until};

/// A program that is to run to its end.
pub(crate) struct Run {
    command: Command,
    input: Option<Vec<u8>>,
    limit: Duration,
}

/// How it ended and what it said.
pub(crate) struct Done {
    what: String,
    pub(crate) status: ExitStatus,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn new(command: Command) -> Self {
        Self { command, input: None, limit: Duration::from_secs(60) }
    }

    /// What it reads on standard input; without this, nothing.
    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// A deadline other than a minute.
    pub(crate) fn within(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }

    /// Waits for the end. Panics at the deadline.
    pub(crate) fn finish(mut self) -> Done {
        let what = format!("{:?}", self.command);
        let input = self.input.take().unwrap_or_default();
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut guarded = Guarded::spawn(self.command);
        let child = &mut guarded.child;
        let (out, err) = (gather(child.stdout.take().unwrap()), gather(child.stderr.take().unwrap()));
        let mut stdin = child.stdin.take().unwrap();
        // A program may end without reading everything; that is its right.
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let status = guarded.wait(self.limit);
        if status.is_none() {
            guarded.kill();
        }
        feeder.join().unwrap();
        let (out, err) = (out.join().unwrap(), String::from_utf8_lossy(&err.join().unwrap()).into_owned());
        let Some(status) = status else {
            panic!("{what}\nwas not done after {:?}\n{}", self.limit, shown(&out, &err));
        };
        Done { what, status, out, err }
    }

    /// Waits for the end and panics unless it went well.
    pub(crate) fn ok(self) -> Done {
        self.finish().ok()
    }
}

fn gather(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        // The other end may be killed in the middle; what came until then counts.
        let _ = from.read_to_end(&mut all);
        all
    })
}

fn shown(out: &[u8], err: &str) -> String {
    let mut text = String::new();
    let start = String::from_utf8_lossy(&out[..out.len().min(4000)]).into_owned();
    let _ = write!(text, "--- stdout, {} bytes\n{start}\n--- stderr\n{err}", out.len());
    text
}

impl Done {
    pub(crate) fn new(what: String, status: ExitStatus, out: Vec<u8>, err: String) -> Self {
        Self { what, status, out, err }
    }

    /// Panics unless the exit code is 0.
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.success(), "{self}");
        self
    }

    /// Panics if the exit code is 0.
    pub(crate) fn refused(self) -> Self {
        assert!(!self.status.success(), "this should have been refused: {self}");
        self
    }

    /// The exit code; panics if a signal ended it.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("{self}"))
    }

    /// Standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\nended with {}\n{}", self.what, self.status, shown(&self.out, &self.err))
    }
}

/// A program that runs beside the test, in its own process group; dropping kills the group.
pub(crate) struct Guarded {
    pub(crate) child: Child,
}

impl Guarded {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let child = command.process_group(0).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child }
    }

    /// Starts it with no input and both outputs going to the file `log`.
    pub(crate) fn logged(mut command: Command, log: &Path) -> Self {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Self::spawn(command)
    }

    /// The same with input that is written piece by piece.
    pub(crate) fn fed(mut command: Command, log: &Path) -> (Self, ChildStdin) {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::piped()).stdout(file.try_clone().unwrap()).stderr(file);
        let mut started = Self::spawn(command);
        let input = started.child.stdin.take().unwrap();
        (started, input)
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal to the program alone.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// The exit status, if it ends within `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() > end {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Kills the whole group, at once.
    pub(crate) fn kill(&mut self) {
        // The group is gone when all of it has ended by itself.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts `command`, an `ssh-agent` that may have options already, at a socket, and waits until it listens.
pub(crate) fn ssh_agent(mut command: Command, socket: &Path) -> Guarded {
    command.arg("-D").arg("-a").arg(socket).stdin(Stdio::null()).stdout(Stdio::null());
    let agent = Guarded::spawn(command);
    wait_for_listener(socket);
    agent
}

/// Waits until the file `log` holds a line with `words`, and gives back the rest of that line.
pub(crate) fn wait_for_line(log: &Path, words: &str, program: &mut Guarded) -> String {
    let read = || std::fs::read_to_string(log).unwrap_or_default();
    let mut found = None;
    wait_until(&format!("`{words}` in {}", log.display()), || {
        let text = read();
        found = text.lines().rev().find_map(|line| line.split_once(words).map(|(_, rest)| rest.trim().to_owned()));
        assert!(found.is_some() || program.runs(), "ended before it said `{words}`:\n{text}");
        found.is_some()
    });
    found.unwrap()
}
