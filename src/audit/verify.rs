//! Is the log what was written? Needs the folder and the public key, nothing else; changes nothing. Keeps one line in memory,
//! however long the log is.

use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::Path;

use ed25519_dalek::VerifyingKey;
use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use serde_json::Value;

use super::chain::{Head, Step, Walk};
use super::checkpoint::{self, Anchor};
use super::{AuditError, log_file, signed};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "lowercase")]
pub enum Finding {
    /// Every line is as it was written and none is missing.
    Ok,
    /// Something was changed, removed, added or put elsewhere.
    Tampered {
        /// The first line that does not fit, from 1.
        line: u64,
        /// How it does not fit.
        what: String,
    },
    /// What can be compared fits, but not all can be: after a crash, until the next start; or files are missing.
    Incomplete {
        /// What is missing.
        what: String,
    },
}

/// The answer of [`verify`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Good lines, counted from the first up to the first that does not fit.
    pub entries: u64,
    /// How many of them the checkpoint covers.
    pub signed: u64,
    /// The last good line's hash, in hex.
    pub head: String,
    /// The verdict.
    #[serde(flatten)]
    pub finding: Finding,
}

/// Compares the log in `folder` with itself and with its checkpoint, which must be signed by `key`.
///
/// # Errors
/// [`AuditError::File`] when a file is there and cannot be read.
pub fn verify(folder: &Path, key: &VerifyingKey) -> Result<Report, AuditError> {
    verify_each(folder, key, &mut |_| {})
}

/// A line that fits, for who looks at them while they are verified.
#[derive(Debug)]
pub struct Verified {
    /// When it was written.
    pub time: Timestamp,
    /// The fields of the entry, `kind` included.
    pub entry: Value,
    /// Bytes of the log up to its end.
    pub size: u64,
}

/// As [`verify`]; `each` gets every line up to the first that does not fit. What came of it is to be thrown away unless the finding is
/// good enough. The log is read once.
///
/// # Errors
/// As [`verify`].
pub fn verify_each(folder: &Path, key: &VerifyingKey, each: &mut dyn FnMut(Verified)) -> Result<Report, AuditError> {
    let path = log_file(folder);
    let unreadable = |error| AuditError::file(&path, "read", &error);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return without_log(folder, key),
        Err(error) => return Err(AuditError::file(&path, "opened", &error)),
    };
    // Both files of one moment: a writer holds this lock from its line to its checkpoint.
    flock(&file, FlockOperation::LockShared).map_err(|error| unreadable(error.into()))?;
    let anchor = checkpoint::read(folder, key);
    let size = file.metadata().map_err(unreadable)?.len();
    flock(&file, FlockOperation::Unlock).map_err(|error| unreadable(error.into()))?;
    let text = std::io::Read::take(file, size);
    walk(Walk::new(BufReader::with_capacity(1 << 18, text), Head::START), anchor?, each).map_err(unreadable)
}

/// The log of one moment, for who copies it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Bytes of the log: whole lines, each on disk.
    pub size: u64,
    /// The file of checkpoints then.
    pub checkpoint: Vec<u8>,
}

/// Takes a [`Snapshot`] of the log in `folder`.
///
/// # Errors
/// [`AuditError::File`].
pub fn snapshot(folder: &Path) -> Result<Snapshot, AuditError> {
    let path = log_file(folder);
    let unreadable = |error: std::io::Error| AuditError::file(&path, "read", &error);
    let file = File::open(&path).map_err(unreadable)?;
    // A writer holds this lock from its line to its checkpoint.
    flock(&file, FlockOperation::LockShared).map_err(|error| unreadable(error.into()))?;
    let taken =
        checkpoint::bytes(folder).and_then(|checkpoint| Ok(Snapshot { size: file.metadata().map_err(unreadable)?.len(), checkpoint }));
    flock(&file, FlockOperation::Unlock).map_err(|error| unreadable(error.into()))?;
    taken
}

fn without_log(folder: &Path, key: &VerifyingKey) -> Result<Report, AuditError> {
    let finding = match checkpoint::read(folder, key)? {
        Anchor::Missing => Finding::Incomplete { what: "there is no audit log here".into() },
        Anchor::Signed { .. } | Anchor::Unsigned => Finding::Tampered { line: 1, what: "the log is gone; its checkpoint is there".into() },
    };
    Ok(report(Head::START, 0, finding))
}

fn report(head: Head, signed: u64, finding: Finding) -> Report {
    Report { entries: head.seq, signed: signed.min(head.seq), head: hex::encode(head.hash), finding }
}

fn walk(mut walk: Walk<impl std::io::BufRead>, anchor: Anchor, each: &mut dyn FnMut(Verified)) -> std::io::Result<Report> {
    let (anchored, spoilt) = match anchor {
        Anchor::Signed { head, whole, .. } => (head, !whole),
        Anchor::Missing | Anchor::Unsigned => (Head::START, false),
    };
    loop {
        let step = walk.step()?;
        let here = walk.head;
        let bad = |line, what: String| Ok(report(here, anchored.seq, Finding::Tampered { line, what }));
        match step {
            Step::Line(_) if here.seq == anchored.seq && here != anchored => {
                return bad(here.seq, "the line is not the one the checkpoint signed".into());
            }
            Step::Line(mut fields) => {
                if let Err(what) = signed::check_entry(fields.get("entry").unwrap_or(&fields)) {
                    return bad(here.seq, what);
                }
                let time = fields.get("time").and_then(Value::as_str).and_then(|time| time.parse().ok());
                let entry = fields.get_mut("entry").map(Value::take);
                if let (Some(time), Some(entry)) = (time, entry) {
                    each(Verified { time, entry, size: here.size });
                }
            }
            Step::Broken(why) => return bad(here.seq + 1, why),
            Step::Torn(_) | Step::End if here.seq < anchored.seq => {
                return bad(here.seq + 1, format!("the log ends here; {} lines were signed", anchored.seq));
            }
            Step::Torn(bytes) => return Ok(report(here, anchored.seq, torn(anchor, bytes))),
            Step::End => return Ok(report(here, anchored.seq, at_the_end(anchor, here, anchored, spoilt))),
        }
    }
}

fn torn(anchor: Anchor, bytes: u64) -> Finding {
    match anchor {
        Anchor::Signed { .. } => Finding::Incomplete {
            what: format!("the last line was cut short by a crash ({bytes} bytes); the next start cuts it and notes it"),
        },
        Anchor::Missing | Anchor::Unsigned => without_checkpoint(),
    }
}

fn without_checkpoint() -> Finding {
    Finding::Tampered {
        line: 1,
        what: "no checkpoint is signed by this key: it was removed or forged, or this is another log's key".into(),
    }
}

fn at_the_end(anchor: Anchor, here: Head, signed: Head, spoilt: bool) -> Finding {
    match anchor {
        Anchor::Missing | Anchor::Unsigned => without_checkpoint(),
        Anchor::Signed { .. } if here.seq > signed.seq => {
            let what =
                format!("{} lines at the end are not signed; after a crash the next start signs and notes them", here.seq - signed.seq);
            Finding::Incomplete { what }
        }
        Anchor::Signed { .. } if spoilt => {
            let what = "one of the two checkpoints is spoilt, by a power cut or by somebody who wants the log to look shorter".into();
            Finding::Incomplete { what }
        }
        Anchor::Signed { .. } => Finding::Ok,
    }
}
