//! The signed statement of how far the log goes. Two places in one file, each a line of JSON of fixed length, written in turn, each only
//! when the other is on disk, so that a crash in the middle of one leaves the other, and so that a full disk never keeps a checkpoint
//! from being written.
//!
//! Signed are these lines, each with its newline: `bartizan-audit/1`, seq, hash (hex), size, time, node.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::chain::{Hash, Head, moment};
use super::{AuditError, canonical};

const FORMAT: &str = "bartizan-audit/1";
/// Bytes of one place, newline included.
const PLACE: usize = 1_024;

/// The file of the checkpoints.
#[derive(Debug)]
pub(super) struct Checkpoints {
    path: PathBuf,
    file: File,
    /// Which place is written next. The other one is on disk.
    next: u64,
    /// Whether anything was written there since.
    is_written: bool,
}

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// The log goes at least this far.
    Signed {
        /// The later of the two.
        head: Head,
        /// Where it stands: 0 or 1.
        place: u64,
        /// Whether the other place is as it should be. A power cut may spoil it; so does who wants the log to look shorter.
        whole: bool,
    },
    /// There is no file.
    Missing,
    /// No place has a signature of this key.
    Unsigned,
}

fn path(folder: &Path) -> PathBuf {
    folder.join("checkpoint")
}

/// Reads the file in `folder`, believing only `key`.
pub(super) fn read(folder: &Path, key: &VerifyingKey) -> Result<Anchor, AuditError> {
    let path = path(folder);
    let bytes = match File::open(&path) {
        Ok(file) => read_places(&file).map_err(|error| AuditError::file(&path, "read", &error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Anchor::Missing),
        Err(error) => return Err(AuditError::file(&path, "opened", &error)),
    };
    let mut places = bytes.chunks(PLACE).map(|place| open_place(place, key));
    let (first, second) = (places.next(), places.next());
    Ok(judge(first.flatten(), second.flatten(), second.is_none()))
}

/// The file in `folder` as it is.
pub(super) fn bytes(folder: &Path) -> Result<Vec<u8>, AuditError> {
    let path = path(folder);
    File::open(&path).and_then(|file| read_places(&file)).map_err(|error| AuditError::file(&path, "read", &error))
}

/// The later place counts. Only before the first entry is one of them missing, and never are they equal.
fn judge(first: Option<Head>, second: Option<Head>, fresh: bool) -> Anchor {
    match (first, second) {
        (Some(a), Some(b)) if b.seq > a.seq => Anchor::Signed { head: b, place: 1, whole: true },
        (Some(a), Some(b)) => Anchor::Signed { head: a, place: 0, whole: a.seq > b.seq },
        (Some(head), None) => Anchor::Signed { head, place: 0, whole: fresh && head == Head::START },
        (None, Some(head)) => Anchor::Signed { head, place: 1, whole: false },
        (None, None) => Anchor::Unsigned,
    }
}

/// Never more than the two places, however long somebody made the file.
fn read_places(file: &File) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::with_capacity(2 * PLACE);
    file.take(2 * PLACE as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn open_place(place: &[u8], key: &VerifyingKey) -> Option<Head> {
    let fields: Value = serde_json::from_slice(place).ok()?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let hash: Hash = hex::decode(text("hash")?).ok()?.try_into().ok()?;
    let head = Head { seq: fields.get("seq")?.as_u64()?, hash, size: fields.get("size")?.as_u64()? };
    let signature = Signature::from_slice(&BASE64_STANDARD.decode(text("signature")?).ok()?).ok()?;
    key.verify_strict(statement(&head, text("time")?, text("node")?).as_bytes(), &signature).ok()?;
    Some(head)
}

fn statement(head: &Head, time: &str, node: &str) -> String {
    format!("{FORMAT}\n{}\n{}\n{}\n{time}\n{node}\n", head.seq, hex::encode(head.hash), head.size)
}

impl Checkpoints {
    /// Opens the file in `folder` for writing, making it if it is not there.
    pub(super) fn open(folder: &Path) -> Result<Self, AuditError> {
        let path = path(folder);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(|error| AuditError::file(&path, "opened", &error))?;
        Ok(Self { path, file, next: 0, is_written: false })
    }

    /// Reads what stands there, whoever wrote it, so that the next one goes to the other place.
    pub(super) fn read(&mut self, folder: &Path, key: &SigningKey) -> Result<Anchor, AuditError> {
        let anchor = read(folder, &key.verifying_key())?;
        if let Anchor::Signed { place, .. } = anchor {
            // Whoever wrote it may not have flushed it yet.
            self.is_written = true;
            self.sync()?;
            self.next = 1 - place;
        }
        Ok(anchor)
    }

    /// Signs `head` in the place that is not the one on disk.
    pub(super) fn write(&mut self, head: &Head, key: &SigningKey, node: &str, time: Timestamp) -> Result<(), AuditError> {
        let time = moment(time);
        let signature = key.sign(statement(head, &time, node).as_bytes());
        let fields = json!({
            "format": FORMAT, "hash": hex::encode(head.hash), "node": node, "seq": head.seq,
            "signature": BASE64_STANDARD.encode(signature.to_bytes()), "size": head.size, "time": time,
        });
        let place = format!("{:<width$}\n", canonical(&fields), width = PLACE - 1);
        if place.len() != PLACE {
            return Err(AuditError::unwritable(&self.path, &"the node's name is too long"));
        }
        self.file.write_all_at(place.as_bytes(), self.next * PLACE as u64).map_err(|error| AuditError::unwritable(&self.path, &error))?;
        self.is_written = true;
        Ok(())
    }

    /// Makes what was written durable; from then on the other place is written.
    pub(super) fn sync(&mut self) -> Result<(), AuditError> {
        if self.is_written {
            self.file.sync_data().map_err(|error| AuditError::unwritable(&self.path, &error))?;
            (self.next, self.is_written) = (1 - self.next, false);
        }
        Ok(())
    }
}
