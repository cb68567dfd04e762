//! The bastion's own sealed secrets: encrypted with XChaCha20-Poly1305 and bound to their names, under a key from a file or made from
//! what a key in an SSH agent signs. The key is had for each use, and wiped after it.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, KeyInit as _, Mac};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, HashAlg};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::config::SealingKey;
use crate::model::Secret;
use crate::store::{Sealed, Store, StoreError};
use crate::wire::agent::{self, AgentError};

/// What everything here is bound to, so that nothing made for another use serves.
const CONTEXT: &str = "bartizan sealed secrets, version 1";

/// The smallest RSA key that will do, in bits: 128 bits of security (NIST SP 800-57).
const RSA_BITS: u32 = 3_072;

/// Bytes of a nonce, which is chosen at random for each secret.
const NONCE: usize = 24;

/// Why a secret cannot be sealed or opened. Never holds it.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is none of that name.
    #[error("there is no sealed secret of this name")]
    NotThere,
    /// It was sealed under another key.
    #[error("it was sealed under another key ({sealed}; the key in use is {own})")]
    OtherKey {
        /// The name of the key that it was sealed under.
        sealed: String,
        /// The name of the key that there is.
        own: String,
    },
    /// What the store holds was changed.
    #[error("what the store holds is not what was sealed")]
    Changed,
    /// The key's file.
    #[error("the key {0}: {1}")]
    Key(String, String),
    /// The agent.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store of sealed secrets, and where its key is.
#[derive(Clone)]
pub struct SealedStore {
    store: Arc<dyn Store>,
    key: SealingKey,
}

/// A key, and the name by which a secret says which one it is under.
struct Opened {
    bytes: Zeroizing<[u8; 32]>,
    name: String,
}

impl SealedStore {
    /// Sealed secrets of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, key: SealingKey) -> Self {
        Self { store, key }
    }

    /// The secret of that name.
    pub(super) async fn open(&self, name: &str) -> Result<Secret, SealError> {
        let sealed = self.store.sealed(name).await?.ok_or(SealError::NotThere)?;
        let key = self.key(None).await?;
        if sealed.key != key.name {
            return Err(SealError::OtherKey { sealed: sealed.key, own: key.name });
        }
        let (nonce, bytes) = sealed.bytes.split_first_chunk::<NONCE>().ok_or(SealError::Changed)?;
        let bound = bound(name);
        let payload = Payload { msg: bytes, aad: bound.as_bytes() };
        let opened = cipher(&key).decrypt(XNonce::from_slice(nonce), payload).map(Zeroizing::new).map_err(|_| SealError::Changed)?;
        let text = std::str::from_utf8(&opened).map_err(|_| SealError::Changed)?;
        Ok(Secret::new(text.to_owned()))
    }

    /// Seals `secret` and keeps it under `name`, in the place of another. `random` is used once: for the nonce and, where there is no key
    /// yet and it is to be in a file, for the key.
    ///
    /// # Errors
    /// When the key or the store cannot be used.
    pub async fn seal(
        &self,
        name: &str,
        secret: &Secret,
        by: String,
        at: jiff::Timestamp,
        random: ([u8; NONCE], [u8; 32]),
    ) -> Result<(), SealError> {
        let (nonce, new_key) = (random.0, Zeroizing::new(random.1));
        let key = self.key(Some(&new_key)).await?;
        let bound = bound(name);
        let payload = Payload { msg: secret.reveal().as_bytes(), aad: bound.as_bytes() };
        let bytes = cipher(&key).encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| SealError::Changed)?;
        let sealed = Sealed { name: name.to_owned(), key: key.name, bytes: [nonce.as_slice(), &bytes].concat(), by, at };
        Ok(self.store.put_sealed(sealed).await?)
    }

    async fn key(&self, new: Option<&Zeroizing<[u8; 32]>>) -> Result<Opened, SealError> {
        let bytes = match &self.key {
            SealingKey::File(path) => {
                let (path, new) = (path.clone(), new.cloned());
                let read = tokio::task::spawn_blocking(move || file_key(&path, new.as_ref()));
                read.await.map_err(|error| SealError::Key("file".to_owned(), error.to_string()))??
            }
            SealingKey::Agent { socket, fingerprint } => agent_key(socket, fingerprint).await?,
        };
        let name = hex::encode(mac(&*bytes, "name").get(..8).unwrap_or_default());
        Ok(Opened { bytes, name })
    }
}

fn cipher(key: &Opened) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(Key::from_slice(&*key.bytes))
}

fn bound(name: &str) -> String {
    format!("{CONTEXT}: {name}")
}

fn mac(key: &[u8], what: &str) -> Zeroizing<[u8; 32]> {
    // A key may have any length (RFC 2104).
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Zeroizing::default() };
    mac.update(bound(what).as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// A signature of the same bytes is the same each time by an Ed25519 key (RFC 8032), and by an RSA key as SSH uses it (RFC 8332: PKCS#1
/// v1.5, RFC 8017 section 8.2.1). No other kind's is.
async fn agent_key(socket: &Path, fingerprint: &str) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let refused = |why: &str| SealError::Key(fingerprint.to_owned(), why.to_owned());
    let key = agent::find(socket, fingerprint).await?;
    let algorithm = match key.key_data() {
        KeyData::Ed25519(_) => Algorithm::Ed25519,
        KeyData::Rsa(rsa) if rsa.key_size() >= RSA_BITS => Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        KeyData::Rsa(rsa) => return Err(refused(&format!("has {} bits; an RSA key has to have {RSA_BITS} or more", rsa.key_size()))),
        _ => {
            let words =
                format!("is a key of a kind whose signatures differ each time; take an Ed25519 key, or RSA of {RSA_BITS} bits or more");
            return Err(refused(&words));
        }
    };
    let signature = agent::sign(socket, &key, CONTEXT.as_bytes()).await?;
    if signature.algorithm() != algorithm
        || russh::keys::signature::Verifier::verify(key.key_data(), CONTEXT.as_bytes(), &signature).is_err()
    {
        return Err(refused("its agent gives a wrong signature"));
    }
    Ok(mac(signature.as_bytes(), "agent"))
}

fn file_key(path: &Path, new: Option<&Zeroizing<[u8; 32]>>) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let fail = |why: String| SealError::Key(path.display().to_string(), why);
    let text = match fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => match new {
            Some(new) => make(path, new).map_err(|error| fail(error.to_string()))?,
            None => return Err(fail("is not there; restore it, or seal the secrets anew".to_owned())),
        },
        Err(error) => return Err(fail(error.to_string())),
    };
    let mode = fs::metadata(path).map_err(|error| fail(error.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(fail(format!("is open to others (mode {:o}); run chmod 600", mode & 0o777)));
    }
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).unwrap_or_default());
    let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| fail("does not hold 32 bytes in base 64".to_owned()))?;
    Ok(Zeroizing::new(key))
}

fn make(path: &Path, new: &Zeroizing<[u8; 32]>) -> std::io::Result<Zeroizing<String>> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let text = Zeroizing::new(STANDARD.encode(**new) + "\n");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(text)
}
