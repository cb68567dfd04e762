//! Everything that one test needs: a folder, a provider, a target, a bastion.

use std::fs;
use std::path::PathBuf;

use super::{Bastion, Provider, Target, Visitor, bastion, passable_folder};

/// What a test wants otherwise than usual.
#[derive(Default)]
pub(crate) struct Setup {
    /// A provider that may be harmed.
    pub(crate) own_provider: bool,
    /// The bastion's name, which its host certificate carries; without it, `bastion`.
    pub(crate) name: Option<&'static str>,
    /// Lines of `[limits]`.
    pub(crate) limits: &'static str,
    /// Lines of `[server]`.
    pub(crate) server: &'static str,
    /// Further sections.
    pub(crate) more: String,
    /// Recordings go to a file system of four megabytes.
    pub(crate) small_disk: bool,
    /// Recordings go to an ext4 of their own, which can be frozen or go read-only; only root can mount it.
    pub(crate) own_disk: bool,
    /// Lines of `[recordings]` for these two.
    pub(crate) disk_lines: &'static str,
    /// How long certificates live.
    pub(crate) ttl: Option<&'static str>,
    /// Policies instead of [`POLICIES`].
    pub(crate) policies: Option<&'static str>,
}

/// Admins may do everything; developers may run commands on web-1 as deploy; services of the group robots likewise.
pub(crate) const POLICIES: &str = r#"
@id("admins-may-everything")
permit (principal in Group::"corp/admins", action, resource);

@id("all-get-certificates")
permit (principal, action == Action::"issue", resource);

@id("developers-run-commands")
permit (
  principal in Group::"corp/developers",
  action in [Action::"connect", Action::"ssh.exec"],
  resource == Target::"web-1"
) when { context.login == "deploy" };

@id("robots-run-commands")
permit (
  principal in Group::"robots/robots",
  action in [Action::"connect", Action::"ssh.exec"],
  resource == Target::"web-1"
);

@id("nobody-prints-shadow")
@reason("Password hashes stay on their machine.")
forbid (principal, action == Action::"ssh.exec", resource) when { context.command like "*shadow*" };
"#;

/// Whoever sits at the bastion's own machine sees what there is, ends and locks. The policies under test stand beside these.
const OPERATORS: &str = r#"
@id("operators-on-the-machine")
permit (
  principal in Group::"local/operators",
  action in [Action::"watch", Action::"end", Action::"lock", Action::"revoke", Action::"audit"],
  resource
);
"#;

/// One test's world. Dropping it stops all of it.
pub(crate) struct World {
    pub(crate) bastion: Bastion,
    pub(crate) target: Target,
    pub(crate) provider: Provider,
    /// The public key that signs the bastion's host certificates.
    pub(crate) host_ca: String,
    folder: tempfile::TempDir,
}

impl World {
    /// The usual one.
    pub(crate) fn start() -> Self {
        Self::with(Setup::default())
    }

    /// One that differs from the usual as `setup` says.
    pub(crate) fn with(setup: Setup) -> Self {
        // The target's accounts live below and may be another user's; the bastion's state has its own lock.
        let folder = passable_folder();
        let dir = folder.path().to_owned();
        let target_dir = dir.join("web-1");
        let starts = std::thread::spawn(move || Target::start(&target_dir));
        let provider = if setup.own_provider { Provider::own(&dir) } else { Provider::shared(&dir) };
        let target = starts.join().unwrap();
        fs::create_dir(dir.join("policies")).unwrap();
        fs::write(dir.join("policies/test.cedar"), setup.policies.unwrap_or(POLICIES)).unwrap();
        fs::write(dir.join("policies/operators.cedar"), OPERATORS).unwrap();
        fs::write(dir.join("bartizan.toml"), configuration(&setup, &provider, &target)).unwrap();
        if setup.small_disk || setup.own_disk {
            fs::create_dir(bastion::small_disk(&dir)).unwrap();
        }
        if setup.own_disk {
            let image = bastion::image(&dir);
            fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
            let mut make = std::process::Command::new("mkfs.ext4");
            make.args(["-q", "-F"]).arg(image);
            super::Run::new(make).ok();
        }
        let bastion = Bastion::start(&dir);
        let host_ca = authority(&dir, "host");
        target.trust(&authority(&dir, "target"));
        Self { bastion, target, provider, host_ca, folder }
    }

    /// The folder of configuration, policies and state.
    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Somebody with a new key and no certificate.
    pub(crate) fn stranger(&self, name: &str) -> Visitor {
        Visitor::new(self.dir().join("visitors").join(name), self.bastion.port, &self.host_ca)
    }

    /// Somebody who has just logged in at the provider.
    pub(crate) fn visitor(&self, name: &str) -> Visitor {
        let visitor = self.stranger(name);
        visitor.log_in(&self.provider, name);
        visitor
    }

    /// Replaces the policies, without telling the bastion.
    pub(crate) fn write_policies(&self, text: &str) {
        self.write_policy("test.cedar", text);
    }

    /// All at once: a bastion that looks in the middle sees the old file.
    fn write_policy(&self, file: &str, text: &str) {
        let dir = self.dir().join("policies");
        fs::write(dir.join("new"), text).unwrap();
        fs::rename(dir.join("new"), dir.join(file)).unwrap();
    }

    /// Replaces a file of policies, `test.cedar` or `operators.cedar`, and waits until the bastion goes by what it says.
    pub(crate) fn put_in_force(&self, file: &str, text: &str) {
        let log = || self.bastion.run(["audit", "export", "--kind", "policies.reloaded"]).ok().text().lines().count();
        let before = log();
        self.write_policy(file, text);
        self.bastion.reload();
        super::wait_until("the policies are in force", || log() > before);
    }

    /// Starts the bastion again on what it left behind. The port changes.
    pub(crate) fn restart(&mut self) {
        self.bastion.kill();
        self.bastion = Bastion::start(self.folder.path());
    }
}

/// The public key of one of the bastion's authorities: `user`, `host` or `target`.
pub(crate) fn authority(dir: &std::path::Path, which: &str) -> String {
    let text = fs::read_to_string(dir.join(format!("state/ca/{which}.pub"))).unwrap();
    text.trim().to_owned()
}

fn configuration(setup: &Setup, provider: &Provider, target: &Target) -> String {
    let ttl = setup.ttl.unwrap_or("15m");
    let mut text = format!(
        r#"[server]
name = "{name}"
listen = ["127.0.0.1:0"]
state_dir = "state"
{server}

[limits]
{limits}

[[issuer]]
name = "corp"
url = "{issuer}"
client_id = "bartizan"
user_claim = "email"
certificate_ttl = "{ttl}"

[[issuer]]
name = "robots"
kind = "service"
url = "{issuer}"
audience = "bartizan-services"
certificate_ttl = "{ttl}"
"#,
        name = setup.name.unwrap_or("bastion"),
        server = setup.server,
        limits = setup.limits,
        issuer = provider.issuer,
    );
    let key = target.account_key();
    let trusted = format!("host_key = \"{}\"", target.host_key);
    let signed = format!("host_ca = \"{}\"", target.host_ca);
    // The right kind of key, of another machine.
    let wrong = format!("host_key = \"{}\"", target.host_ca);
    let by_key = format!("{{ key = {{ file = \"{}\" }} }}", key.display());
    let by_password = "{ password = { env = \"BARTIZAN_TEST_PASSWORD\" } }";
    for (name, host, credential) in [
        ("web-1", trusted.as_str(), "\"certificate\""),
        ("web-ca", &signed, "\"certificate\""),
        ("web-key", &trusted, &by_key),
        ("web-password", &trusted, by_password),
        ("web-stranger", &wrong, "\"certificate\""),
    ] {
        text += &format!(
            "\n[[target]]\nname = \"{name}\"\nkind = \"ssh\"\naddress = \"{}\"\nlogins = [\"deploy\", \"operator\"]\n{host}\ncredential = {credential}\ntags = {{ env = \"test\" }}\n",
            target.address()
        );
    }
    if setup.small_disk || setup.own_disk {
        text += &format!("\n[recordings]\nurl = \"file:../small\"\nlow_water_mib = 1\n{}", setup.disk_lines);
    }
    text + &setup.more
}
