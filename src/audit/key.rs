//! The deployment's Ed25519 signing keys (the audit log's, the recordings'): PKCS#8 in PEM (RFC 8410) below `STATE_DIR/keys`, the
//! public half as PEM beside each, so that `openssl` reads both.
//! Never leaves this machine, never shown.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use ed25519_dalek::{SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use super::AuditError;

/// Reads the key of that name, or makes it from `seed` when there is none.
///
/// # Errors
/// When it cannot be read or made, or others may read it.
pub fn signing_key(state_dir: &Path, name: &'static str, seed: [u8; 32]) -> Result<SigningKey, AuditError> {
    load(state_dir, name, &Zeroizing::new(seed), true)
}

/// Reads the key, or makes it from `seed` when `may_make`.
pub(super) fn load(state_dir: &Path, name: &'static str, seed: &Zeroizing<[u8; 32]>, may_make: bool) -> Result<SigningKey, AuditError> {
    let path = state_dir.join("keys").join(name);
    match fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => read(&path, &text),
        Err(error) if error.kind() == ErrorKind::NotFound && may_make => make(&path, &state_dir.join("keys"), seed),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(AuditError::KeyMissing { path }),
        Err(error) => Err(AuditError::file(&path, "read", &error)),
    }
}

fn read(path: &Path, text: &str) -> Result<SigningKey, AuditError> {
    let rights = fs::metadata(path).map_err(|error| AuditError::file(path, "read", &error))?.permissions();
    if rights.mode() & 0o077 != 0 {
        return Err(AuditError::KeyExposed { path: path.to_owned() });
    }
    SigningKey::from_pkcs8_pem(text).map_err(|error| AuditError::KeyBad { path: path.to_owned(), why: error.to_string() })
}

fn make(path: &Path, folder: &Path, seed: &Zeroizing<[u8; 32]>) -> Result<SigningKey, AuditError> {
    let key = SigningKey::from_bytes(seed);
    let bad = |error: &dyn std::fmt::Display| AuditError::KeyBad { path: path.to_owned(), why: error.to_string() };
    let private = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| bad(&error))?;
    let public = key.verifying_key().to_public_key_pem(LineEnding::LF).map_err(|error| bad(&error))?;
    make_folder(folder)?;
    // The public half first: once there is a private key, nothing is made again.
    put(&path.with_extension("pub"), 0o644, public.as_bytes())?;
    put(path, 0o600, private.as_bytes())?;
    sync_folder(folder)?;
    Ok(key)
}

/// Makes `folder`, and what is above it, for this user alone.
pub(super) fn make_folder(folder: &Path) -> Result<(), AuditError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| AuditError::file(folder, "made", &error))
}

/// Writes a file whole or not at all.
fn put(path: &Path, rights: u32, text: &[u8]) -> Result<(), AuditError> {
    let draft = path.with_extension("new");
    let write = || {
        let _left_by_a_crash = fs::remove_file(&draft);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(rights).open(&draft)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(|error| AuditError::file(path, "made", &error))
}

/// Makes the names in `folder` durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), AuditError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| AuditError::file(folder, "made", &error))
}

/// Reads the public half, from a file in PEM form.
///
/// # Errors
/// [`AuditError::File`], [`AuditError::KeyBad`].
pub fn read_public_key(path: &Path) -> Result<VerifyingKey, AuditError> {
    let text = fs::read_to_string(path).map_err(|error| AuditError::file(path, "read", &error))?;
    VerifyingKey::from_public_key_pem(&text).map_err(|error| AuditError::KeyBad { path: path.to_owned(), why: error.to_string() })
}
