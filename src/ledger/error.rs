//! What can go wrong with the transparency log, as sentences an operator can act on.

use std::path::PathBuf;

use bartizan_recorder::tlog::LogError;

use crate::audit::AuditError;

/// Why something is not in the log. Callers fail closed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The files of the log.
    #[error("the transparency log {}: {error}{}", .dir.display(), mend(.error))]
    Log {
        /// Where.
        dir: PathBuf,
        /// What.
        error: LogError,
    },
    /// A key of the log.
    #[error("the transparency log's key {} cannot be used: {why}", .path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// What it is written from.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// It was tried, and will be again; the reason is in the operator's log.
    #[error("the transparency log cannot be written: {0}")]
    Unwritten(String),
    /// The disk is slow.
    #[error("the transparency log did not take an entry within {0} seconds")]
    Slow(u64),
    /// Us: the thread has ended.
    #[error("the transparency log's writer has ended")]
    Stopped,
}

fn mend(error: &LogError) -> &'static str {
    match error {
        LogError::Damaged | LogError::Checkpoint(_) => {
            "; keep it as evidence (move its folder and that of the audit log aside) and see `bartizan audit verify`"
        }
        _ => "",
    }
}
