//! Whether the host that answered is the one that is meant: its key is known, or a certificate of a known authority names it. There
//! is no trust on first use.

use jiff::Timestamp;
use russh::keys::PublicKeyOrCertificate;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, PublicKey};

/// What is known of a host.
#[derive(Debug, Clone)]
pub struct ExpectedHost {
    /// Its keys.
    pub keys: Vec<PublicKey>,
    /// Authorities whose certificates are believed.
    pub authorities: Vec<PublicKey>,
    /// Names that its certificate may carry.
    pub names: Vec<String>,
    /// When it is looked at.
    pub now: Timestamp,
}

impl ExpectedHost {
    /// Whether `shown` proves the host.
    #[must_use]
    pub fn accepts(&self, shown: &PublicKeyOrCertificate) -> bool {
        match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.knows(key),
            PublicKeyOrCertificate::Certificate(certificate) => {
                self.knows(&PublicKey::new(certificate.public_key().clone(), "")) || self.certified(certificate)
            }
        }
    }

    fn knows(&self, key: &PublicKey) -> bool {
        holds(&self.keys, key)
    }

    fn certified(&self, certificate: &Certificate) -> bool {
        let seconds = u64::try_from(self.now.as_second()).unwrap_or(0);
        let authority = PublicKey::new(certificate.signature_key().clone(), "");
        certificate.cert_type() == CertType::Host
            && holds(&self.authorities, &authority)
            && certificate.verify_signature().is_ok()
            && certificate.critical_options().is_empty()
            && (certificate.valid_after()..certificate.valid_before()).contains(&seconds)
            && certificate.valid_principals().iter().any(|name| self.names.contains(name))
    }
}

fn holds(known: &[PublicKey], key: &PublicKey) -> bool {
    known.iter().any(|one| one.key_data() == key.key_data())
}
