//! The bastion: `bartizan serve` with a configuration in a folder of its own, and the other subcommands beside it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use super::process::wait_for_line;
use super::{Guarded, Run};

/// A running bastion.
pub(crate) struct Bastion {
    dir: PathBuf,
    pub(crate) port: u16,
    process: Guarded,
}

impl Bastion {
    /// Starts `bartizan serve` with `dir/bartizan.toml` and waits until it listens.
    pub(crate) fn start(dir: &Path) -> Self {
        let log = dir.join("serve.log");
        // What an earlier start of the same bastion said must not be taken for this one's.
        let _ = fs::rename(&log, dir.join("serve.log.before"));
        let mut command = if small_disk(dir).exists() { on_a_disk_of_its_own(dir) } else { bartizan(dir) };
        command.arg("serve").env("BARTIZAN_TEST_PASSWORD", super::target::PASSWORD);
        let mut process = Guarded::logged(command, &log);
        let rest = wait_for_line(&log, "listening on 127.0.0.1:", &mut process);
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Self { dir: dir.to_owned(), port: digits.parse().unwrap(), process }
    }

    /// Another subcommand on the same configuration.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        run(&self.dir, arguments)
    }

    /// What the bastion has logged since it started.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("serve.log")).unwrap()
    }

    /// As the kernel would: nothing is flushed, nobody is told.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks it to end (SIGTERM) and goes on.
    pub(crate) fn ask_to_end(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Asks it to read its policies again (SIGHUP).
    pub(crate) fn reload(&self) {
        self.process.signal(Signal::HUP);
    }

    /// The exit code, once it has ended by itself.
    pub(crate) fn ended(&mut self) -> i32 {
        let status = self.process.wait(Duration::from_secs(60));
        status.unwrap_or_else(|| panic!("the bastion goes on:\n{}", self.log())).code().unwrap()
    }

    /// Another program where the bastion's own disk is seen; only root may enter another's namespace.
    pub(crate) fn beside(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.process.child.id().to_string()]).arg(program);
        command
    }

    /// A subcommand that sees that disk too.
    pub(crate) fn run_beside(&self, arguments: &[&str]) -> Run {
        let plain = bartizan(&self.dir);
        let mut command = self.beside(plain.get_program());
        command.args(arguments);
        command.env("BARTIZAN_CONFIG", self.dir.join("bartizan.toml")).env("BARTIZAN_TEST_PASSWORD", super::target::PASSWORD);
        Run::new(command)
    }

    /// What one of the kernel's files says of the process.
    pub(crate) fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.process.child.id())).unwrap()
    }

    /// How many files and sockets it has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.child.id())).unwrap().count()
    }

    /// How long its threads have had a processor, to ten milliseconds.
    pub(crate) fn processor_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        // The name, in parentheses, may contain blanks; user and system time are fields 14 and 15 (proc(5)), in ticks of a hundredth.
        let ticks = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2).map(|field| field.parse::<u32>().unwrap());
        f64::from(ticks.sum::<u32>()) / 100.0
    }

    /// Resident memory, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// Where the recordings go when they have a disk of their own; exists only then.
pub(crate) fn small_disk(dir: &Path) -> PathBuf {
    dir.join("small")
}

/// The disk to be mounted there, if it is not one of four megabytes in memory.
pub(crate) fn image(dir: &Path) -> PathBuf {
    dir.join("disk.ext4")
}

/// `bartizan` in a mount namespace of its own, where that folder is a file system of its own.
fn on_a_disk_of_its_own(dir: &Path) -> Command {
    let plain = bartizan(dir);
    let mount = match image(dir).exists() {
        true => format!("mount -o loop {} \"$1\"", image(dir).display()),
        false => "mount -t tmpfs -o size=4m,mode=0700 none \"$1\"".to_owned(),
    };
    let mut command = Command::new("unshare");
    if !rustix::process::getuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--mount", "sh", "-c", &format!("{mount} && chmod 700 \"$1\" && shift && exec \"$@\""), "sh"]);
    command.arg(small_disk(dir)).arg(plain.get_program());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// `bartizan` with the configuration in `dir` and nothing of the tester's own environment that could matter.
pub(crate) fn bartizan(dir: &Path) -> Command {
    // A bench measures a release.
    let program = std::env::var_os("BARTIZAN_TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_bartizan").into());
    let mut command = Command::new(program);
    command.env("BARTIZAN_CONFIG", dir.join("bartizan.toml")).env("HOME", dir).env("NO_COLOR", "1").env("NO_PROXY", "127.0.0.1");
    command.env_remove("SSH_AUTH_SOCK").env_remove("SSH_CONNECTION").env("BARTIZAN_TEST_PASSWORD", super::target::PASSWORD);
    command
}

/// A subcommand on the configuration in `dir`.
pub(crate) fn run<S: AsRef<OsStr>>(dir: &Path, arguments: impl IntoIterator<Item = S>) -> Run {
    let mut command = bartizan(dir);
    command.args(arguments);
    Run::new(command)
}
