//! A key in an SSH agent (draft-miller-ssh-agent): finds it by its fingerprint, has it sign. Every call connects anew, so that an agent
//! may restart, and ends within [`PATIENCE`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_key::Signature;
use russh::keys::{Algorithm, HashAlg, PublicKey};
use tokio::net::UnixStream;

/// How long one call may take, connecting included. A login waits for it.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Why an agent did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// It does not answer, or not in time.
    #[error("the SSH agent at {} does not answer: {why}", .socket.display())]
    Down {
        /// Where.
        socket: PathBuf,
        /// What happened.
        why: String,
    },
    /// It does not hold the key.
    #[error("the SSH agent at {} does not hold the key {fingerprint}", .socket.display())]
    Lacks {
        /// Where.
        socket: PathBuf,
        /// Which key.
        fingerprint: String,
    },
    /// It will not sign, or signs wrongly.
    #[error("the SSH agent at {} did not sign: {why}", .socket.display())]
    Refused {
        /// Where.
        socket: PathBuf,
        /// What it said.
        why: String,
    },
}

/// The agent's public key with this fingerprint.
///
/// # Errors
/// When the agent does not answer or has no such key.
pub async fn find(socket: &Path, fingerprint: &str) -> Result<PublicKey, AgentError> {
    let ask = async {
        let mut agent = connect(socket).await?;
        agent.request_identities().await.map_err(|e| down(socket, e))
    };
    let held = in_time(socket, ask).await?;
    let mut plain = held.into_iter().filter_map(|identity| match identity {
        AgentIdentity::PublicKey { key, .. } => Some(key),
        AgentIdentity::Certificate { .. } => None,
    });
    let found = plain.find(|key| key.fingerprint(HashAlg::Sha256).to_string() == fingerprint);
    found.ok_or_else(|| AgentError::Lacks { socket: socket.to_owned(), fingerprint: fingerprint.to_owned() })
}

/// The agent's signature of `data`, by an RSA key with SHA-512 (RFC 8332). Not verified here.
///
/// # Errors
/// When the agent does not answer or does not sign.
pub async fn sign(socket: &Path, key: &PublicKey, data: &[u8]) -> Result<Signature, AgentError> {
    let ask = async {
        let mut agent = connect(socket).await?;
        let refused = |e: russh::keys::Error| AgentError::Refused { socket: socket.to_owned(), why: e.to_string() };
        let hash = matches!(key.algorithm(), Algorithm::Rsa { .. }).then_some(HashAlg::Sha512);
        agent.sign_request_signature(key, hash, data).await.map_err(refused)
    };
    in_time(socket, ask).await
}

async fn connect(socket: &Path) -> Result<AgentClient<UnixStream>, AgentError> {
    AgentClient::connect_uds(socket).await.map_err(|e| down(socket, e))
}

async fn in_time<T>(socket: &Path, ask: impl Future<Output = Result<T, AgentError>>) -> Result<T, AgentError> {
    let late = |_| down(socket, format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, ask).await.map_err(late)?
}

fn down(socket: &Path, why: impl ToString) -> AgentError {
    AgentError::Down { socket: socket.to_owned(), why: why.to_string() }
}
