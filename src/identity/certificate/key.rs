//! Which keys may be in a certificate: Ed25519, ECDSA, security keys, and RSA of at least 2048 bits. Reads such a key from
//! the line of a stranger.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use russh::keys::ssh_key::public::{KeyData, RsaPublicKey};
use russh::keys::{Algorithm, PublicKey};

/// The longest line that is read as a key; an RSA key of 16384 bits takes a fifth of it.
const MAX_LINE: usize = 16 * 1024;
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=16384;

/// Why a key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// Nothing that could be a key.
    #[error("this is not one line of an OpenSSH public key, as in the file ~/.ssh/id_ed25519.pub")]
    NotAKey,
    /// A certificate where a bare key belongs.
    #[error("this is a certificate; a bare public key is needed")]
    Certificate,
    /// A type that is too weak or unknown.
    #[error("keys of type {0} are not accepted; use ed25519 (ssh-keygen -t ed25519)")]
    Type(Algorithm),
    /// An RSA key that is too short to be safe, or too long to be serious.
    #[error("an RSA key of {0} bits is not accepted; it has 2048 to 16384, or use ed25519 (ssh-keygen -t ed25519)")]
    RsaSize(usize),
}

/// Whether `key` may be somebody's key.
///
/// # Errors
/// With the reason, in words for whoever brought the key.
pub fn check_key(key: &KeyData) -> Result<(), KeyRefusal> {
    match key {
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) | KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => Ok(()),
        KeyData::Rsa(rsa) if RSA_BITS.contains(&bits(rsa)) => Ok(()),
        KeyData::Rsa(rsa) => Err(KeyRefusal::RsaSize(bits(rsa))),
        KeyData::Certificate(_) => Err(KeyRefusal::Certificate),
        other => Err(KeyRefusal::Type(other.algorithm())),
    }
}

/// The modulus' true length: the library counts whole bytes.
fn bits(key: &RsaPublicKey) -> usize {
    let bytes = key.n().as_positive_bytes().unwrap_or_default();
    let zeros = bytes.first().map_or(0, |first| first.leading_zeros() as usize);
    (bytes.len() * 8).saturating_sub(zeros)
}

/// Reads `TYPE BASE64 [COMMENT]`, as `ssh-keygen` writes public keys. The comment is dropped. Certificates are refused before
/// they are parsed: the library follows nested ones without a limit.
///
/// # Errors
/// When it is not exactly one key, or not one that may be certified.
pub fn read_key(text: &str) -> Result<PublicKey, KeyRefusal> {
    let line = text.trim_matches(['\n', '\r', ' ', '\t']);
    if line.len() > MAX_LINE || line.contains(['\n', '\r']) {
        return Err(KeyRefusal::NotAKey);
    }
    let mut words = line.split_ascii_whitespace();
    let (Some(name), Some(base64)) = (words.next(), words.next()) else { return Err(KeyRefusal::NotAKey) };
    let blob = STANDARD.decode(base64).map_err(|_| KeyRefusal::NotAKey)?;
    if type_of(&blob) != Some(name.as_bytes()) {
        return Err(KeyRefusal::NotAKey);
    }
    if is_certificate(name) {
        return Err(KeyRefusal::Certificate);
    }
    let key = PublicKey::from_bytes(&blob).map_err(|_| KeyRefusal::NotAKey)?;
    check_key(key.key_data())?;
    Ok(key)
}

/// RFC 4253 section 6.6: a key begins with its type, as a string with its length before it.
fn type_of(blob: &[u8]) -> Option<&[u8]> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn is_certificate(name: &str) -> bool {
    name.contains("-cert-v")
}
