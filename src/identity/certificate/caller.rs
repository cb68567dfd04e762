//! Who stands behind a certificate that passed every check. Only `certificate::check` makes one.

use jiff::Timestamp;
use russh::keys::Certificate;
use russh::keys::ssh_key::Fingerprint;

use crate::model::Principal;

use super::{Notes, SourceAddresses};

/// What the certificate lets its holder ask for at all (`permit-…` extensions; absent is no). Policy decides on top of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permits {
    /// `permit-pty`
    pub pty: bool,
    /// `permit-port-forwarding`
    pub port_forwarding: bool,
    /// `permit-agent-forwarding`
    pub agent_forwarding: bool,
}

/// A caller with a believed certificate. Revocation is still to be looked up: by serial, by key and by principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedCaller {
    notes: Notes,
    serial: u64,
    key_id: String,
    authority: Fingerprint,
    key: Fingerprint,
    valid_after: Timestamp,
    valid_before: Timestamp,
    source: Option<SourceAddresses>,
}

impl CertifiedCaller {
    pub(super) fn new(
        cert: &Certificate,
        notes: Notes,
        source: Option<SourceAddresses>,
        valid_after: Timestamp,
        valid_before: Timestamp,
    ) -> Self {
        Self {
            notes,
            serial: cert.serial(),
            key_id: cert.key_id().to_owned(),
            authority: cert.signature_key().fingerprint(Default::default()),
            key: cert.public_key().fingerprint(Default::default()),
            valid_after,
            valid_before,
            source,
        }
    }

    /// The user or service, with the groups of the moment the certificate was issued.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.notes.principal
    }

    /// When the principal last proved to the issuer who they are.
    #[must_use]
    pub fn authenticated_at(&self) -> Timestamp {
        self.notes.authenticated_at
    }

    /// What may be asked for at all.
    #[must_use]
    pub fn permits(&self) -> Permits {
        self.notes.permits
    }

    /// The serial number, unique over all certificates of this bastion.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// The key id, for logs; it proves nothing. Foreign text until shown through `model::Printable`.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// SHA-256 of the authority's key.
    #[must_use]
    pub fn authority(&self) -> &Fingerprint {
        &self.authority
    }

    /// SHA-256 of the caller's own key, the bare one without its certificate.
    #[must_use]
    pub fn key(&self) -> &Fingerprint {
        &self.key
    }

    /// The first moment the certificate holds.
    #[must_use]
    pub fn valid_after(&self) -> Timestamp {
        self.valid_after
    }

    /// The first moment it holds no more: live sessions end here.
    #[must_use]
    pub fn valid_before(&self) -> Timestamp {
        self.valid_before
    }

    /// Where it may be used from; anywhere without.
    #[must_use]
    pub fn source(&self) -> Option<&SourceAddresses> {
        self.source.as_ref()
    }
}
