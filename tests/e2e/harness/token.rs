//! A token that speaks PKCS#11: SoftHSM's, loaded into a real ssh-agent by `ssh-add -s`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::{Guarded, Run, ssh_agent};

/// Where Debian has it.
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// A token with the RSA keys `large` and `small` and the ECDSA keys `user`, `host` and `target`.
pub(crate) struct Token {
    folder: tempfile::TempDir,
}

impl Token {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tokens")).unwrap();
        let token = Self { folder };
        let conf = format!("directories.tokendir = {}\nobjectstore.backend = file\n", token.path("tokens").display());
        fs::write(token.path("softhsm2.conf"), conf).unwrap();
        fs::write(token.path("askpass"), "#!/bin/sh\necho 1234\n").unwrap();
        fs::set_permissions(token.path("askpass"), fs::Permissions::from_mode(0o700)).unwrap();
        Run::new(token.command("softhsm2-util", &["--init-token", "--free", "--label", "bartizan", "--pin", "1234", "--so-pin", "5678"]))
            .ok();
        let curve = "EC:prime256v1";
        let keys = [("large", "rsa:3072"), ("small", "rsa:2048"), ("user", curve), ("host", curve), ("target", curve)];
        for (id, (label, kind)) in ["01", "02", "03", "04", "05"].into_iter().zip(keys) {
            let make = ["--module", MODULE, "--login", "--pin", "1234", "--keypairgen", "--key-type", kind, "--id", id, "--label", label];
            Run::new(token.command("pkcs11-tool", &make)).within(120).ok();
        }
        token
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env("SOFTHSM2_CONF", self.path("softhsm2.conf")).env("SSH_AUTH_SOCK", self.path("agent.sock"));
        command.env("SSH_ASKPASS", self.path("askpass")).env("SSH_ASKPASS_REQUIRE", "force");
        command
    }

    /// An agent that has loaded it.
    pub(crate) fn agent(&self) -> Guarded {
        let socket = self.socket();
        let _gone = fs::remove_file(&socket);
        let agent = ssh_agent(self.command("ssh-agent", &["-P", "/usr/lib/*"]), &socket);
        self.load();
        agent
    }

    pub(crate) fn load(&self) {
        Run::new(self.command("ssh-add", &["-s", MODULE])).within(60).ok();
    }

    pub(crate) fn unload(&self) {
        Run::new(self.command("ssh-add", &["-e", MODULE])).ok();
    }

    /// Where its agent listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path("agent.sock")
    }

    /// The fingerprint of the key with this label.
    pub(crate) fn fingerprint(&self, label: &str) -> String {
        let list = Run::new(self.command("ssh-add", &["-l"])).ok().text();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let found = list.lines().map(words).find(|words| words.get(2).is_some_and(|word| word == label));
        found.unwrap_or_else(|| panic!("{label}: {list}")).swap_remove(1)
    }
}
