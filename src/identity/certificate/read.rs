//! Reads a certificate from bytes of a stranger. Refuses what could overflow the stack or be read in two ways.

use russh::keys::Certificate;

use super::CertificateRefusal;

/// More than any certificate of ours; the SSH packet limit is of this size.
const MAX_BYTES: usize = 256 * 1024;
/// A certificate whose authority is a certificate, and so on: the library follows without a limit. A true one names its type
/// once; a few more may stand in a key id or name by chance.
const MAX_TYPE_NAMES: usize = 4;
const TYPE_NAME: &[u8] = b"-cert-v01@";

/// Decodes one certificate and nothing after it. Nothing is verified yet: see [`super::check`].
///
/// # Errors
/// [`CertificateRefusal::Malformed`] when it is not a certificate, is longer than 256 KiB, holds an option twice, has bytes
/// left over anywhere; [`CertificateRefusal::SignedByCertificate`] when it is nested.
pub fn read(bytes: &[u8]) -> Result<Certificate, CertificateRefusal> {
    if bytes.len() > MAX_BYTES {
        return Err(CertificateRefusal::Malformed);
    }
    if bytes.windows(TYPE_NAME.len()).filter(|w| *w == TYPE_NAME).count() > MAX_TYPE_NAMES {
        return Err(CertificateRefusal::SignedByCertificate);
    }
    let cert = Certificate::from_bytes(bytes).map_err(|_| CertificateRefusal::Malformed)?;
    // The library skips bytes that are left over inside a field; writing it again shows them.
    match cert.to_bytes() {
        Ok(again) if again == bytes => Ok(cert),
        _ => Err(CertificateRefusal::Malformed),
    }
}
