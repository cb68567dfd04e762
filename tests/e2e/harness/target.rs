//! A real `sshd` as target: accounts `deploy` and `operator` from a fixture password file (nss_wrapper), so that no account is
//! made on the machine; logins by certificate of a CA, by key and by password; a host key and a host certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Guarded, Run, free_port, keygen};

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
        fs::create_dir_all(dir).unwrap();
        let host_key = keygen(&dir.join("hostkey"), "ed25519");
        let host_ca = keygen(&dir.join("hostca"), "ed25519");
        certify_host(dir, "web-1,web-ca,127.0.0.1");
        keygen(&dir.join("account"), "ed25519");
        write_accounts(dir);
        fs::write(dir.join("user_ca.pub"), "").unwrap();
        for _ in 0..5 {
            let port = free_port();
            fs::write(dir.join("sshd_config"), configuration(dir, port)).unwrap();
            if let Some(process) = launch(dir, port) {
                return Self { dir: dir.to_owned(), port, host_key, host_ca, process };
            }
        }
        panic!("sshd did not start:\n{}", fs::read_to_string(dir.join("sshd.log")).unwrap_or_default());
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

    /// Ends sshd's listener; connections go on.
    pub(crate) fn stop(&mut self) {
        self.process.kill();
    }
}

fn certify_host(dir: &Path, names: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-h", "-I", "web-1", "-n", names, "-V", "-5m:+1d", "-s"]).arg(dir.join("hostca")).arg(dir.join("hostkey.pub"));
    Run::new(command).ok();
}

/// Each account is the tester's own user under another name, with its own home.
fn write_accounts(dir: &Path) {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let hashed = Run::new({
        let mut command = Command::new("openssl");
        command.args(["passwd", "-6", "-stdin"]);
        command
    });
    let hash = hashed.input(PASSWORD).ok().text();
    let (mut passwd, mut shadow) = (String::new(), String::new());
    for account in ["deploy", "operator"] {
        let home = dir.join("home").join(account);
        fs::create_dir_all(&home).unwrap();
        passwd += &format!("{account}:x:{uid}:{gid}::{}:/bin/bash\n", home.display());
        shadow += &format!("{account}:{}:19000:0:99999:7:::\n", hash.trim());
    }
    passwd += &fs::read_to_string("/etc/passwd").unwrap();
    fs::write(dir.join("passwd"), passwd).unwrap();
    fs::write(dir.join("shadow"), shadow).unwrap();
    fs::write(dir.join("group"), fs::read_to_string("/etc/group").unwrap()).unwrap();
}

fn configuration(dir: &Path, port: u16) -> String {
    let dir = dir.display();
    format!(
        "Port {port}
ListenAddress 127.0.0.1
HostKey {dir}/hostkey
HostCertificate {dir}/hostkey-cert.pub
TrustedUserCAKeys {dir}/user_ca.pub
AuthorizedKeysFile {dir}/account.pub
PidFile none
PasswordAuthentication yes
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin yes
MaxSessions 100
MaxStartups 100
AcceptEnv LANG LC_* BARTIZAN_*
Subsystem sftp internal-sftp
LogLevel VERBOSE
"
    )
}

/// None when the port was taken meanwhile.
fn launch(dir: &Path, port: u16) -> Option<Guarded> {
    let log = dir.join("sshd.log");
    let mut command = Command::new("/usr/sbin/sshd");
    command.args(["-D", "-e", "-f"]).arg(dir.join("sshd_config"));
    command.env("LD_PRELOAD", "libnss_wrapper.so");
    for (variable, file) in [("NSS_WRAPPER_PASSWD", "passwd"), ("NSS_WRAPPER_GROUP", "group"), ("NSS_WRAPPER_SHADOW", "shadow")] {
        command.env(variable, dir.join(file));
    }
    let mut process = Guarded::logged(command, &log);
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while std::time::Instant::now() < end && process.runs() {
        let text = fs::read_to_string(&log).unwrap_or_default();
        if text.contains(&format!("Server listening on 127.0.0.1 port {port}")) {
            return Some(process);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}
