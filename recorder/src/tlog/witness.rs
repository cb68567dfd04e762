//! What a witness does with a log's new checkpoint: it cosigns only what continues the last one it cosigned. Keeps nothing
//! itself: whoever calls it keeps the checkpoint, durably and before the cosignature is given out.

use ed25519_dalek::SigningKey;

use super::merkle::{Hash, empty_root, verify_consistency};
use super::note::{BadNote, Checkpoint, NoteKey, cosign, verify_note};

/// Why a witness does not cosign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCosigned {
    /// The checkpoint does not hold.
    #[error("the checkpoint does not hold: {0}")]
    Checkpoint(#[from] BadNote),
    /// It has fewer leaves than the last one: the log was set back.
    #[error("the log has {new} leaves, but had {old}")]
    Shrunk {
        /// Leaves in the last one.
        old: u64,
        /// Leaves in this one.
        new: u64,
    },
    /// It does not begin with what the last one covered: the log was rewritten, or the proof is not of these two.
    #[error("the log does not begin with what it had before")]
    Rewritten,
}

/// Cosigns the checkpoint in `note`, of the log with `log`, as the witness `name` with `key` at `unix_s`. `last` is the
/// checkpoint cosigned before, `None` for the first one; `proof` leads from it to this one. Returns what to keep and the
/// line to give out.
///
/// # Errors
/// [`NotCosigned`].
pub fn witness(
    last: Option<&Checkpoint>,
    note: &str,
    proof: &[Hash],
    log: &NoteKey,
    (name, key): (&str, &SigningKey),
    unix_s: u64,
) -> Result<(Checkpoint, String), NotCosigned> {
    let new = verify_note(note, log)?;
    let (old, root) = last.map_or((0, empty_root()), |last| (last.size, last.root));
    if new.size < old {
        return Err(NotCosigned::Shrunk { old, new: new.size });
    }
    if !verify_consistency((old, &root), (new.size, &new.root), proof) {
        return Err(NotCosigned::Rewritten);
    }
    let line = cosign(note, name, key, unix_s)?;
    Ok((new, line))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::tlog::{TransparencyLog, verify_cosignature};

    fn open(dir: &Path) -> TransparencyLog {
        TransparencyLog::open(dir, "example.com/log", SigningKey::from_bytes(&[7; 32])).unwrap()
    }

    fn ask(last: Option<&Checkpoint>, log: &TransparencyLog, proof: &[Hash]) -> Result<(Checkpoint, String), NotCosigned> {
        let note = log.note().unwrap();
        witness(last, &note, proof, &log.public_key().unwrap(), ("witness", &SigningKey::from_bytes(&[8; 32])), 5)
    }

    #[test]
    fn a_log_that_only_grew_is_cosigned() {
        let root = tempfile::tempdir().unwrap();
        let mut log = open(root.path());
        log.append(&["one", "two", "three"]).unwrap();
        let (first, _) = ask(None, &log, &[]).unwrap();
        log.append(&["four"]).unwrap();
        let proof = log.prove_consistency(3, 4).unwrap();
        let (second, line) = ask(Some(&first), &log, &proof).unwrap();
        assert_eq!(second.size, 4);
        let key = NoteKey::witness("witness", SigningKey::from_bytes(&[8; 32]).verifying_key()).unwrap();
        assert_eq!(verify_cosignature(&format!("{}{line}", log.note().unwrap()), &key), Ok(5));
    }

    #[test]
    fn a_log_that_was_set_back_or_rewritten_is_not() {
        let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut log = open(root.path());
        log.append(&["one", "two", "three"]).unwrap();
        let (last, _) = ask(None, &log, &[]).unwrap();
        let mut log = open(other.path());
        log.append(&["one", "2"]).unwrap();
        assert_eq!(ask(Some(&last), &log, &[]), Err(NotCosigned::Shrunk { old: 3, new: 2 }));
        log.append(&["three", "four"]).unwrap();
        let proof = log.prove_consistency(3, 4).unwrap();
        assert_eq!(ask(Some(&last), &log, &proof), Err(NotCosigned::Rewritten));
    }
}
