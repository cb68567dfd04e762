//! Lines and their chain: how one is made, and how many are walked and compared. Reads what it is given; keeps at most one line
//! in memory. No IO of its own.

use std::fmt::Write;
use std::io::{BufRead, Read};

use ed25519_dalek::SigningKey;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use super::canonical::{rewritten, write_text};
use super::{Entry, canonical};

/// The longest line, newline not counted.
pub(super) const LONGEST: usize = 1 << 20;

const SALT: &[u8] = b"bartizan audit salt 1\n";

pub(super) type Hash = [u8; 32];

/// How far the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The last line's number; 0 when there is none.
    pub(super) seq: u64,
    /// The last line's hash; zeros when there is none.
    pub(super) hash: Hash,
    /// The file's length in bytes.
    pub(super) size: u64,
}

impl Head {
    /// Before the first line.
    pub(super) const START: Self = Self { seq: 0, hash: [0; 32], size: 0 };

    /// After `line`, which has no newline.
    pub(super) fn after(&self, line: &[u8]) -> Self {
        let hash = link(&self.hash, line);
        Self { seq: self.seq + 1, hash, size: self.size + line.len() as u64 + 1 }
    }
}

/// h_i of `line`, given h_{i-1}.
pub(super) fn link(prev: &Hash, line: &[u8]) -> Hash {
    Sha256::new().chain_update(prev).chain_update(line).finalize().into()
}

/// `time` as lines have it: UTC, six digits of a second.
pub(super) fn moment(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// What makes the hash of a line tell nothing of what stands in it to those who have the hash alone. Follows from the key, so
/// that it need not be kept; nobody else can find it out.
pub(super) fn salt(key: &SigningKey, head: &Head) -> String {
    let mut hash = Sha256::new().chain_update(SALT).chain_update(key.as_bytes()).chain_update(head.hash).finalize();
    let salt = hash.get(..16).map(hex::encode).unwrap_or_default();
    hash.zeroize();
    salt
}

/// The line that follows `head`.
pub(super) fn line(head: &Head, node: &str, salt: &str, entry: &Entry, time: Timestamp) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(entry)?;
    let entry_text = rewritten(&text).ok_or_else(|| serde::ser::Error::custom("the entry is not JSON without spaces"))?;
    let (alert, prev, seq, time) =
        (if entry.is_alert() { "\"alert\":true," } else { "" }, hex::encode(head.hash), head.seq + 1, moment(time));
    let mut line = format!("{{{alert}\"entry\":{entry_text},\"node\":");
    write_text(&mut line, node);
    // Writing to a String does not fail.
    let _infallible = write!(line, ",\"prev\":\"{prev}\",\"salt\":\"{salt}\",\"seq\":{seq},\"time\":\"{time}\"}}");
    Ok(line)
}

/// One thing met on a walk along the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A whole line that follows from the one before. Holds its fields.
    Line(Value),
    /// The last bytes, with no newline: a write that a crash cut short.
    Torn(u64),
    /// A line that does not follow from the one before, and why.
    Broken(String),
    /// The end.
    End,
}

/// A walk along the log from some head on.
pub(super) struct Walk<R> {
    reader: R,
    /// After the last good line.
    pub(super) head: Head,
    line: Vec<u8>,
}

impl<R: BufRead> Walk<R> {
    /// `reader` stands right behind `head`.
    pub(super) fn new(reader: R, head: Head) -> Self {
        Self { reader, head, line: Vec::new() }
    }

    /// The last line that was read, without its newline.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// The next line, compared with the one before.
    pub(super) fn step(&mut self) -> std::io::Result<Step> {
        self.next(follow)
    }

    /// As [`Walk::step`], without taking the line apart: its fields are null, and that its form is canonical follows from its hash for who
    /// knows a signed one at or behind it.
    pub(super) fn pass(&mut self) -> std::io::Result<Step> {
        self.next(|head, line| follow_by_hash(head, line).map(|()| Value::Null))
    }

    fn next(&mut self, follow: impl Fn(&Head, &[u8]) -> Result<Value, String>) -> std::io::Result<Step> {
        self.line.clear();
        let most = LONGEST as u64 + 1;
        let read = (&mut self.reader).take(most).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(Step::End);
        }
        if self.line.pop_if(|last| *last == b'\n').is_none() {
            let long = read as u64 == most;
            return Ok(if long { Step::Broken("the line is too long".into()) } else { Step::Torn(read as u64) });
        }
        Ok(match follow(&self.head, &self.line) {
            Ok(fields) => {
                self.head = self.head.after(&self.line);
                Step::Line(fields)
            }
            Err(why) => Step::Broken(why),
        })
    }
}

/// Compares a line with the head before it.
fn follow(head: &Head, line: &[u8]) -> Result<Value, String> {
    let fields: Value = serde_json::from_slice(line).map_err(|_| "the line is not JSON".to_owned())?;
    if canonical(&fields).as_bytes() != line {
        return Err("the line is not in canonical form".into());
    }
    compare(head, fields.get("seq").and_then(Value::as_u64), prev(&fields))?;
    Ok(fields)
}

/// The same, of number and hash alone.
fn follow_by_hash(head: &Head, line: &[u8]) -> Result<(), String> {
    let links: Links<'_> = serde_json::from_slice(line).map_err(|_| "the line is not JSON".to_owned())?;
    compare(head, Some(links.seq), hash_in(links.prev))
}

/// What ties a line to the one before.
#[derive(Deserialize)]
struct Links<'a> {
    seq: u64,
    prev: &'a str,
}

fn compare(head: &Head, seq: Option<u64>, prev: Option<Hash>) -> Result<(), String> {
    if seq != Some(head.seq + 1) {
        let shown = seq.map_or("none".to_owned(), |n| n.to_string());
        return Err(format!("entry {} should stand here, the line has {shown}", head.seq + 1));
    }
    if prev != Some(head.hash) {
        return Err(format!("it does not follow from line {}: one of the two was changed", head.seq));
    }
    Ok(())
}

/// The hash a line says the line before has.
pub(super) fn prev(fields: &Value) -> Option<Hash> {
    hash_in(fields.get("prev")?.as_str()?)
}

fn hash_in(digits: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    hex::decode_to_slice(digits, &mut hash).ok()?;
    Some(hash)
}
