//! Why a certificate is not believed: all of it for the operator's log, next to nothing for the visitor.

use std::net::IpAddr;

use jiff::Timestamp;
use russh::keys::Algorithm;
use russh::keys::ssh_key::Fingerprint;

use crate::model::{NameError, Printable};

use super::{KeyRefusal, SourceAddresses, SourceAddressesError};

/// One failed check. `Display` is for the operator; [`CertificateRefusal::visitor`] for whoever showed the certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRefusal {
    /// Not a certificate, or one that can be read in two ways.
    #[error("the bytes are not a certificate")]
    Malformed,
    /// The authority's key is itself a certificate (CVE-2025-49825).
    #[error("the certificate is signed by a certificate")]
    SignedByCertificate,
    /// Signed by a key that is not (or no longer) the user authority's.
    #[error("the certificate is signed by an authority that is not trusted here: {0}")]
    UnknownAuthority(Fingerprint),
    /// Signed with SHA-1 or an unknown algorithm.
    #[error("the certificate is signed with {0}, which is not accepted")]
    WeakSignature(Algorithm),
    /// The signature is not the authority's.
    #[error("the certificate's signature is wrong")]
    BadSignature,
    /// A host certificate.
    #[error("the certificate is for hosts, not for users")]
    NotForUsers,
    /// The caller's key is of a kind that is not accepted.
    #[error("the certificate's key: {0}")]
    Key(#[from] KeyRefusal),
    /// No end, or one beyond the calendar.
    #[error("the certificate is valid for ever")]
    ValidForEver,
    /// No time between the ends, or more than anybody issues.
    #[error("the certificate is valid from {from} to {to}, which is not between nothing and 25 hours")]
    Lifetime {
        /// Its beginning.
        from: Timestamp,
        /// Its end.
        to: Timestamp,
    },
    /// Before its time.
    #[error("the certificate is not valid before {0}")]
    NotYetValid(Timestamp),
    /// After its time.
    #[error("the certificate expired at {0}")]
    Expired(Timestamp),
    /// A critical option that we do not know.
    #[error("the certificate has a critical option that is not known here: `{}`", Printable(.0))]
    UnknownOption(String),
    /// `force-command`, which this bastion never issues.
    #[error("the certificate has force-command, which is never issued here")]
    ForceCommand,
    /// A `source-address` that says nothing.
    #[error("the certificate's source-address: {0}")]
    BadAddresses(#[from] SourceAddressesError),
    /// Used from somewhere else.
    #[error("the certificate is for {addresses}, and came from {peer}")]
    WrongAddress {
        /// Where it came from.
        peer: IpAddr,
        /// Where it may come from.
        addresses: SourceAddresses,
    },
    /// A certificate for anybody ("golden ticket").
    #[error("the certificate names no principal")]
    NoPrincipal,
    /// More than one name.
    #[error("the certificate names {0} principals, not one")]
    ManyPrincipals(usize),
    /// The name is not the one of our own extension.
    #[error("the certificate's principal `{}` is not the one in its extension", Printable(.0))]
    OtherPrincipal(String),
    /// One of our own extensions is not there.
    #[error("the certificate lacks the extension {0}")]
    NoExtension(&'static str),
    /// An extension under our own name that we do not know: from a newer bastion, which may have meant it to restrict.
    #[error("the certificate has an extension that is not known here: `{}`", Printable(.0))]
    UnknownExtension(String),
    /// An extension that does not read.
    #[error("the certificate's extension {0} does not read")]
    BadExtension(&'static str),
    /// A name in an extension that is not one.
    #[error("the certificate's extension {0}: {1}")]
    BadName(&'static str, NameError),
}

impl CertificateRefusal {
    /// The sentence for the visitor. It helps the rightful holder and tells a thief nothing about the others.
    #[must_use]
    pub fn visitor(&self) -> &'static str {
        match self {
            Self::Expired(_) => "Your certificate has expired. Get a new one.",
            Self::NotYetValid(_) => "Your certificate is not valid yet. Is a clock wrong?",
            Self::WrongAddress { .. } => "Your certificate is not valid from this address.",
            _ => "Your certificate is not accepted here.",
        }
    }
}
