//! A transparency log: an append-only Merkle tree (RFC 6962 section 2.1) kept as the files of C2SP tlog-tiles, with signed
//! checkpoints (C2SP tlog-checkpoint, signed-note) that others may cosign (C2SP tlog-cosignature). What is in it can be
//! proved, and that nothing was taken out of it; without a witness a rewrite of the whole log is not seen.

mod log;
mod merkle;
mod note;
mod proof;
mod witness;

pub use log::{LogError, TransparencyLog};
pub use merkle::{Hash, leaf_hash, verify_consistency, verify_inclusion};
pub use note::{BadNote, Checkpoint, NoteKey, cosign, verify_cosignature, verify_note};
pub use proof::{BadProof, verify_proof};
pub use witness::{NotCosigned, witness};
