//! Signs a certificate with a key in memory or one in an agent. The library signs in one synchronous call and shows nobody
//! the bytes to be signed; so for an agent the certificate is built twice: once to see them, once to put the signature in.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use russh::keys::signature::{self, Verifier};
use russh::keys::ssh_key::Signature;
use russh::keys::ssh_key::certificate::Builder;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Certificate, PrivateKey, PublicKey};

use crate::wire::agent::{self, AgentError};

use super::AuthorityError;

/// Where the private half is.
#[derive(Clone)]
pub(super) enum Signer {
    /// In memory; read from a file.
    Key(Arc<PrivateKey>),
    /// In an agent.
    Agent {
        /// The agent's socket.
        socket: PathBuf,
        /// Its key.
        key: PublicKey,
    },
}

impl Signer {
    /// Signs the certificate that `draft` builds. `draft` must build the same one each time.
    pub(super) async fn sign(&self, draft: impl Fn() -> Result<Builder, AuthorityError>) -> Result<Certificate, AuthorityError> {
        let (socket, key) = match self {
            Self::Key(key) => return Ok(draft()?.sign(key.as_ref())?),
            Self::Agent { socket, key } => (socket, key),
        };
        let bytes = to_be_signed(draft()?, key)?;
        let signature = agent::sign(socket, key, &bytes).await?;
        if key.key_data().verify(&bytes, &signature).is_err() {
            return Err(AgentError::Refused { socket: socket.clone(), why: "its signature is wrong".into() }.into());
        }
        Ok(draft()?.sign(&Given { key: key.key_data().clone(), bytes, signature })?)
    }
}

fn to_be_signed(draft: Builder, key: &PublicKey) -> Result<Vec<u8>, AuthorityError> {
    let seen = Seen { key: key.key_data().clone(), bytes: RefCell::default() };
    // It fails as it must: there is no signature yet. If it failed before it came to sign, there is nothing to be seen.
    let unsigned = draft.sign(&seen);
    let bytes = seen.bytes.into_inner();
    match unsigned {
        Err(error) if bytes.is_empty() => Err(error.into()),
        _ => Ok(bytes),
    }
}

/// Signs nothing, and remembers what it was asked to.
struct Seen {
    key: KeyData,
    bytes: RefCell<Vec<u8>>,
}

impl signature::Signer<Signature> for Seen {
    fn try_sign(&self, bytes: &[u8]) -> signature::Result<Signature> {
        self.bytes.replace(bytes.to_vec());
        Err(signature::Error::new())
    }
}

impl From<&Seen> for KeyData {
    fn from(seen: &Seen) -> Self {
        seen.key.clone()
    }
}

/// Has a signature for these bytes and no others.
struct Given {
    key: KeyData,
    bytes: Vec<u8>,
    signature: Signature,
}

impl signature::Signer<Signature> for Given {
    fn try_sign(&self, bytes: &[u8]) -> signature::Result<Signature> {
        if bytes == self.bytes { Ok(self.signature.clone()) } else { Err(signature::Error::new()) }
    }
}

impl From<&Given> for KeyData {
    fn from(given: &Given) -> Self {
        given.key.clone()
    }
}
