//! What stock OpenSSH makes of our certificates.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use russh::keys::ssh_key::LineEnding;

use crate::model::{Login, SessionId};

use super::*;

/// Runs `ssh-keygen` with a file name as its last argument.
pub(super) fn keygen(arguments: &[&str], file: &Path) -> String {
    let done = Command::new("ssh-keygen").args(arguments).arg(file).env("TZ", "UTC").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

pub(super) fn made_key(dir: &Path, kind: &[&str]) -> PublicKey {
    let file = dir.join("made");
    let _ = fs::remove_file(&file);
    keygen(&[&["-q", "-N", ""], kind, &["-f"]].concat(), &file);
    PublicKey::from_openssh(&fs::read_to_string(file.with_extension("pub")).unwrap()).unwrap()
}

fn listing(dir: &Path, cert: &Certificate) -> String {
    let file = dir.join("listed-cert.pub");
    fs::write(&file, cert.to_openssh().unwrap()).unwrap();
    keygen(&["-L", "-f"], &file)
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn ssh_keygen_reads_what_we_issue() {
    let state = tempfile::tempdir().unwrap();
    let authorities = open(state.path()).await;
    let key = some_key();
    let source = "192.0.2.0/24,2001:db8::1".parse().unwrap();
    let grant = UserGrant {
        principal: &alice(),
        authenticated_at: noon(),
        public_key: key.public_key(),
        valid_for: Duration::from_secs(900),
        source: Some(&source),
        permits: ALL,
    };
    let user = authorities.issue_user(&grant, &Stamp::new(42, noon(), &mut rand::rng())).await.unwrap();
    let shown = words(&listing(state.path(), &user));
    for part in [
        "ssh-ed25519-cert-v01@openssh.com user certificate",
        "Key ID: \"corp/alice@example.com\" Serial: 42 Valid: from 2026-11-23T11:59:00 to 2026-11-23T12:15:00",
        "Principals: corp/alice@example.com Critical Options: source-address 192.0.2.0/24,2001:db8::1/128",
        "authenticated-at@bartizan.dev UNKNOWN OPTION",
        "groups@bartizan.dev UNKNOWN OPTION",
        "permit-agent-forwarding permit-port-forwarding permit-pty",
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }

    let grant = HostGrant { names: &["bastion.example.com", "web-1"], public_key: key.public_key(), valid_for: DAY };
    let host = authorities.issue_host(&grant, &Stamp::new(43, noon(), &mut rand::rng())).await.unwrap();
    let shown = words(&listing(state.path(), &host));
    assert!(shown.contains("host certificate"), "{shown}");
    assert!(shown.contains("Principals: bastion.example.com web-1 Critical Options: (none) Extensions: (none)"), "{shown}");

    let session = SessionId::new(1_795_435_200_000, 99);
    let target = authorities
        .issue_target(&target_grant(session, &key, &"deploy".parse().unwrap()), &Stamp::new(44, noon(), &mut rand::rng()))
        .await
        .unwrap();
    let shown = words(&listing(state.path(), &target));
    assert!(
        shown.contains(&format!(
            "Key ID: \"corp/alice@example.com session {session}\" Serial: 44 Valid: from 2026-11-23T11:59:00 to 2026-11-23T12:02:00"
        )),
        "{shown}"
    );
    assert!(shown.contains("Principals: deploy Critical Options: (none) Extensions: permit-agent-forwarding permit-port-forwarding permit-pty session-id@bartizan.dev"), "{shown}");
    let expected = [
        cert_authority(&authorities, AuthorityKind::User),
        cert_authority(&authorities, AuthorityKind::Host),
        cert_authority(&authorities, AuthorityKind::Target),
    ];
    assert_eq!(
        [user.signature_key(), host.signature_key(), target.signature_key()],
        [expected[0].key_data(), expected[1].key_data(), expected[2].key_data()]
    );
}

fn cert_authority(authorities: &Authorities, kind: AuthorityKind) -> PublicKey {
    authorities.public_keys(kind, noon()).remove(0)
}

fn target_grant<'a>(session: SessionId, key: &'a PrivateKey, login: &'a Login) -> TargetGrant<'a> {
    static ALICE: std::sync::LazyLock<crate::model::PrincipalId> = std::sync::LazyLock::new(|| alice().id);
    TargetGrant { session, principal: &ALICE, login, public_key: key.public_key(), valid_for: Duration::from_secs(60), permits: ALL }
}

/// A real sshd on loopback that trusts our target authority, and whose host key our host authority has certified.
struct Sshd {
    process: Child,
    port: u16,
}

impl Sshd {
    fn start(dir: &Path, authorities: &Authorities, host_cert: &Certificate) -> Self {
        let file = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
        file("target_ca.pub", &cert_authority(authorities, AuthorityKind::Target).to_openssh().unwrap());
        file("host_key-cert.pub", &host_cert.to_openssh().unwrap());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = dir.display();
        file(
            "sshd_config",
            &format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host_key\nHostCertificate {at}/host_key-cert.pub\nTrustedUserCAKeys {at}/target_ca.pub\n\
                 PidFile none\nUsePAM no\nStrictModes no\nAuthorizedKeysFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            ),
        );
        let process =
            Command::new("/usr/sbin/sshd").args(["-D", "-e", "-f"]).arg(dir.join("sshd_config")).stderr(Stdio::null()).spawn().unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, port }
    }

    fn login(&self, dir: &Path, login: &str, cert: &Certificate) -> Output {
        fs::write(dir.join("id-cert.pub"), cert.to_openssh().unwrap()).unwrap();
        Command::new("ssh")
            .args([
                "-F",
                "none",
                "-o",
                "BatchMode=yes",
                "-o",
                "IdentitiesOnly=yes",
                "-o",
                "IdentityAgent=none",
                "-o",
                "StrictHostKeyChecking=yes",
            ])
            .args(["-o", "GlobalKnownHostsFile=none", "-o", "HostKeyAlias=web-1"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", dir.join("known_hosts").display()))
            .arg("-o")
            .arg(format!("CertificateFile={}", dir.join("id-cert.pub").display()))
            .arg("-i")
            .arg(dir.join("id"))
            .arg("-p")
            .arg(self.port.to_string())
            .arg(format!("{login}@127.0.0.1"))
            .arg("echo in; cat")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn write_key(path: &Path, key: &PrivateKey) {
    fs::write(path, key.to_openssh(LineEnding::LF).unwrap()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn a_real_sshd_takes_a_target_certificate_and_refuses_an_expired_or_foreign_one() {
    let dir = tempfile::tempdir().unwrap();
    let (authorities, now, me) = (open(dir.path()).await, Timestamp::now(), whoami());
    let (host, user) = (some_key(), some_key());
    write_key(&dir.path().join("host_key"), &host);
    write_key(&dir.path().join("id"), &user);
    let names = HostGrant { names: &["web-1"], public_key: host.public_key(), valid_for: DAY };
    let host_cert = authorities.issue_host(&names, &Stamp::new(1, now, &mut rand::rng())).await.unwrap();
    let known = format!("@cert-authority * {}\n", cert_authority(&authorities, AuthorityKind::Host).to_openssh().unwrap());
    fs::write(dir.path().join("known_hosts"), known).unwrap();
    // Where sshd wants it; only root can make it, and only as root sshd asks.
    let _ = fs::create_dir_all("/run/sshd");
    let sshd = Sshd::start(dir.path(), &authorities, &host_cert);

    let issue = async |login: &str, at: Timestamp| {
        let login = login.parse().unwrap();
        let grant = target_grant(SessionId::new(1, 2), &user, &login);
        authorities.issue_target(&grant, &Stamp::new(2, at, &mut rand::rng())).await.unwrap()
    };
    let taken = sshd.login(dir.path(), &me, &issue(&me, now).await);
    assert_eq!((taken.status.code(), taken.stdout.as_slice()), (Some(0), b"in\n".as_slice()), "{}", String::from_utf8_lossy(&taken.stderr));
    for (why, cert) in [
        ("expired", issue(&me, now - 10.minutes()).await),
        ("not yet valid", issue(&me, now + 10.minutes()).await),
        ("for another login", issue("somebody-else", now).await),
        ("of the user authority", issue_to(&authorities, &alice(), user.public_key(), now, DAY).await.unwrap()),
    ] {
        let refused = sshd.login(dir.path(), &me, &cert);
        assert_eq!(refused.status.code(), Some(255), "{why}");
        assert!(
            String::from_utf8_lossy(&refused.stderr).contains("Permission denied"),
            "{why}: {}",
            String::from_utf8_lossy(&refused.stderr)
        );
    }
}

fn whoami() -> String {
    let name = Command::new("id").arg("-un").output().unwrap().stdout;
    String::from_utf8(name).unwrap().trim().to_owned()
}
