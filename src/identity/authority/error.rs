//! Why an authority cannot be opened, changed or used.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use russh::keys::ssh_key;

use crate::identity::certificate::KeyRefusal;
use crate::model::Printable;
use crate::wire::agent::AgentError;

use super::AuthorityKind;

/// What went wrong, sorted by who can mend it.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Asker: the key to certify is not acceptable. Fit for the asker's eyes.
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    /// Asker: the principal is in more groups than a certificate can carry.
    #[error("the principal is in too many groups for a certificate: their names take more than 64 KiB")]
    TooManyGroups,
    /// Us: the caller of this module asked for something that is never issued.
    #[error("a {kind} certificate for {asked:?} is not issued; the longest is {longest:?}")]
    Lifetime {
        /// Of which authority.
        kind: AuthorityKind,
        /// What was asked for.
        asked: Duration,
        /// What there is.
        longest: Duration,
    },
    /// Us: a name that must not stand in a host certificate.
    #[error("`{}` is not a host name for a certificate", Printable(.0))]
    HostName(String),
    /// Operator: somebody else may read the file or folder.
    #[error("{} is open to others (mode {mode:o}); run: chmod go-rwx {}", .path.display(), .path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Operator: a link, folder or device where a file should be.
    #[error("{} is not a plain file or folder", .0.display())]
    NotPlain(PathBuf),
    /// Operator: the file does not hold what it should.
    #[error("{}: {why}", .path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Operator: there are no authorities yet.
    #[error("there are no certificate authorities in {}; `bartizan serve` makes them at its first start", .0.display())]
    None(PathBuf),
    /// Operator: the private key is gone. Never replaced in silence: everybody trusts the old one.
    #[error("the {kind} authority's private key {fingerprint} is not in {}; restore it, or make a new one with `bartizan ca rotate {kind}`", .path.display())]
    Missing {
        /// Which authority.
        kind: AuthorityKind,
        /// Where it should be.
        path: PathBuf,
        /// Its public half.
        fingerprint: String,
    },
    /// Operator: the configuration names another agent key than the one in use.
    #[error(
        "the configuration names {configured} for the {kind} authority, but {current} is in use; to change over, run `bartizan ca rotate {kind}`"
    )]
    Changed {
        /// Which authority.
        kind: AuthorityKind,
        /// The key in use.
        current: String,
        /// The key of the configuration.
        configured: String,
    },
    /// Operator: an agent's key can only be changed in the agent.
    #[error(
        "the {kind} authority's key is in an SSH agent; add a new key to the agent, name its fingerprint in [ca.{kind}], and run this again"
    )]
    InAgent {
        /// Which authority.
        kind: AuthorityKind,
    },
    /// Operator: not a type of key that a bastion signs with.
    #[error("the {kind} authority's key is of type {algorithm}; it must be Ed25519, ECDSA or a security key")]
    OwnKey {
        /// Which authority.
        kind: AuthorityKind,
        /// Its type.
        algorithm: ssh_key::Algorithm,
    },
    /// Agent: it does not answer, does not hold the key, or does not sign.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// Machine: somebody else is changing the authorities just now.
    #[error("another process is changing the certificate authorities; try again")]
    Busy,
    /// Machine: a file operation failed.
    #[error("{}: {source}", .path.display())]
    File {
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Us: the SSH library could not make or encode something.
    #[error("the certificate could not be made: {0}")]
    Library(#[from] ssh_key::Error),
}

impl AuthorityError {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    /// Whether it is the operator's to mend, and trying again does not help.
    #[must_use]
    pub fn is_the_operators(&self) -> bool {
        matches!(
            self,
            Self::None(_) | Self::InAgent { .. } | Self::Open { .. } | Self::OwnKey { .. } | Self::Agent(AgentError::Lacks { .. })
        )
    }

    pub(super) fn content(path: &Path, why: impl ToString) -> Self {
        Self::Content { path: path.to_owned(), why: why.to_string() }
    }
}
