//! The audit log: what was decided, by whom, in an order that cannot be changed unseen.
//!
//! `STATE_DIR/audit/audit.ndjson` holds one line of canonical JSON per entry. Line i has `seq` i (dense from 1), `prev`, the
//! hash of the line before: h_0 is 32 zero bytes, h_i = SHA-256(h_{i-1} ‖ line i without its newline), and `salt`, without
//! which nobody can guess a line from its hash. Beside it,
//! `checkpoint` says how far the log goes and is signed (Ed25519, `STATE_DIR/keys/audit`), so that a shorter log shows.
//! `verify` needs the public key only.
//!
//! Several processes may append: each takes a lock on the file (`flock`), reads what others added, writes its lines together,
//! flushes them, signs the new head. Nothing is acknowledged before it is on disk; what cannot be written is an error, and
//! callers refuse. Never decides, never reads the clock, never rewrites an acknowledged line.
//!
//! What this does not show: a log removed whole and begun again at 1, put back whole to an earlier state with the checkpoint
//! of that time, or rewritten whole by somebody who reads the key. Against these each h_i goes into the transparency log
//! (`ledger`), whose checkpoints others witness.

mod book;
mod canonical;
mod chain;
mod checkpoint;
mod entry;
mod error;
mod facts;
mod key;
mod log;
mod queue;
mod read;
mod signed;
mod tail;
mod verify;

use std::path::{Path, PathBuf};

pub use canonical::canonical;
pub use entry::{Entry, LoginMethod, Verdict};
pub use error::AuditError;
pub use facts::{About, ApiRequest, Calls, DbObject, Facts, Repeated};
pub use key::{read_public_key, signing_key};
pub use log::{AuditLog, Receipt};
pub use read::{Follow, Record, RecordFilter, Records, last, record};
pub use signed::{NAMESPACE as SIGNED_NAMESPACE, Said};
pub use tail::{Line, Lines, Passed, Tail, hash_of};
pub use verify::{Finding, Report, Snapshot, Verified, snapshot, verify, verify_each};

/// The folder of the log, below the state folder.
#[must_use]
pub fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("audit")
}

/// The log itself, in its folder.
fn log_file(folder: &Path) -> PathBuf {
    folder.join("audit.ndjson")
}

/// The public half of the key, below the state folder.
#[must_use]
pub fn public_key_file(state_dir: &Path) -> PathBuf {
    state_dir.join("keys/audit.pub")
}

#[cfg(test)]
mod tests;
