//! `[secrets]`: the key that the bastion's own sealed secrets are under. Without the section it is a file in `state_dir`.

use std::path::{Path, PathBuf};

use super::authorities;
use super::reader::Section;

/// Where the key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealingKey {
    /// A file, made when the first secret is sealed, mode 0600.
    File(PathBuf),
    /// Made from what a key in an SSH agent signs.
    Agent {
        /// The agent's socket.
        socket: PathBuf,
        /// The public key's fingerprint, `SHA256:…`.
        fingerprint: String,
    },
}

pub(super) fn read(root: &Section<'_>, home: &Path, state_dir: &Path) -> Option<SealingKey> {
    let usual = || SealingKey::File(state_dir.join("keys/secrets"));
    let Some(section) = root.section("secrets") else {
        return if root.has("secrets") { None } else { Some(usual()) };
    };
    let key = if section.has("key") { section.section("key").map(|inner| read_key(&inner, home)) } else { Some(Some(usual())) };
    section.finish();
    key?
}

fn read_key(inner: &Section<'_>, home: &Path) -> Option<SealingKey> {
    if let Some(path) = inner.path("file", home) {
        inner.finish();
        return Some(SealingKey::File(path));
    }
    let (socket, fingerprint) = authorities::read_agent(inner, home)?;
    Some(SealingKey::Agent { socket, fingerprint })
}
