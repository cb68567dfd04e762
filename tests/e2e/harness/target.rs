//! A real `sshd` as target, made and run by the scripts in `tests/fixtures/sshd`: accounts `deploy` and `operator`, logins by
//! certificate, by key and by password, a host key and a host certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::wait_for_line;
use super::{Guarded, Run, fixture};

/// The password of every fixture account.
pub(crate) const PASSWORD: &str = "open sesame 7!";

/// A running target.
pub(crate) struct Target {
    pub(crate) dir: PathBuf,
    pub(crate) port: u16,
    /// The host's public key.
    pub(crate) host_key: String,
    /// The public key of the authority that signed the host's certificate.
    pub(crate) host_ca: String,
    process: Guarded,
}

impl Target {
    /// Starts it in the new folder `dir`. Nobody's certificate is trusted until [`Target::trust`].
    pub(crate) fn start(dir: &Path) -> Self {
        let mut make = Command::new(fixture("sshd/make"));
        make.arg(dir);
        Run::new(make).ok();
        let mut serve = Command::new(fixture("sshd/serve"));
        serve.arg(dir);
        let log = dir.join("sshd.log");
        let mut process = Guarded::logged(serve, &log);
        wait_for_line(&log, "Server listening on 127.0.0.1", &mut process);
        let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap().trim().to_owned();
        let port = read("port").parse().unwrap();
        Self { dir: dir.to_owned(), port, host_key: read("hostkey.pub"), host_ca: read("hostca.pub"), process }
    }

    /// Takes certificates of the authority `public_key` from now on.
    pub(crate) fn trust(&self, public_key: &str) {
        fs::write(self.dir.join("user_ca.pub"), format!("{public_key}\n")).unwrap();
    }

    /// The home folder of an account.
    pub(crate) fn home(&self, account: &str) -> PathBuf {
        self.dir.join("home").join(account)
    }

    /// The private key that opens every account.
    pub(crate) fn account_key(&self) -> PathBuf {
        self.dir.join("account")
    }

    /// What sshd has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("sshd.log")).unwrap()
    }

    /// How many logins were accepted until now.
    pub(crate) fn logins(&self) -> usize {
        self.log().lines().filter(|line| line.starts_with("Accepted publickey for") || line.starts_with("Accepted password for")).count()
    }

    /// Ends sshd and everything that it began, as a machine that loses its power.
    pub(crate) fn die(&mut self) {
        let mut all = vec![self.process.child.id().to_string()];
        let mut at = 0;
        while let Some(parent) = all.get(at).cloned() {
            let mut children = Command::new("pgrep");
            children.args(["-P", &parent]);
            all.extend(Run::new(children).finish().text().split_whitespace().map(str::to_owned));
            at += 1;
        }
        self.process.kill();
        let mut kill = Command::new("kill");
        kill.arg("-KILL").args(&all[1..]);
        // Some may have ended with their parent.
        drop(Run::new(kill).finish());
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Changes the configuration and has sshd read it again.
    pub(crate) fn configure(&self, change: impl FnOnce(String) -> String) {
        let path = self.dir.join("sshd_config");
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
        let before = self.log().matches("Server listening on 127.0.0.1").count();
        self.process.signal(rustix::process::Signal::HUP);
        super::wait_until("sshd listens again", || self.log().matches("Server listening on 127.0.0.1").count() > before);
    }

    /// Gives every account this login shell.
    pub(crate) fn login_shell(&self, shell: &str) {
        let path = self.dir.join("passwd");
        let text = fs::read_to_string(&path).unwrap();
        let own = |line: &str| ["deploy:", "operator:"].iter().any(|name| line.starts_with(name));
        let change = |line: &str| match line.rsplit_once(':') {
            Some((rest, _)) if own(line) => format!("{rest}:{shell}\n"),
            _ => format!("{line}\n"),
        };
        fs::write(&path, text.lines().map(change).collect::<String>()).unwrap();
    }

    /// Ends sshd and all that runs in its process group.
    pub(crate) fn stop(&mut self) {
        self.process.kill();
    }
}
