//! A proof of inclusion as one text file (C2SP tlog-proof): verified offline, from the leaf and the log's public key alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::leaf::Leaf;
use super::merkle::{Hash, leaf_hash, verify_inclusion};
use super::note::{BadNote, Checkpoint, NoteKey, verify_note};
use crate::sha256::sha256;

const FIRST: &str = "c2sp.org/tlog-proof@v1";
const EXTRA: &str = "extra ";

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

/// The proof as text; `leaf` is put into it as extra data.
pub(super) fn write(index: u64, leaf: Option<&[u8]>, hashes: &[Hash], note: &str) -> String {
    let extra = leaf.map(|leaf| format!("{EXTRA}{}\n", STANDARD.encode(leaf))).unwrap_or_default();
    let hashes: String = hashes.iter().map(|hash| STANDARD.encode(hash) + "\n").collect();
    format!("{FIRST}\n{extra}index {index}\n{hashes}\n{note}")
}

/// A proof that was read, and holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// Where the leaf stands.
    pub index: u64,
    /// The leaf.
    pub leaf: Vec<u8>,
    /// The checkpoint it is in.
    pub checkpoint: Checkpoint,
    /// The signed note of that checkpoint, with whatever cosignatures there are.
    pub note: String,
}

/// Reads a proof that has its leaf in it.
///
/// # Errors
/// [`BadProof`].
pub fn read_proof(text: &str, key: &NoteKey) -> Result<Proven, BadProof> {
    let extra = text.lines().nth(1).and_then(|line| line.strip_prefix(EXTRA)).ok_or(BadProof::Form)?;
    let leaf = STANDARD.decode(extra).map_err(|_| BadProof::Form)?;
    let (index, checkpoint) = verify_proof(text, &leaf, key)?;
    let note = text.split_once("\n\n").map(|(_, note)| note.to_owned()).ok_or(BadProof::Form)?;
    Ok(Proven { index, leaf, checkpoint, note })
}

/// An entry of the audit log of which a proof holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenEntry {
    /// Its number.
    pub seq: u64,
    /// Where its leaf stands.
    pub index: u64,
    /// The checkpoint it is in.
    pub checkpoint: Checkpoint,
}

/// That the log with `key` has the entry of the audit log that is `line`, a whole line of that log without its newline.
///
/// # Errors
/// [`BadProof`].
pub fn verify_entry(line: &[u8], proof: &str, key: &NoteKey) -> Result<ProvenEntry, BadProof> {
    let fields: serde_json::Value = serde_json::from_slice(line).map_err(|_| BadProof::Form)?;
    let seq = fields.get("seq").and_then(serde_json::Value::as_u64).ok_or(BadProof::Form)?;
    let before = fields.get("prev").and_then(serde_json::Value::as_str).ok_or(BadProof::Form)?;
    let before = hex::decode(before).map_err(|_| BadProof::Form)?;
    let hash = sha256(&[&before, line]);
    let (index, checkpoint) = verify_proof(proof, Leaf::Audit { seq, hash }.to_string().as_bytes(), key)?;
    Ok(ProvenEntry { seq, index, checkpoint })
}

/// Where `leaf` stands in the log with `key`, and the checkpoint that says so.
///
/// # Errors
/// [`BadProof`].
pub fn verify_proof(text: &str, leaf: &[u8], key: &NoteKey) -> Result<(u64, Checkpoint), BadProof> {
    let (proof, note) = text.split_once("\n\n").ok_or(BadProof::Form)?;
    let mut lines = proof.lines().filter(|line| !line.starts_with(EXTRA));
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
