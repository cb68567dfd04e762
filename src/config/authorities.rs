//! `[ca]`: where the certificate authorities' private keys live. Without the section they are files in `state_dir`.

use std::path::{Path, PathBuf};

use super::reader::Section;

/// Where one authority's signing key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyHome {
    /// A file in `state_dir`, made at the first start, mode 0600.
    StateDir,
    /// An SSH agent behind a Unix socket holds it (RFC draft-miller-ssh-agent).
    Agent {
        /// The agent's socket.
        socket: PathBuf,
        /// The public key's fingerprint, `SHA256:…`.
        fingerprint: String,
    },
}

/// The three authorities' key homes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorities {
    /// Signs users' and services' certificates; the bastion itself trusts them.
    pub user: KeyHome,
    /// Signs host certificates; users trust them.
    pub host: KeyHome,
    /// Signs the certificates the bastion shows to targets; targets trust them.
    pub target: KeyHome,
}

pub(super) fn read(root: &Section<'_>, home: &Path) -> Option<Authorities> {
    let Some(section) = root.section("ca") else {
        return Some(Authorities { user: KeyHome::StateDir, host: KeyHome::StateDir, target: KeyHome::StateDir });
    };
    let user = read_home(&section, "user", home);
    let host = read_home(&section, "host", home);
    let target = read_home(&section, "target", home);
    section.finish();
    Some(Authorities { user: user?, host: host?, target: target? })
}

fn read_home(section: &Section<'_>, key: &'static str, home: &Path) -> Option<KeyHome> {
    if !section.has(key) {
        return Some(KeyHome::StateDir);
    }
    let (socket, fingerprint) = read_agent(&section.section(key)?, home)?;
    Some(KeyHome::Agent { socket, fingerprint })
}

/// An agent's socket and the fingerprint of a key in it.
pub(super) fn read_agent(inner: &Section<'_>, home: &Path) -> Option<(PathBuf, String)> {
    let socket = inner.need_string("agent", "the path of the agent's socket");
    let fingerprint = inner.need_string("fingerprint", "as `ssh-add -l` shows it: SHA256:…");
    inner.finish();
    let fingerprint = fingerprint?;
    if !fingerprint.value.starts_with("SHA256:") {
        inner.problem(&fingerprint, "is not a SHA-256 fingerprint", "as `ssh-add -l` shows it: SHA256:…");
        return None;
    }
    Some((home.join(socket?.value), fingerprint.value))
}
