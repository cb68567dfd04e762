//! A proof of inclusion as one text file (C2SP tlog-proof): verified offline, from the leaf and the log's public key alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::merkle::{Hash, leaf_hash, verify_inclusion};
use super::note::{BadNote, Checkpoint, NoteKey, verify_note};

const FIRST: &str = "c2sp.org/tlog-proof@v1";

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// Not a proof in this form.
    #[error("it is no proof of inclusion")]
    Form,
    /// Its checkpoint does not hold.
    #[error("its checkpoint does not hold: {0}")]
    Checkpoint(#[from] BadNote),
    /// The leaf is not in the log at that place.
    #[error("the leaf is not what the log has there")]
    Leaf,
}

/// The proof as text.
pub(super) fn write(index: u64, hashes: &[Hash], note: &str) -> String {
    let hashes: String = hashes.iter().map(|hash| STANDARD.encode(hash) + "\n").collect();
    format!("{FIRST}\nindex {index}\n{hashes}\n{note}")
}

/// Where `leaf` stands in the log with `key`, and the checkpoint that says so.
///
/// # Errors
/// [`BadProof`].
pub fn verify_proof(text: &str, leaf: &[u8], key: &NoteKey) -> Result<(u64, Checkpoint), BadProof> {
    let (proof, note) = text.split_once("\n\n").ok_or(BadProof::Form)?;
    let mut lines = proof.lines().filter(|line| !line.starts_with("extra "));
    let index = match (lines.next(), lines.next().and_then(|line| line.strip_prefix("index "))) {
        (Some(FIRST), Some(index)) => index.parse().map_err(|_| BadProof::Form)?,
        _ => return Err(BadProof::Form),
    };
    let hash = |line: &str| STANDARD.decode(line).ok()?.try_into().ok();
    let hashes: Vec<Hash> = lines.take(65).map(hash).collect::<Option<_>>().ok_or(BadProof::Form)?;
    let checkpoint = verify_note(note, key)?;
    let holds = verify_inclusion(&leaf_hash(leaf), index, checkpoint.size, &checkpoint.root, &hashes);
    if holds { Ok((index, checkpoint)) } else { Err(BadProof::Leaf) }
}
