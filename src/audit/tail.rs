//! The signed lines of the log as they come, whichever process writes them, each with its hash: for whoever keeps account of
//! them elsewhere. Compares the chain on the way; never writes.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;
use serde_json::Value;

use super::chain::{self, Hash, Head, Step, Walk};
use super::checkpoint::{self, Anchor};
use super::read::start_of_last;
use super::{AuditError, canonical, log_file};

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its number, from 1.
    pub seq: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// Its fields.
    pub fields: Value,
    /// The line itself, without its newline.
    pub text: Vec<u8>,
}

/// A line that was passed without being taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Its number, from 1.
    pub seq: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// The line itself, without its newline.
    pub text: Vec<u8>,
}

/// A place in the log, and what comes after it.
#[derive(Debug)]
pub struct Tail {
    folder: PathBuf,
    path: PathBuf,
    key: VerifyingKey,
    head: Head,
}

impl Tail {
    /// Stands behind entry `seq` of the log in `folder`, which must have this `hash`; before the first for 0.
    ///
    /// # Errors
    /// [`AuditError::Tampered`] when there is no such entry, [`AuditError::File`].
    pub fn after(folder: &Path, key: VerifyingKey, seq: u64, hash: [u8; 32]) -> Result<Self, AuditError> {
        let path = log_file(folder);
        let mut tail = Self { folder: folder.to_owned(), path, key, head: Head::START };
        if seq > 0 {
            let found = tail.find(seq).map_err(|error| AuditError::file(&tail.path, "read", &error))?;
            tail.head = found.filter(|head| head.hash == hash).ok_or_else(|| AuditError::Tampered {
                path: tail.path.clone(),
                what: format!("entry {seq} is not the one that it was: it was rewritten or put back to an earlier state"),
            })?;
        }
        Ok(tail)
    }

    /// The last entry passed.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.head.seq
    }

    /// The hash of that entry.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.head.hash
    }

    /// The last entry that was signed.
    ///
    /// # Errors
    /// [`AuditError::Tampered`], [`AuditError::File`].
    pub fn signed(&self) -> Result<u64, AuditError> {
        match checkpoint::read(&self.folder, &self.key)? {
            Anchor::Signed { head, .. } => Ok(head.seq),
            Anchor::Missing if self.head.seq == 0 => Ok(0),
            Anchor::Missing | Anchor::Unsigned => Err(self.tampered("its signed checkpoint is missing or not by this key")),
        }
    }

    /// Where line `seq` ends. Looks from the end, further back each time: what is wanted is seldom far.
    fn find(&self, seq: u64) -> std::io::Result<Option<Head>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        for back in [64, 4_096, 262_144, usize::MAX] {
            let start = start_of_last(&mut file, back)?;
            file.seek(SeekFrom::Start(start))?;
            let found = find_from(BufReader::new(&file), start, seq)?;
            if found.is_some() || start == 0 {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The lines that were signed since, at most `most`.
    ///
    /// # Errors
    /// [`AuditError::Tampered`], [`AuditError::File`].
    pub fn more(&mut self, most: usize) -> Result<Vec<Line>, AuditError> {
        self.take(most, Walk::step, |fields, Passed { seq, hash, text }| Line { seq, hash, fields, text })
    }

    /// The same for who wants their numbers and hashes: nothing is taken apart.
    ///
    /// # Errors
    /// As [`Tail::more`].
    pub fn pass(&mut self, most: usize) -> Result<Vec<Passed>, AuditError> {
        self.take(most, Walk::pass, |_, passed| passed)
    }

    fn take<T>(
        &mut self,
        most: usize,
        step: impl Fn(&mut Walk<BufReader<std::io::Take<File>>>) -> std::io::Result<Step>,
        make: impl Fn(Value, Passed) -> T,
    ) -> Result<Vec<T>, AuditError> {
        let signed = match checkpoint::read(&self.folder, &self.key)? {
            Anchor::Signed { head, .. } => head,
            // The log is about to begin.
            Anchor::Missing if self.head.seq == 0 => return Ok(Vec::new()),
            Anchor::Missing | Anchor::Unsigned => return Err(self.tampered("its signed checkpoint is missing or not by this key")),
        };
        if signed.seq < self.head.seq {
            return Err(self.tampered("it has become shorter"));
        }
        if signed.seq == self.head.seq {
            return Ok(Vec::new());
        }
        let unreadable = |error| AuditError::file(&self.path, "read", &error);
        let mut file = File::open(&self.path).map_err(unreadable)?;
        file.seek(SeekFrom::Start(self.head.size)).map_err(unreadable)?;
        // What stands behind the signed end may still be taken back.
        let text = file.take(signed.size.saturating_sub(self.head.size));
        let mut walk = Walk::new(BufReader::with_capacity(1 << 16, text), self.head);
        let mut lines = Vec::new();
        while lines.len() < most && walk.head.seq < signed.seq {
            match step(&mut walk).map_err(unreadable)? {
                Step::Line(fields) => {
                    lines.push(make(fields, Passed { seq: walk.head.seq, hash: walk.head.hash, text: walk.line().to_vec() }));
                }
                Step::Broken(why) => return Err(self.tampered(&format!("at entry {}: {why}", walk.head.seq + 1))),
                Step::End | Step::Torn(_) => return Err(self.tampered("it is shorter than what was signed")),
            }
        }
        if walk.head.seq == signed.seq && walk.head != signed {
            return Err(self.tampered(&format!("entry {} is not the one that was signed", signed.seq)));
        }
        self.head = walk.head;
        Ok(lines)
    }

    fn tampered(&self, what: &str) -> AuditError {
        AuditError::Tampered { path: self.path.clone(), what: what.to_owned() }
    }
}

/// The lines from the first on, each following from the one before: up to the end, or to what does not follow, which is for
/// [`super::verify`] to name. Says nothing about signatures.
pub struct Lines(Walk<BufReader<File>>);

impl Lines {
    /// The log in `folder`; `None` if there is none.
    ///
    /// # Errors
    /// [`AuditError::File`].
    pub fn open(folder: &Path) -> Result<Option<Self>, AuditError> {
        Self::of(&log_file(folder))
    }

    /// Lines that lie in a file of another name.
    ///
    /// # Errors
    /// [`AuditError::File`].
    pub fn of(path: &Path) -> Result<Option<Self>, AuditError> {
        match File::open(path) {
            Ok(file) => Ok(Some(Self(Walk::new(BufReader::with_capacity(1 << 18, file), Head::START)))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(AuditError::file(path, "read", &error)),
        }
    }
}

impl Iterator for Lines {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        match self.0.step() {
            Ok(Step::Line(fields)) => Some(Line { seq: self.0.head.seq, hash: self.0.head.hash, fields, text: self.0.line().to_vec() }),
            Ok(Step::Torn(_) | Step::Broken(_) | Step::End) | Err(_) => None,
        }
    }
}

impl Line {
    /// When it was written, in microseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn wall_us(&self) -> Option<i64> {
        let time: jiff::Timestamp = self.fields.get("time")?.as_str()?.parse().ok()?;
        Some(time.as_microsecond())
    }
}

/// Number and hash of one line by itself: the hash of the line before stands in it. `None` if it is not in canonical form.
#[must_use]
pub fn hash_of(line: &[u8]) -> Option<(u64, [u8; 32])> {
    let fields: Value = serde_json::from_slice(line).ok().filter(|fields| canonical(fields).as_bytes() == line)?;
    Some((fields.get("seq")?.as_u64()?, chain::link(&chain::prev(&fields)?, line)))
}

fn find_from(mut reader: impl BufRead, start: u64, wanted: u64) -> std::io::Result<Option<Head>> {
    let (mut line, mut size) = (Vec::new(), start);
    loop {
        line.clear();
        let read = reader.by_ref().take(chain::LONGEST as u64 + 1).read_until(b'\n', &mut line)?;
        if line.pop_if(|last| *last == b'\n').is_none() {
            return Ok(None);
        }
        size += read as u64;
        let fields: Option<Value> = serde_json::from_slice(&line).ok();
        let (seq, prev) = fields.as_ref().map_or((None, None), |fields| (fields.get("seq").and_then(Value::as_u64), chain::prev(fields)));
        match (seq, prev) {
            (Some(seq), Some(prev)) if seq == wanted => return Ok(Some(head(seq, &prev, &line, size))),
            (Some(seq), _) if seq < wanted => {}
            _ => return Ok(None),
        }
    }
}

fn head(seq: u64, prev: &Hash, line: &[u8], size: u64) -> Head {
    Head { seq, hash: chain::link(prev, line), size }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::audit::{AuditLog, Entry, folder, public_key_file, read_public_key};

    fn entry(lock: u64) -> Entry {
        Entry::LockRemoved { lock, subject: "user corp/alice".into(), by: "local:root".into() }
    }

    async fn log(state: &Path, entries: u64) -> AuditLog {
        let log = AuditLog::open(state, "one", [7; 32], Timestamp::UNIX_EPOCH).unwrap();
        for n in 0..entries {
            log.append(entry(n), Timestamp::UNIX_EPOCH).await.unwrap();
        }
        log
    }

    fn tail(state: &Path, seq: u64, hash: [u8; 32]) -> Result<Tail, AuditError> {
        Tail::after(&folder(state), read_public_key(&public_key_file(state)).unwrap(), seq, hash)
    }

    #[tokio::test]
    async fn every_line_comes_once_in_order_from_any_place() {
        let state = tempfile::tempdir().unwrap();
        let log = log(state.path(), 150).await;
        let mut all = tail(state.path(), 0, [0; 32]).unwrap();
        let mut lines = all.more(100).unwrap();
        lines.extend(all.more(100).unwrap());
        assert_eq!(lines.iter().map(|line| line.seq).collect::<Vec<_>>(), (1..=150).collect::<Vec<_>>());
        assert!(all.more(100).unwrap().is_empty());
        for at in [1, 60, 149, 150] {
            let from = &lines[at - 1];
            let mut tail = tail(state.path(), from.seq, from.hash).unwrap();
            assert_eq!(tail.more(200).unwrap(), lines[at..], "after {at}");
        }
        let receipt = log.append(entry(9), Timestamp::UNIX_EPOCH).await.unwrap();
        let more = all.more(100).unwrap();
        assert_eq!((more.len(), more[0].seq, more[0].hash), (1, receipt.seq, receipt.hash));
    }

    #[tokio::test]
    async fn a_log_that_was_put_back_or_rewritten_is_seen() {
        let state = tempfile::tempdir().unwrap();
        drop(log(state.path(), 10).await);
        assert!(matches!(tail(state.path(), 11, [0; 32]), Err(AuditError::Tampered { .. })));
        assert!(matches!(tail(state.path(), 10, [0; 32]), Err(AuditError::Tampered { .. })));
        let lines = tail(state.path(), 0, [0; 32]).unwrap().more(20).unwrap();
        let mut at_the_end = tail(state.path(), 10, lines[9].hash).unwrap();
        std::fs::remove_dir_all(folder(state.path())).unwrap();
        drop(log(state.path(), 5).await);
        assert!(matches!(at_the_end.more(9), Err(AuditError::Tampered { .. })));
    }

    #[tokio::test]
    async fn equal_entries_have_hashes_that_nobody_can_guess() {
        let state = tempfile::tempdir().unwrap();
        let log = log(state.path(), 0).await;
        for _ in 0..2 {
            log.append(entry(1), Timestamp::UNIX_EPOCH).await.unwrap();
        }
        let lines = tail(state.path(), 0, [0; 32]).unwrap().more(9).unwrap();
        let salts: Vec<_> = lines.iter().map(|line| line.fields["salt"].as_str().unwrap()).collect();
        assert!(salts.iter().all(|salt| salt.len() == 32) && salts[0] != salts[1], "{salts:?}");
        let other = tempfile::tempdir().unwrap();
        let again = AuditLog::open(other.path(), "one", [8; 32], Timestamp::UNIX_EPOCH).unwrap();
        again.append(entry(1), Timestamp::UNIX_EPOCH).await.unwrap();
        let elsewhere = tail(other.path(), 0, [0; 32]).unwrap().more(9).unwrap();
        assert_ne!(elsewhere[0].fields["salt"], lines[0].fields["salt"], "the salt does not depend on the key");
    }
}
