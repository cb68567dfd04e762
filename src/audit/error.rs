//! What can go wrong with the audit log, as sentences an operator can act on.

use std::path::{Path, PathBuf};

/// Why an entry was not written or the log not read. Callers fail closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// Operator: a file or folder cannot be opened, made, read.
    #[error("{} cannot be {doing}: {why}; check that it belongs to Bartizan's user", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What was tried: `opened`, `made`, `read`.
        doing: &'static str,
        /// The system's reason.
        why: String,
    },
    /// Operator: others can read the signing key.
    #[error("the key {} can be read by others: run chmod 600 on it, and make a new one if somebody may have taken it", .path.display())]
    KeyExposed {
        /// The key.
        path: PathBuf,
    },
    /// Operator: this is no Ed25519 key in PEM form.
    #[error("{} is not an Ed25519 key in PEM form: {why}", .path.display())]
    KeyBad {
        /// The key.
        path: PathBuf,
        /// What the parser said.
        why: String,
    },
    /// Operator: there is a log, but not the key that signs it.
    #[error("there is an audit log but no key {}: put the key back, or move the folder of the log aside to begin a new one", .path.display())]
    KeyMissing {
        /// Where the key should be.
        path: PathBuf,
    },
    /// Somebody: the log is not what was written.
    #[error("the audit log {} is not as it was written: {what}; keep it as evidence (move its folder aside) and see `bartizan audit verify`", .path.display())]
    Tampered {
        /// The log.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The machine: entries cannot be written; none of them was kept.
    #[error("the audit log {} cannot be written: {why}", .path.display())]
    Unwritable {
        /// The log.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// The caller: one entry is longer than a line may be.
    #[error("an audit entry has {bytes} bytes, more than a line may have")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Us: the writer has ended.
    #[error("the audit log's writer has ended")]
    Closed,
}

impl AuditError {
    pub(super) fn file(path: &Path, doing: &'static str, error: &std::io::Error) -> Self {
        Self::File { path: path.to_owned(), doing, why: error.to_string() }
    }

    pub(super) fn unwritable(path: &Path, error: &dyn std::fmt::Display) -> Self {
        Self::Unwritable { path: path.to_owned(), why: error.to_string() }
    }
}
