//! Certificates as they were issued. The certificate itself is not kept, only what it said.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{AuthorityKind, PrincipalId, PrincipalKind, SessionId};

/// A certificate about to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewCertificate {
    /// Which authority signs.
    pub authority: AuthorityKind,
    /// The certificate's key id field (PROTOCOL.certkeys).
    pub key_id: String,
    /// Who holds it; none for host certificates.
    pub principal: Option<PrincipalId>,
    /// Person or program; none for host certificates.
    pub kind: Option<PrincipalKind>,
    /// Fingerprint of the certified key, as OpenSSH writes it: `SHA256:…`.
    pub key_fingerprint: String,
    /// Not good before this moment.
    pub valid_after: Timestamp,
    /// Not good from this moment on.
    pub valid_before: Timestamp,
    /// When it was asked for.
    pub issued_at: Timestamp,
    /// Fingerprint of the authority's key.
    pub ca_fingerprint: String,
    /// The `source-address` critical option, as written in the certificate.
    pub source_address: Option<String>,
    /// The session it was made for, when it was made for one.
    pub session: Option<SessionId>,
}

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Dense from 1, over all authorities.
    pub serial: u64,
    /// What it says.
    #[serde(flatten)]
    pub certificate: NewCertificate,
}

/// Which certificates to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFilter {
    /// Only of this authority.
    pub authority: Option<AuthorityKind>,
    /// Only of this holder.
    pub principal: Option<PrincipalId>,
    /// Only for the key of this fingerprint.
    pub key_fingerprint: Option<String>,
    /// Only good at this moment.
    pub valid_at: Option<Timestamp>,
    /// At most so many.
    pub limit: u32,
}

impl Default for CertificateFilter {
    fn default() -> Self {
        Self { authority: None, principal: None, key_fingerprint: None, valid_at: None, limit: 1_000 }
    }
}
