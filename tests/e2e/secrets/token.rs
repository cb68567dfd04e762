//! The key of sealed secrets in a token that speaks PKCS#11: SoftHSM's, which a real ssh-agent has loaded by `ssh-add -s`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::sealed::sealed;
use super::{are_nowhere, is_let_in, refusal};
use crate::harness::{Guarded, PASSWORD, Run, wait_until};

/// Where Debian has it.
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// A token with keys in it, and an agent.
struct Token {
    folder: tempfile::TempDir,
}

impl Token {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tokens")).unwrap();
        let token = Self { folder };
        let conf = format!("directories.tokendir = {}\nobjectstore.backend = file\n", token.path("tokens").display());
        fs::write(token.path("softhsm2.conf"), conf).unwrap();
        fs::write(token.path("askpass"), "#!/bin/sh\necho 1234\n").unwrap();
        fs::set_permissions(token.path("askpass"), fs::Permissions::from_mode(0o700)).unwrap();
        Run::new(token.command("softhsm2-util", &["--init-token", "--free", "--label", "bartizan", "--pin", "1234", "--so-pin", "5678"]))
            .ok();
        for (id, kind) in [("01", "rsa:3072"), ("02", "rsa:2048"), ("03", "EC:prime256v1")] {
            let make = ["--module", MODULE, "--login", "--pin", "1234", "--keypairgen", "--key-type", kind, "--id", id, "--label", id];
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
    fn agent(&self) -> Guarded {
        let socket = self.path("agent.sock");
        let _gone = fs::remove_file(&socket);
        let mut command = self.command("ssh-agent", &["-D", "-P", "/usr/lib/*", "-a"]);
        command.arg(&socket).stdout(Stdio::null());
        let agent = Guarded::spawn(command);
        wait_until("the agent listens", || socket.exists());
        self.load();
        agent
    }

    fn load(&self) {
        Run::new(self.command("ssh-add", &["-s", MODULE])).within(60).ok();
    }

    /// The fingerprint of the key whose line says so.
    fn fingerprint(&self, says: &str) -> String {
        let list = Run::new(self.command("ssh-add", &["-l"])).ok().text();
        let line = list.lines().find(|line| line.contains(says)).unwrap_or_else(|| panic!("{says}: {list}"));
        line.split_whitespace().nth(1).unwrap().to_owned()
    }
}

#[test]
fn an_rsa_key_in_a_token_opens_what_was_sealed_and_small_or_ecdsa_keys_will_not_do() {
    let token = Token::new();
    let mut agent = token.agent();
    let [good, small, ecdsa] = ["3072 ", "2048 ", "(ECDSA)"].map(|says| token.fingerprint(says));
    let socket = token.path("agent.sock");
    let site = sealed(&format!("\n[secrets]\nkey = {{ agent = \"{}\", fingerprint = \"{good}\" }}\n", socket.display()));
    let alice = site.world.visitor("alice");
    let tunnel = site.tunnel(&alice);
    is_let_in(&tunnel, &alice);
    assert!(!site.world.dir().join("state/keys/secrets").exists());

    // Taken out of the agent, it opens nothing; put back, and by another agent, it does.
    Run::new(token.command("ssh-add", &["-e", MODULE])).ok();
    let why = refusal(&tunnel, &alice);
    assert!(why.contains("cannot be read from sealed orders"), "{why}");
    token.load();
    is_let_in(&tunnel, &alice);
    agent.kill();
    refusal(&tunnel, &alice);
    let _agent = token.agent();
    is_let_in(&tunnel, &alice);

    let file = site.world.dir().join("bartizan.toml");
    let text = fs::read_to_string(&file).unwrap();
    for (bad, words) in [(&small, "has 2048 bits"), (&ecdsa, "differ each time")] {
        fs::write(&file, text.replace(&good, bad)).unwrap();
        let done = site.world.bastion.run(["secret", "set", "other"]).input("planted").finish().refused();
        assert!(done.err.contains(words) && done.err.contains("3072"), "{done}");
    }
    are_nowhere(&site, &[PASSWORD, "planted", "1234\n"]);
}
