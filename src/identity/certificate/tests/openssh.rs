//! Certificates made by the real `ssh-keygen`.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;

const OURS: [&str; 8] = [
    "-O",
    "extension:principal@bartizan.dev=corp/alice",
    "-O",
    "extension:kind@bartizan.dev=user",
    "-O",
    "extension:groups@bartizan.dev=[\"corp/dev\"]",
    "-O",
    "extension:authenticated-at@bartizan.dev=2026-11-23T11:59:00Z",
];
const NOW: [&str; 2] = ["-V", "20261123115900Z:20261123121500Z"];
const ALICE: [&str; 2] = ["-n", "corp/alice"];

fn keygen(dir: &Path, arguments: &[&str]) {
    let done = Command::new("ssh-keygen").arg("-q").args(arguments).current_dir(dir).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

struct Ca {
    dir: tempfile::TempDir,
    key: PublicKey,
}

impl Ca {
    fn new(kind: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        keygen(dir.path(), &[kind, &["-N", "", "-f", "ca"]].concat());
        let key = fs::read_to_string(dir.path().join("ca.pub")).unwrap();
        Self { dir, key: PublicKey::from_openssh(&key).unwrap() }
    }

    /// Signs a new key of type `subject` with these arguments of `ssh-keygen`, and checks it at noon.
    fn verdict(&self, subject: &[&str], arguments: &[&[&str]]) -> Result<CertifiedCaller, CertificateRefusal> {
        let _ = fs::remove_file(self.dir.path().join("id"));
        keygen(self.dir.path(), &[subject, &["-N", "", "-f", "id"]].concat());
        keygen(self.dir.path(), &[&["-s", "ca", "-I", "id", "-z", "5"], &arguments.concat()[..], &["id.pub"]].concat());
        let text = fs::read_to_string(self.dir.path().join("id-cert.pub")).unwrap();
        let cert = read(&Certificate::from_openssh(&text).unwrap().to_bytes().unwrap()).unwrap();
        check(&cert, std::slice::from_ref(&self.key), peer(PEER), noon())
    }
}

const ED25519: &[&str] = &["-t", "ed25519"];

#[test]
fn certificates_of_every_strong_key_and_authority_are_believed() {
    for authority in [ED25519, &["-t", "ecdsa", "-b", "384"], &["-t", "rsa", "-b", "2048"]] {
        let caller = Ca::new(authority).verdict(ED25519, &[&OURS, &NOW, &ALICE]).unwrap();
        assert_eq!((caller.serial(), caller.principal().id.as_str()), (5, "corp/alice"));
        assert!(caller.permits().pty && caller.permits().port_forwarding && caller.permits().agent_forwarding);
    }
    let ca = Ca::new(ED25519);
    for subject in [&["-t", "ecdsa", "-b", "521"][..], &["-t", "rsa", "-b", "2048"]] {
        assert!(ca.verdict(subject, &[&OURS, &NOW, &ALICE]).is_ok(), "{subject:?}");
    }
    assert_eq!(ca.verdict(&["-t", "rsa", "-b", "1024"], &[&OURS, &NOW, &ALICE]), Err(CertificateRefusal::Key(KeyRefusal::RsaSize(1024))));
}

#[test]
fn an_authority_that_signs_with_sha1_is_refused() {
    let ca = Ca::new(&["-t", "rsa", "-b", "2048"]);
    let found = ca.verdict(ED25519, &[&["-t", "ssh-rsa"], &OURS, &NOW, &ALICE]);
    assert_eq!(found, Err(CertificateRefusal::WeakSignature(Algorithm::Rsa { hash: None })));
}

#[test]
fn what_ssh_keygen_can_do_and_we_never_issue_is_refused() {
    let ca = Ca::new(ED25519);
    let refusal = |arguments: &[&[&str]]| ca.verdict(ED25519, arguments).expect_err("it was believed");
    assert_eq!(refusal(&[&["-h"], &NOW, &ALICE]), CertificateRefusal::NotForUsers);
    assert_eq!(refusal(&[&OURS, &NOW]), CertificateRefusal::NoPrincipal);
    assert_eq!(refusal(&[&OURS, &NOW, &["-n", "corp/alice,root"]]), CertificateRefusal::ManyPrincipals(2));
    assert_eq!(refusal(&[&OURS, &ALICE]), CertificateRefusal::ValidForEver);
    assert!(matches!(refusal(&[&OURS, &ALICE, &["-V", "20261123115900Z:20271123115900Z"]]), CertificateRefusal::Lifetime { .. }));
    assert!(matches!(refusal(&[&OURS, &ALICE, &["-V", "20261123110000Z:20261123115900Z"]]), CertificateRefusal::Expired(_)));
    assert!(matches!(refusal(&[&OURS, &ALICE, &["-V", "20261123130000Z:20261123135900Z"]]), CertificateRefusal::NotYetValid(_)));
    assert_eq!(refusal(&[&OURS, &NOW, &ALICE, &["-O", "force-command=id"]]), CertificateRefusal::ForceCommand);
    assert_eq!(refusal(&[&OURS, &NOW, &ALICE, &["-O", "verify-required"]]), CertificateRefusal::UnknownOption("verify-required".into()));
    assert_eq!(
        refusal(&[&OURS, &NOW, &ALICE, &["-O", "critical:x@example.com=1"]]),
        CertificateRefusal::UnknownOption("x@example.com".into())
    );
    assert!(matches!(refusal(&[&OURS, &NOW, &ALICE, &["-O", "source-address=198.51.100.0/24"]]), CertificateRefusal::WrongAddress { .. }));
    assert_eq!(
        refusal(&[&OURS, &NOW, &ALICE, &["-O", "critical:source-address"]]),
        CertificateRefusal::BadAddresses(SourceAddressesError::Empty)
    );
    assert!(matches!(
        refusal(&[&OURS, &NOW, &ALICE, &["-O", "critical:source-address=here"]]),
        CertificateRefusal::BadAddresses(SourceAddressesError::Malformed(_))
    ));
    assert!(matches!(refusal(&[&NOW, &ALICE]), CertificateRefusal::NoExtension(_)));
    assert!(ca.verdict(ED25519, &[&OURS, &NOW, &ALICE, &["-O", "source-address=192.0.2.0/24"]]).is_ok());
}
