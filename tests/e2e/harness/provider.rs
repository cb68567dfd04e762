//! The OpenID provider: `tests/run` starts one for all tests that do no harm to it; a test that does starts its own.

use std::path::Path;
use std::process::Command;

use super::process::wait_for_line;
use super::{Done, Guarded, Run, fixture};

/// A running provider.
pub(crate) struct Provider {
    pub(crate) issuer: String,
    own: Option<Guarded>,
}

impl Provider {
    /// The shared provider, or one of our own where `tests/run` did not start any.
    pub(crate) fn shared(dir: &Path) -> Self {
        match std::env::var("BARTIZAN_TEST_ISSUER") {
            Ok(issuer) => Self { issuer, own: None },
            Err(_) => Self::own(dir),
        }
    }

    /// A provider for this test alone, whose hooks may be used.
    pub(crate) fn own(dir: &Path) -> Self {
        let log = dir.join("provider.log");
        let mut command = Command::new("node");
        command.arg(fixture("oidc/idp.mjs")).arg("0");
        let mut own = Guarded::logged(command, &log);
        let issuer = wait_for_line(&log, "READY ", &mut own);
        Self { issuer, own: Some(own) }
    }

    /// Calls a hook, such as `rotate?keep=0`.
    pub(crate) fn hook(&self, call: &str) {
        assert!(self.own.is_some(), "only a provider of its own may be harmed by a test");
        curl([&format!("{}/__test/{call}", self.issuer)]).ok();
    }

    /// Stops answering for good, as a provider that is down does.
    pub(crate) fn stop(&mut self) {
        self.own.as_mut().expect("only a provider of its own may be stopped by a test").kill();
    }

    /// Goes through the pages behind `url` as `user` would in a browser.
    pub(crate) fn walk(&self, url: &str, user: &str) -> String {
        walker(url, user, &[])
    }

    /// Refuses on the page behind `url`.
    pub(crate) fn refuse(&self, url: &str, user: &str) -> String {
        walker(url, user, &["--deny"])
    }

    /// A service's token, as its CI job would get it.
    pub(crate) fn service_token(&self) -> String {
        let url = format!("{}/token", self.issuer);
        let done = curl(["-u", "ci:ci-secret", "-d", "grant_type=client_credentials", "-d", "scope=groups", &url]).ok();
        done.json()["access_token"].as_str().unwrap_or_else(|| panic!("{done}")).to_owned()
    }
}

/// A second provider that shares nothing with the first: Glewlwyd. Its subjects are opaque, its issuer has a path, its refresh tokens
/// do not rotate.
pub(crate) struct SecondProvider {
    pub(crate) issuer: String,
    _process: Guarded,
}

impl SecondProvider {
    pub(crate) fn start(dir: &Path) -> Self {
        let log = dir.join("second.log");
        let mut command = Command::new(fixture("glewlwyd/serve"));
        command.arg(dir.join("second"));
        let mut process = Guarded::logged(command, &log);
        let issuer = wait_for_line(&log, "READY ", &mut process);
        Self { issuer, _process: process }
    }

    /// Goes through the pages behind `url` as `user` would in a browser.
    pub(crate) fn walk(url: &str, user: &str) {
        let mut command = Command::new("python3");
        command.arg(fixture("glewlwyd/finish.py")).args([url, user]).env("PYTHONDONTWRITEBYTECODE", "1");
        Run::new(command).ok();
    }
}

fn curl<const N: usize>(arguments: [&str; N]) -> Done {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail-with-body", "--noproxy", "*"]).args(arguments);
    Run::new(command).finish()
}

fn walker(url: &str, user: &str, flags: &[&str]) -> String {
    let mut command = Command::new("python3");
    command.arg(fixture("oidc/walker.py")).args([url, user]).args(flags);
    Run::new(command).ok().text()
}
