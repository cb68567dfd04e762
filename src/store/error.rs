//! What can go wrong with the store, as sentences an operator can act on.

use std::path::PathBuf;

/// Why the store did not do what it was asked. Callers fail closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Operator: the file cannot be opened, made or protected.
    #[error("the store {} cannot be opened: {why}; check that the folder exists and belongs to Bartizan's user", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// Operator: a newer Bartizan wrote this file.
    #[error("the store {} has version {found} and this Bartizan knows versions up to {known}: install the newer Bartizan that wrote it", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of the file.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// Operator: the file is some other program's.
    #[error("{} is not a store of Bartizan: set [store] url to a file of its own", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Us or the machine: the request could not be carried out; nothing was changed.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
    /// The caller: there is no such thing.
    #[error("there is no {0}")]
    NotFound(String),
    /// The caller: the session has ended before.
    #[error("session {0} has ended already")]
    Ended(crate::model::SessionId),
    /// The caller: the session was not frozen, or goes on already.
    #[error("session {0} is not frozen")]
    NotFrozen(crate::model::SessionId),
    /// The caller: another process has taken the session over.
    #[error("session {0} is held by another process")]
    Fenced(crate::model::SessionId),
    /// Us: a session with this id was recorded before.
    #[error("session {0} is recorded already")]
    Duplicate(crate::model::SessionId),
    /// The caller: the approval does not wait any more.
    #[error("approval {0} is {1} already")]
    Settled(crate::model::ApprovalId, super::ApprovalState),
    /// The caller: each person answers once.
    #[error("you have answered approval {0} already")]
    Reviewed(crate::model::ApprovalId),
}
