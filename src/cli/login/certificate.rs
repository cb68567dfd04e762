//! The certificate that a login brought: checked to be for our key, written where ssh looks for it, or given to the agent.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use jiff::Timestamp;
use russh::keys::Certificate;
use russh::keys::ssh_key::certificate::CertType;
use tempfile::NamedTempFile;

use super::super::Exit;
use super::key::Key;

/// A certificate for our key, valid now.
pub(super) struct Fresh {
    certificate: Certificate,
    until: Timestamp,
}

impl Fresh {
    /// Reads the bastion's answer.
    pub(super) fn read(text: &str, key: &Key) -> Result<Self, Exit> {
        Self::read_at(text, key, Timestamp::now())
    }

    fn read_at(text: &str, key: &Key, now: Timestamp) -> Result<Self, Exit> {
        let bad = |why: &str| Exit::incomplete(format!("the bastion's answer {why}"));
        let certificate = Certificate::from_openssh(text).map_err(|_| bad("is not a certificate"))?;
        if certificate.cert_type() != CertType::User || certificate.public_key() != key.public().key_data() {
            return Err(bad("is a certificate, but not for this key"));
        }
        let until = i64::try_from(certificate.valid_before()).ok().and_then(|end| Timestamp::from_second(end).ok());
        let until = until.ok_or_else(|| bad("is a certificate without an end"))?;
        if until <= now {
            return Err(bad("is a certificate that has expired; is this machine's clock right?"));
        }
        Ok(Self { certificate, until })
    }

    /// Whom it is for, as the bastion put it.
    pub(super) fn key_id(&self) -> &str {
        self.certificate.key_id()
    }

    /// Its number.
    pub(super) fn serial(&self) -> u64 {
        self.certificate.serial()
    }

    /// Its end.
    pub(super) fn valid_before(&self) -> Timestamp {
        self.until
    }

    /// Writes it beside the key: whole or not at all, readable for all, as a certificate is public.
    pub(super) fn keep(&self, key: &Key) -> Result<(), Exit> {
        let place = key.certificate_file();
        let write = || -> std::io::Result<()> {
            let folder = place.parent().ok_or_else(|| std::io::Error::other("it has no folder"))?;
            let folder = if folder.as_os_str().is_empty() { std::path::Path::new(".") } else { folder };
            let mut file = NamedTempFile::new_in(folder)?;
            writeln!(file, "{}", self.certificate.to_openssh().map_err(std::io::Error::other)?)?;
            file.as_file().set_permissions(Permissions::from_mode(0o644))?;
            file.as_file().sync_all()?;
            file.persist(&place)?;
            Ok(())
        };
        write().map_err(|e| Exit::incomplete(format!("{}: {e}", place.display())))
    }

    /// Gives key and certificate to the running agent until the certificate's end (ssh-add(1) reads `KEY-cert.pub` too).
    pub(super) fn add_to_agent(&self, key: &Key) -> Result<(), Exit> {
        let left = self.until.duration_since(Timestamp::now()).as_secs().max(1);
        let status = Command::new("ssh-add").args(["-q", "-t", &left.to_string(), "--"]).arg(key.file()).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Exit::incomplete(format!("ssh-add failed ({status})"))),
            Err(error) => Err(Exit::incomplete(format!("ssh-add cannot be run: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use russh::keys::ssh_key::certificate::Builder;
    use russh::keys::{Algorithm, PrivateKey};

    use super::*;

    fn certificate(public: &russh::keys::PublicKey, kind: CertType, until: u64) -> String {
        let authority = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap();
        let mut builder = Builder::new_with_random_nonce(&mut rand::rng(), public.key_data().clone(), 1_000, until).unwrap();
        builder.cert_type(kind).unwrap().valid_principal("x").unwrap().key_id("corp/alice").unwrap();
        builder.sign(&authority).unwrap().to_openssh().unwrap()
    }

    #[test]
    fn only_a_running_certificate_for_our_own_key_is_kept() {
        let (key, other) = (Key::prepare(None, true).unwrap(), Key::prepare(None, true).unwrap());
        let now = Timestamp::from_second(2_000).unwrap();
        let good = certificate(key.public(), CertType::User, 3_000);
        let fresh = Fresh::read_at(&good, &key, now).unwrap();
        assert_eq!((fresh.key_id(), fresh.valid_before().as_second()), ("corp/alice", 3_000));
        fresh.keep(&key).unwrap();
        assert_eq!(std::fs::read_to_string(key.certificate_file()).unwrap().trim(), good);
        let bad = [
            certificate(other.public(), CertType::User, 3_000),
            certificate(key.public(), CertType::Host, 3_000),
            certificate(key.public(), CertType::User, 1_999),
            certificate(key.public(), CertType::User, u64::MAX),
            key.public().to_openssh().unwrap(),
            String::new(),
        ];
        for text in bad {
            assert!(Fresh::read_at(&text, &key, now).is_err(), "{text}");
        }
    }
}
