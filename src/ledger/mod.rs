//! The transparency log of this deployment: `STATE_DIR/tlog`, files only, as bartizan-recording(5) has them. A leaf for every
//! entry of the audit log, and leaves that say of each session by its number when it was opened, how far its recording was,
//! that it was sealed, that it was deleted.
//!
//! The audit log is what the log is written from: leaves follow from its entries alone (but for commits), so whatever a crash
//! kept out of the log is put in by the next start, in the same words. One thread appends what came together, at least once a
//! second, at once where somebody waits. Witnesses are asked to cosign its checkpoints.
//!
//! Never decides, never reads the clock, holds nothing that names a person.

mod bundle;
mod courier;
mod error;
mod examine;
mod keeper;
mod leaves;
mod scribe;
mod search;

use std::path::{Path, PathBuf};

use bartizan_recorder::tlog::NoteKey;

pub use bundle::{BundleError, Bundler, EntryProof, GivenKeys, Made, is_bundle, prove_entry, verify_bundle};
pub use courier::{Courier, SetupError, read_cosigned};
pub use error::LedgerError;
pub use examine::{Examined, Examiner};
pub use keeper::{Beginning, Keeper, catch_up};
pub use scribe::{Ledger, Scribe};
pub use search::{entries_logged, opened_among};

/// The folder of the log, below the state folder.
#[must_use]
pub fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("tlog")
}

/// The log's public key as notes have it, `NAME+HASH+KEY` in one line, below the state folder: what a witness is given.
#[must_use]
pub fn public_key_file(state_dir: &Path) -> PathBuf {
    state_dir.join("keys/tlog.vkey")
}

/// Reads a public key of a log or a witness from a file.
///
/// # Errors
/// [`LedgerError::Key`].
pub fn read_public_key(path: &Path) -> Result<NoteKey, LedgerError> {
    let bad = |why: String| LedgerError::Key { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    NoteKey::parse(text.trim()).map_err(|error| bad(error.to_string()))
}

#[cfg(test)]
mod tests;
