//! Whether the host that answered is the target: its key is pinned, or a certificate of the pinned authority names it. There is
//! no trust on first use.

use jiff::Timestamp;
use russh::keys::PublicKeyOrCertificate;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, PublicKey};

use crate::config::HostTrust;

/// What is known of the host.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) trust: HostTrust,
    /// Names that its certificate may carry: the target's name, its host.
    pub(super) names: Vec<String>,
    pub(super) now: Timestamp,
}

impl Expected {
    /// Whether `shown` proves the host.
    pub(super) fn accepts(&self, shown: &PublicKeyOrCertificate) -> bool {
        match (&self.trust, shown) {
            (HostTrust::Keys(pinned), PublicKeyOrCertificate::PublicKey { key, .. }) => pinned.iter().any(|line| same_key(line, key)),
            (HostTrust::Keys(pinned), PublicKeyOrCertificate::Certificate(certificate)) => {
                let key = PublicKey::new(certificate.public_key().clone(), "");
                pinned.iter().any(|line| same_key(line, &key))
            }
            (HostTrust::Authority(line), PublicKeyOrCertificate::Certificate(certificate)) => self.certified(line, certificate),
            (HostTrust::Authority(_), PublicKeyOrCertificate::PublicKey { .. }) => false,
        }
    }

    fn certified(&self, line: &str, certificate: &Certificate) -> bool {
        let seconds = u64::try_from(self.now.as_second()).unwrap_or(0);
        let authority = PublicKey::new(certificate.signature_key().clone(), "");
        certificate.cert_type() == CertType::Host
            && same_key(line, &authority)
            && certificate.verify_signature().is_ok()
            && certificate.critical_options().is_empty()
            && (certificate.valid_after()..certificate.valid_before()).contains(&seconds)
            && certificate.valid_principals().iter().any(|name| self.names.contains(name))
    }
}

fn same_key(line: &str, key: &PublicKey) -> bool {
    PublicKey::from_openssh(line).is_ok_and(|pinned| pinned.key_data() == key.key_data())
}
