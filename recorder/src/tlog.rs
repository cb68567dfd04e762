//! A transparency log: an append-only Merkle tree (RFC 6962 section 2.1) kept as the files of C2SP tlog-tiles, with signed
//! checkpoints (C2SP tlog-checkpoint, signed-note) that others may cosign (C2SP tlog-cosignature, tlog-witness). What is in it
//! can be proved, and that nothing was taken out of it; without a witness a rewrite of the whole log is not seen.

mod asking;
mod files;
mod leaf;
mod log;
mod merkle;
mod note;
mod proof;
mod scan;
mod sessions;
mod witness;

pub use asking::{ADD_CHECKPOINT, Asking};
pub use files::{LogFiles, files_since};
pub use leaf::{BadLeaf, Leaf};
pub use log::{LogError, TransparencyLog};
pub use merkle::{Hash, leaf_hash, verify_consistency, verify_inclusion};
pub use note::{BadNote, Checkpoint, NoteKey, cosign, read_unverified, verify_cosignature, verify_note, with_cosignatures};
pub use proof::{BadProof, Proven, ProvenEntry, read_proof, verify_entry, verify_proof};
pub use scan::BadLog;
pub use sessions::{Logged, LoggedSessions};
pub use witness::{NotCosigned, witness};
