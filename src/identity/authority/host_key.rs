//! The bastion's own host key, `state_dir/keys/host_ed25519`: for clients that know no host authority.

use std::path::Path;

use rand::CryptoRng;
use russh::keys::{Algorithm, PrivateKey};

use super::AuthorityError;
use super::disk::line;
use super::files::PrivateDir;

const FILE: &str = "host_ed25519";

/// Reads the host key; makes it at the first start. Blocks.
///
/// # Errors
/// When it cannot be read or made, or others may read it.
pub fn open_host_key(state_dir: &Path, rng: &mut impl CryptoRng) -> Result<PrivateKey, AuthorityError> {
    let dir = PrivateDir::make(state_dir.join("keys"))?;
    let _lock = dir.lock()?;
    let key = match dir.read_key(FILE)? {
        Some(key) => key,
        None => make(&dir, rng)?,
    };
    if key.algorithm() != Algorithm::Ed25519 {
        return Err(AuthorityError::content(&dir.path(FILE), format!("it holds a key of type {}, not ssh-ed25519", key.algorithm())));
    }
    dir.replace(&format!("{FILE}.pub"), line(key.public_key())?.as_bytes(), 0o644)?;
    Ok(key)
}

fn make(dir: &PrivateDir, rng: &mut impl CryptoRng) -> Result<PrivateKey, AuthorityError> {
    let mut key = PrivateKey::random(rng, Algorithm::Ed25519)?;
    key.set_comment("bartizan-host");
    let passing = format!("{FILE}.new");
    dir.write_key(&passing, &key)?;
    dir.rename(&passing, FILE)?;
    Ok(key)
}
