//! An authority's key in an SSH agent (draft-miller-ssh-agent): finds it by its fingerprint, has it sign. Every call connects
//! anew, so that an agent may restart, and ends within [`PATIENCE`].

use std::path::Path;
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_key::Signature;
use russh::keys::{HashAlg, PublicKey};
use tokio::net::UnixStream;

use super::AuthorityError;

/// How long one call may take, connecting included. A login waits for it.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The agent's public key with this fingerprint.
pub(super) async fn find(socket: &Path, fingerprint: &str) -> Result<PublicKey, AuthorityError> {
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
    found.ok_or_else(|| AuthorityError::AgentLacks { socket: socket.to_owned(), fingerprint: fingerprint.to_owned() })
}

/// The agent's signature of `data`. Not verified here.
pub(super) async fn sign(socket: &Path, key: &PublicKey, data: &[u8]) -> Result<Signature, AuthorityError> {
    let ask = async {
        let mut agent = connect(socket).await?;
        let refused = |e: russh::keys::Error| AuthorityError::AgentRefused { socket: socket.to_owned(), why: e.to_string() };
        agent.sign_request_signature(key, None, data).await.map_err(refused)
    };
    in_time(socket, ask).await
}

async fn connect(socket: &Path) -> Result<AgentClient<UnixStream>, AuthorityError> {
    AgentClient::connect_uds(socket).await.map_err(|e| down(socket, e))
}

async fn in_time<T>(socket: &Path, ask: impl Future<Output = Result<T, AuthorityError>>) -> Result<T, AuthorityError> {
    let late = |_| down(socket, format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, ask).await.map_err(late)?
}

fn down(socket: &Path, why: impl ToString) -> AuthorityError {
    AuthorityError::AgentDown { socket: socket.to_owned(), why: why.to_string() }
}
