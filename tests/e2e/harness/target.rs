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

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends sshd and all that runs in its process group.
    pub(crate) fn stop(&mut self) {
        self.process.kill();
    }
}
