//! Trust taken away: a certificate, a key, or all that one principal held before a moment. A revocation is never undone.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{AuthorityKind, PrincipalId};

/// What is no longer trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Revoked {
    /// One certificate.
    Certificate {
        /// Whose.
        authority: AuthorityKind,
        /// Which.
        serial: u64,
    },
    /// A key, `SHA256:…`: as the certified key, or as the authority's.
    Key(String),
    /// Whatever this principal was issued before the moment `before`.
    IssuedBefore {
        /// Who.
        principal: PrincipalId,
        /// When.
        before: Timestamp,
    },
}

/// A revocation to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewRevocation {
    /// What is no longer trusted.
    pub what: Revoked,
    /// Why, in the words of who did it.
    pub reason: String,
    /// Who did it: a principal, or `local:` and the name of an account on the machine.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A revocation in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revocation {
    /// Dense from 1.
    pub id: u64,
    /// What it says.
    #[serde(flatten)]
    pub revocation: NewRevocation,
}

/// What a visitor showed, to be compared with all revocations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The authority that signed.
    pub authority: AuthorityKind,
    /// The certificate's serial.
    pub serial: u64,
    /// The certified key, `SHA256:…`.
    pub key_fingerprint: String,
    /// The authority's key, `SHA256:…`.
    pub ca_fingerprint: String,
    /// Who holds it.
    pub principal: Option<PrincipalId>,
    /// When it was issued; its `valid after` field when the record is not at hand.
    pub issued_at: Timestamp,
}
