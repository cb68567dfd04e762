//! The log's file in the hand of one process that writes it. Every group of entries is written under a lock that other
//! processes respect, after what they added was read and compared. A group is on disk as a whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::chain::{self, Head, LONGEST, Step, Walk};
use super::checkpoint::{Anchor, Checkpoints};
use super::log::Receipt;
use super::{AuditError, Entry, folder, key, log_file};

/// How long to try for the lock, some seconds in all; others hold it for one write and one flush.
const TRIES: u32 = 1_500;
const BETWEEN_TRIES: Duration = Duration::from_millis(2);

/// The open log.
pub(super) struct Book {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    checkpoints: Checkpoints,
    key: SigningKey,
    node: String,
    head: Head,
    /// Set when the file can no longer be relied on; nothing is written after that.
    ruined: Option<AuditError>,
}

/// What a crash, ours or another process's, left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Leftover {
    bytes_cut: u64,
    lines_unsigned: u64,
    checkpoint_spoilt: bool,
}

/// Holds the file's lock; gone with the process if it is killed.
struct Locked(File);

impl Locked {
    /// Never waits for ever: a process that was stopped while it held the lock must not stop the server without a word.
    fn take(file: &File) -> std::io::Result<Self> {
        let file = file.try_clone()?;
        for _ in 0..TRIES {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(BETWEEN_TRIES),
                done => return done.map(|()| Self(file)).map_err(std::io::Error::from),
            }
        }
        Err(std::io::Error::new(ErrorKind::WouldBlock, "another process holds its lock; look with lslocks(8)"))
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Cannot fail on a file that is locked; and if it did, the lock would go with the process.
        let _unlocked = flock(&self.0, FlockOperation::Unlock);
    }
}

impl Book {
    /// Opens the log below `state_dir`, or begins it: then `seed` becomes its key.
    pub(super) fn open(state_dir: &Path, node: &str, seed: &Zeroizing<[u8; 32]>, now: Timestamp) -> Result<Self, AuditError> {
        let folder = folder(state_dir);
        key::make_folder(&folder)?;
        let path = log_file(&folder);
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path);
        let file = file.map_err(|error| AuditError::file(&path, "opened", &error))?;
        let _locked = Locked::take(&file).map_err(|error| AuditError::file(&path, "locked", &error))?;
        let empty = file.metadata().map_err(|error| AuditError::file(&path, "read", &error))?.len() == 0;
        let key = key::load(state_dir, "audit", seed, empty)?;
        let checkpoints = Checkpoints::open(&folder)?;
        let mut book = Self { folder, path, file, checkpoints, key, node: node.to_owned(), head: Head::START, ruined: None };
        book.settle(empty, now)?;
        Ok(book)
    }

    /// Finds the head at start and notes what a crash left.
    fn settle(&mut self, empty: bool, now: Timestamp) -> Result<(), AuditError> {
        let anchor = self.checkpoints.read(&self.folder, &self.key)?;
        match anchor {
            Anchor::Signed { head, .. } => self.compare_last_line(&head)?,
            Anchor::Missing | Anchor::Unsigned if empty => return self.begin(now),
            Anchor::Missing | Anchor::Unsigned => return Err(self.tampered("its signed checkpoint is missing or not by this key")),
        }
        let mut leftover = self.catch_up()?;
        leftover.checkpoint_spoilt = matches!(anchor, Anchor::Signed { whole: false, .. });
        if leftover == Leftover::default() {
            return Ok(());
        }
        self.add(&[(leftover.entry(), now)]).map(drop)
    }

    /// Signs that the log is empty, before its first line: from now on a missing checkpoint is no accident.
    fn begin(&mut self, now: Timestamp) -> Result<(), AuditError> {
        self.checkpoints.write(&self.head, &self.key, &self.node, now)?;
        self.checkpoints.sync()?;
        key::sync_folder(&self.folder)?;
        self.folder.parent().map_or(Ok(()), key::sync_folder)
    }

    /// Compares the line that ends where the checkpoint says with the checkpoint's hash, and takes the checkpoint for our head.
    fn compare_last_line(&mut self, anchored: &Head) -> Result<(), AuditError> {
        let size = self.size()?;
        if size < anchored.size {
            return Err(self.tampered(&format!("it has {size} bytes, and had {} when it was last signed", anchored.size)));
        }
        let line = self.line_before(anchored.size)?;
        let prev = serde_json::from_slice(&line).ok().as_ref().and_then(chain::prev);
        let fits = prev.is_some_and(|prev| chain::link(&prev, &line) == anchored.hash);
        if anchored.seq > 0 && !fits {
            return Err(self.tampered(&format!("entry {} is not the one that was signed", anchored.seq)));
        }
        self.head = *anchored;
        Ok(())
    }

    /// The line whose newline is the byte before `end`.
    fn line_before(&mut self, end: u64) -> Result<Vec<u8>, AuditError> {
        let start = end.saturating_sub(LONGEST as u64 + 2);
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(start)).map_err(|error| AuditError::file(&self.path, "read", &error))?;
        let read = (&self.file).take(end - start).read_to_end(&mut bytes);
        read.map_err(|error| AuditError::file(&self.path, "read", &error))?;
        bytes.pop_if(|last| *last == b'\n');
        let begin = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        Ok(bytes.split_off(begin))
    }

    /// Reads and compares what stands behind our head, cuts a torn last line, counts lines that no checkpoint covers.
    fn catch_up(&mut self) -> Result<Leftover, AuditError> {
        let size = self.size()?;
        if size == self.head.size {
            return Ok(Leftover::default());
        }
        let signed = match self.checkpoints.read(&self.folder, &self.key)? {
            Anchor::Signed { head, .. } => head,
            Anchor::Missing | Anchor::Unsigned => return Err(self.tampered("its signed checkpoint is missing or not by this key")),
        };
        if size < self.head.size || size < signed.size {
            return Err(self.tampered("it has become shorter"));
        }
        let (head, torn) = self.walk(&signed)?;
        if torn > 0 {
            self.file.set_len(head.size).map_err(|error| AuditError::unwritable(&self.path, &error))?;
        }
        self.head = head;
        Ok(Leftover { bytes_cut: torn, lines_unsigned: head.seq.saturating_sub(signed.seq), checkpoint_spoilt: false })
    }

    /// Walks from our head to the end of the file: the head there, and how many bytes of a torn line follow.
    fn walk(&mut self, signed: &Head) -> Result<(Head, u64), AuditError> {
        let unreadable = |error| AuditError::file(&self.path, "read", &error);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.head.size)).map_err(unreadable)?;
        let mut walk = Walk::new(BufReader::new(file), self.head);
        loop {
            match walk.step().map_err(unreadable)? {
                Step::Line(_) if walk.head.seq == signed.seq && walk.head != *signed => {
                    return Err(self.tampered(&format!("entry {} is not the one that was signed", signed.seq)));
                }
                Step::Line(_) => {}
                Step::End => return Ok((walk.head, 0)),
                Step::Torn(bytes) => return Ok((walk.head, bytes)),
                Step::Broken(why) => return Err(self.tampered(&format!("at entry {}: {why}", walk.head.seq + 1))),
            }
        }
    }

    /// Writes `entries` as one group and gives a receipt for each; after an error none of them is in the log. An entry that is
    /// too long gets an error of its own.
    pub(super) fn write(&mut self, entries: &[(Entry, Timestamp)]) -> Result<Vec<Result<Receipt, AuditError>>, AuditError> {
        if let Some(error) = &self.ruined {
            return Err(error.clone());
        }
        let locked = Locked::take(&self.file).map_err(|error| AuditError::unwritable(&self.path, &error))?;
        self.same_file()?;
        let leftover = self.catch_up().inspect_err(|error| {
            if matches!(error, AuditError::Tampered { .. }) {
                self.ruined = Some(error.clone());
            }
        })?;
        if let (false, Some((_, now))) = (leftover == Leftover::default(), entries.first()) {
            self.add(&[(leftover.entry(), *now)])?;
        }
        let receipts = self.add(entries);
        drop(locked);
        receipts
    }

    /// The name must still lead to the file we hold: entries in a file that was moved away would be lost.
    fn same_file(&self) -> Result<(), AuditError> {
        let ours = self.file.metadata();
        let named = std::fs::metadata(&self.path);
        match (ours, named) {
            (Ok(ours), Ok(named)) if (ours.dev(), ours.ino()) == (named.dev(), named.ino()) => Ok(()),
            _ => Err(self.tampered("it was moved or replaced while it was being written; start again to begin a new one")),
        }
    }

    /// Writes, flushes and signs, under the lock and at the end of the file.
    fn add(&mut self, entries: &[(Entry, Timestamp)]) -> Result<Vec<Result<Receipt, AuditError>>, AuditError> {
        let (text, head, receipts) = self.compose(entries)?;
        let Some((_, now)) = entries.last() else { return Ok(receipts) };
        if head == self.head {
            return Ok(receipts);
        }
        if let Err(error) = self.file.write_all(text.as_bytes()) {
            return Err(self.undo(&error));
        }
        if let Err(error) = self.file.sync_data() {
            // The kernel may have dropped what it could not write, and would not say so twice: no later flush can be believed.
            return Err(self.ruin(&error));
        }
        if let Err(error) = self.checkpoints.write(&head, &self.key, &self.node, *now) {
            return Err(self.ruin(&error));
        }
        self.head = head;
        Ok(receipts)
    }

    #[expect(clippy::type_complexity, reason = "three things of one group, used once")]
    fn compose(&self, entries: &[(Entry, Timestamp)]) -> Result<(String, Head, Vec<Result<Receipt, AuditError>>), AuditError> {
        let (mut text, mut head, mut receipts) = (String::new(), self.head, Vec::with_capacity(entries.len()));
        for (entry, time) in entries {
            let salt = chain::salt(&self.key, &head);
            let line = chain::line(&head, &self.node, &salt, entry, *time).map_err(|error| AuditError::unwritable(&self.path, &error))?;
            if line.len() > LONGEST {
                receipts.push(Err(AuditError::TooLong { bytes: line.len() }));
                continue;
            }
            head = head.after(line.as_bytes());
            text.push_str(&line);
            text.push('\n');
            receipts.push(Ok(Receipt { seq: head.seq, hash: head.hash }));
        }
        Ok((text, head, receipts))
    }

    /// Takes back what part of a group was written.
    fn undo(&mut self, error: &std::io::Error) -> AuditError {
        match self.file.set_len(self.head.size) {
            Ok(()) => AuditError::unwritable(&self.path, error),
            Err(again) => self.ruin(&again),
        }
    }

    fn ruin(&mut self, error: &dyn std::fmt::Display) -> AuditError {
        let error =
            AuditError::Unwritable { path: self.path.clone(), why: format!("{error}; nothing more is written until the next start") };
        self.ruined = Some(error.clone());
        error
    }

    /// Makes the checkpoint durable. Nobody waits for this: until it is done, a power cut leaves lines that the next start
    /// signs again and notes.
    pub(super) fn sync_checkpoint(&mut self) {
        if let Err(error) = self.checkpoints.sync() {
            self.ruined = Some(error);
        }
    }

    fn size(&self) -> Result<u64, AuditError> {
        Ok(self.file.metadata().map_err(|error| AuditError::file(&self.path, "read", &error))?.len())
    }

    fn tampered(&self, what: &str) -> AuditError {
        AuditError::Tampered { path: self.path.clone(), what: what.to_owned() }
    }
}

impl Leftover {
    fn entry(self) -> Entry {
        Entry::AuditRecovered { bytes_cut: self.bytes_cut, lines_signed: self.lines_unsigned, checkpoint_spoilt: self.checkpoint_spoilt }
    }
}
