//! A bundle: recordings or audit entries with everything by which a third party verifies them with public keys alone, in one
//! folder. The format is in bartizan-recording(5).

mod entry;
mod make;
mod verify;

use std::path::{Path, PathBuf};

use super::LedgerError;
use crate::audit::AuditError;

pub use entry::{EntryProof, prove_entry};
pub use make::{Bundler, Made};
pub use verify::{GivenKeys, is_bundle, verify_bundle};

/// Where the recordings lie, one folder each.
const RECORDINGS: &str = "recording";
/// Where the proofs lie, one file for each leaf.
const PROOFS: &str = "log";
/// Entries of the audit log, one line each.
const ENTRIES: &str = "audit.ndjson";
const RECORDING_KEY: &str = "keys/recordings.pub";
const LOG_KEY: &str = "keys/log.vkey";
const WITNESS_KEYS: &str = "keys/witnesses.vkey";

/// Why a bundle could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The log or a key.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The log does not hold, so nothing can be proved by it.
    #[error("the transparency log does not hold: {0}; see `bartizan audit verify`")]
    Log(String),
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> BundleError {
    let path = path.to_owned();
    move |error| BundleError::Io { path, error }
}
