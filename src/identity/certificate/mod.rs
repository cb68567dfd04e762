//! Checks a user certificate, all of it, whatever the SSH library has looked at before. Never asks who is revoked: that is
//! a look-up in the store, made with what a [`CertifiedCaller`] tells.
//!
//! Source: OpenSSH `PROTOCOL.certkeys`. What others got wrong: CA keys that are certificates (CVE-2025-49825), principals
//! with a comma (CVE-2026-35414).

mod address;
mod caller;
mod key;
mod notes;
mod read;
mod refusal;

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, PublicKey};

pub use address::{SourceAddresses, SourceAddressesError};
pub use caller::{CertifiedCaller, Permits};
pub use key::{KeyRefusal, check_key, read_key};
pub(crate) use notes::Notes;
pub(crate) use notes::{SESSION_ID, add as add_notes, add_permits, whole_second};
pub use read::read;
pub use refusal::CertificateRefusal;

/// The longest life of a user certificate that is believed: the longest that is issued (24 h), with room for the clock skew
/// it begins with.
pub const MAX_LIFETIME: Duration = Duration::from_secs(25 * 3600);

/// The one critical option that is understood.
pub(crate) const SOURCE_ADDRESS: &str = "source-address";
const FORCE_COMMAND: &str = "force-command";

/// Believes `cert`, shown by a caller at `peer` who has proved to hold its key, or says why not. `trusted` are the user
/// authority's keys, plain ones; `now` is the present.
///
/// # Errors
/// On the first check that fails. Nothing about the certificate is to be believed then.
pub fn check(cert: &Certificate, trusted: &[PublicKey], peer: IpAddr, now: Timestamp) -> Result<CertifiedCaller, CertificateRefusal> {
    check_signature(cert, trusted)?;
    if cert.cert_type() != CertType::User {
        return Err(CertificateRefusal::NotForUsers);
    }
    check_key(cert.public_key())?;
    let (valid_after, valid_before) = check_times(cert, now)?;
    let source = check_options(cert, peer)?;
    let notes = Notes::read(cert.extensions())?;
    check_principals(cert, &notes)?;
    Ok(CertifiedCaller::new(cert, notes, source, valid_after, valid_before))
}

/// Who signed, and whether they did. First of all: what an unknown authority wrote is not worth reading.
fn check_signature(cert: &Certificate, trusted: &[PublicKey]) -> Result<(), CertificateRefusal> {
    let authority = cert.signature_key();
    if authority.is_certificate() {
        return Err(CertificateRefusal::SignedByCertificate);
    }
    let known = trusted.iter().map(PublicKey::key_data).filter(|key| !key.is_certificate());
    if !known.into_iter().any(|key| key == authority) {
        return Err(CertificateRefusal::UnknownAuthority(authority.fingerprint(Default::default())));
    }
    let algorithm = cert.signature().algorithm();
    let fits = match &algorithm {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } | Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => true,
        Algorithm::Rsa { hash } => hash.is_some(),
        _ => false,
    };
    if !fits {
        return Err(CertificateRefusal::WeakSignature(algorithm));
    }
    cert.verify_signature().map_err(|_| CertificateRefusal::BadSignature)
}

/// `valid after <= now < valid before`, with both ends real moments and not too far apart.
fn check_times(cert: &Certificate, now: Timestamp) -> Result<(Timestamp, Timestamp), CertificateRefusal> {
    let moment = |seconds: u64| i64::try_from(seconds).ok().and_then(|s| Timestamp::from_second(s).ok());
    let before = moment(cert.valid_before()).ok_or(CertificateRefusal::ValidForEver)?;
    let after = moment(cert.valid_after()).ok_or(CertificateRefusal::NotYetValid(Timestamp::MAX))?;
    let life = Duration::try_from(before.duration_since(after)).unwrap_or_default();
    if life.is_zero() || life > MAX_LIFETIME {
        return Err(CertificateRefusal::Lifetime { from: after, to: before });
    }
    if now < after {
        return Err(CertificateRefusal::NotYetValid(after));
    }
    if now >= before {
        return Err(CertificateRefusal::Expired(before));
    }
    Ok((after, before))
}

/// Only `source-address` is understood. We never issue `force-command`, so it is refused rather than half obeyed: a command
/// that survives a second factor or leaves forwards open is worse than none.
fn check_options(cert: &Certificate, peer: IpAddr) -> Result<Option<SourceAddresses>, CertificateRefusal> {
    let mut source = None;
    for (name, value) in cert.critical_options().iter() {
        match name.as_str() {
            SOURCE_ADDRESS => source = Some(value.parse::<SourceAddresses>()?),
            FORCE_COMMAND => return Err(CertificateRefusal::ForceCommand),
            _ => return Err(CertificateRefusal::UnknownOption(name.clone())),
        }
    }
    match source {
        Some(addresses) if !addresses.contain(peer) => Err(CertificateRefusal::WrongAddress { peer, addresses }),
        source => Ok(source),
    }
}

/// One principal, and the same as in our own extension; compared whole, never split.
fn check_principals(cert: &Certificate, notes: &Notes) -> Result<(), CertificateRefusal> {
    match cert.valid_principals() {
        [] => Err(CertificateRefusal::NoPrincipal),
        [one] if one == notes.principal.id.as_str() => Ok(()),
        [one] => Err(CertificateRefusal::OtherPrincipal(one.clone())),
        many => Err(CertificateRefusal::ManyPrincipals(many.len())),
    }
}

#[cfg(test)]
mod tests;
