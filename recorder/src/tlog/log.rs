//! The log in the hand of its one writer: `checkpoint`, `tile/LEVEL/N` and `tile/entries/N` as C2SP tlog-tiles lays them out.
//! What is appended is on disk before its checkpoint is, so a crash leaves the log at its last checkpoint.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;

use super::files::{CHECKPOINT, FULL, LogFiles, node, path, root, root_of};
use super::merkle::{Hash, empty_root, leaf_hash};
use super::note::{BadNote, Checkpoint, NoteKey};
use super::proof;
use crate::place;

/// Why the log could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A leaf longer than 65,535 bytes.
    #[error("a leaf is longer than 65535 bytes")]
    TooLong,
    /// Not in the log, or not yet.
    #[error("there is no such leaf or size in the log")]
    Range,
    /// The checkpoint does not hold.
    #[error("the checkpoint does not hold: {0}")]
    Checkpoint(#[from] BadNote),
    /// Tiles and checkpoint do not fit.
    #[error("the tiles are not those of the checkpoint")]
    Damaged,
    /// Another process has it open.
    #[error("the log is in use")]
    InUse,
    /// The file system refused. After a failed append, open the log anew.
    #[error("the log cannot be read or written: {0}")]
    Io(#[from] io::Error),
}

/// A log open for appending, by one process at a time.
#[derive(Debug)]
pub struct TransparencyLog {
    dir: PathBuf,
    key: SigningKey,
    checkpoint: Checkpoint,
    /// The last tile of each level, and the last bundle of entries, as far as they are filled.
    edge: Vec<Vec<Hash>>,
    bundle: Vec<u8>,
    parts: Parts,
    failed: bool,
    _lock: File,
}

/// Names of tiles that are not full, of the last checkpoint and the one before it: readers may be at that one still.
#[derive(Debug, Default)]
struct Parts {
    last: Vec<String>,
    before: Vec<String>,
    /// Folders of parts whose tile has become full.
    full: Vec<String>,
}

impl TransparencyLog {
    /// Opens the log named `origin` in `dir`, or begins it. `key` signs its checkpoints.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(dir: &Path, origin: &str, key: SigningKey) -> Result<Self, LogError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let lock = OpenOptions::new().append(true).create(true).mode(0o600).open(dir.join("lock"))?;
        lock.try_lock().map_err(|_| LogError::InUse)?;
        let found = LogFiles::checkpoint(dir, &NoteKey::log(origin, key.verifying_key())?)?;
        let begun = found.is_some();
        let empty = || Checkpoint { origin: origin.to_owned(), size: 0, root: empty_root() };
        let checkpoint = found.map_or_else(empty, |(_, checkpoint)| checkpoint);
        let (dir, parts) = (dir.to_owned(), Parts::default());
        let mut log = Self { dir, key, checkpoint, edge: Vec::new(), bundle: Vec::new(), parts, failed: false, _lock: lock };
        if !begun {
            // From now on a missing checkpoint is no accident.
            log.publish()?;
        }
        log.load_edge()?;
        if log.root()? != log.checkpoint.root {
            return Err(LogError::Damaged);
        }
        Ok(log)
    }

    fn load_edge(&mut self) -> Result<(), LogError> {
        let (files, size) = (self.files(), self.checkpoint.size);
        let (mut level, mut count) = (0, size);
        while count > 0 {
            let part = !count.is_multiple_of(FULL as u64);
            self.edge.push(if part { files.tile(level, count / FULL as u64)? } else { Vec::new() });
            (level, count) = (level + 1, count / FULL as u64);
        }
        if !size.is_multiple_of(FULL as u64) {
            for leaf in files.leaves(size / FULL as u64)? {
                self.bundle_up(&leaf)?;
            }
        }
        self.parts.last = self.part_names().into_iter().map(|(name, _)| name).collect();
        Ok(())
    }

    /// The log as readers see it.
    #[must_use]
    pub fn files(&self) -> LogFiles {
        LogFiles::new(&self.dir, self.checkpoint.size)
    }

    /// What the log states now.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The signed note of now, as it lies in `checkpoint`.
    ///
    /// # Errors
    /// [`LogError::Checkpoint`] never, as the log was opened with its key.
    pub fn note(&self) -> Result<String, LogError> {
        Ok(self.checkpoint.sign(&self.key)?)
    }

    /// The key to verify its checkpoints with.
    ///
    /// # Errors
    /// [`LogError::Checkpoint`] never, as the log was opened with it.
    pub fn public_key(&self) -> Result<NoteKey, LogError> {
        Ok(NoteKey::log(&self.checkpoint.origin, self.key.verifying_key())?)
    }

    /// Appends `leaves` and returns the number of the first. They and the new checkpoint are on disk when this returns:
    /// call it with what came together, not once per leaf.
    ///
    /// # Errors
    /// [`LogError::TooLong`], and nothing has changed; [`LogError::Io`], and the log must be opened anew.
    pub fn append<L: AsRef<[u8]>>(&mut self, leaves: &[L]) -> Result<u64, LogError> {
        if self.failed {
            return Err(LogError::Damaged);
        }
        if leaves.iter().any(|leaf| leaf.as_ref().len() > usize::from(u16::MAX)) {
            return Err(LogError::TooLong);
        }
        let first = self.checkpoint.size;
        if !leaves.is_empty() {
            // Memory and disk may differ after an error, until it is opened anew.
            self.failed = true;
            for leaf in leaves {
                self.put(leaf.as_ref())?;
            }
            let parts = self.part_names();
            for (name, bytes) in &parts {
                self.write(name, bytes)?;
            }
            self.checkpoint.root = self.root()?;
            self.publish()?;
            self.failed = false;
            self.forget_parts(parts.into_iter().map(|(name, _)| name).collect());
        }
        Ok(first)
    }

    fn bundle_up(&mut self, leaf: &[u8]) -> Result<(), LogError> {
        self.bundle.extend_from_slice(&u16::try_from(leaf.len()).map_err(|_| LogError::TooLong)?.to_be_bytes());
        self.bundle.extend_from_slice(leaf);
        Ok(())
    }

    fn put(&mut self, leaf: &[u8]) -> Result<(), LogError> {
        let number = self.checkpoint.size / FULL as u64;
        self.bundle_up(leaf)?;
        self.checkpoint.size += 1;
        if self.checkpoint.size.is_multiple_of(FULL as u64) {
            let bundle = std::mem::take(&mut self.bundle);
            self.write_full("entries", number, &bundle)?;
        }
        let (mut hash, mut level, mut count) = (leaf_hash(leaf), 0, self.checkpoint.size);
        loop {
            if self.edge.len() == level {
                self.edge.push(Vec::new());
            }
            let Some(tile) = self.edge.get_mut(level) else { return Err(LogError::Damaged) };
            tile.push(hash);
            if tile.len() < FULL {
                return Ok(());
            }
            let full = std::mem::take(tile);
            hash = root_of(&full);
            self.write_full(&level.to_string(), count / FULL as u64 - 1, full.as_flattened())?;
            (level, count) = (level + 1, count / FULL as u64);
        }
    }

    fn write_full(&mut self, kind: &str, number: u64, bytes: &[u8]) -> Result<(), LogError> {
        let name = path(kind, number, None);
        self.write(&name, bytes)?;
        self.parts.full.push(format!("{name}.p"));
        Ok(())
    }

    /// Tiles and bundle that are not full yet.
    fn part_names(&self) -> Vec<(String, Vec<u8>)> {
        let mut parts = Vec::new();
        let mut count = self.checkpoint.size;
        for (level, tile) in self.edge.iter().enumerate() {
            if !tile.is_empty() {
                parts.push((path(&level.to_string(), count / FULL as u64, Some(tile.len() as u64)), tile.as_flattened().to_vec()));
            }
            count /= FULL as u64;
        }
        let width = self.checkpoint.size % FULL as u64;
        if width > 0 {
            parts.push((path("entries", self.checkpoint.size / FULL as u64, Some(width)), self.bundle.clone()));
        }
        parts
    }

    /// Removes parts that no checkpoint of late needs: without this, a tile would leave 255 of them behind.
    fn forget_parts(&mut self, now: Vec<String>) {
        let before = std::mem::replace(&mut self.parts.last, now);
        let old = std::mem::replace(&mut self.parts.before, before);
        let needed = |name: &String| self.parts.last.contains(name) || self.parts.before.contains(name);
        // What stays is in nobody's way.
        for name in old.iter().filter(|name| !needed(name)) {
            let _stays = fs::remove_file(self.dir.join(name));
        }
        for folder in std::mem::take(&mut self.parts.full) {
            let _stays = fs::remove_dir_all(self.dir.join(folder));
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), LogError> {
        let path = self.dir.join(name);
        let (Some(parent), Some(file)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            return Err(LogError::Damaged);
        };
        if !parent.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        Ok(place::write_whole(parent, file, bytes)?)
    }

    /// The new checkpoint takes the place of the old one only once all that it covers is on disk.
    fn publish(&self) -> Result<(), LogError> {
        let note = self.checkpoint.sign(&self.key)?;
        place::write_whole(&self.dir, "checkpoint.new", note.as_bytes())?;
        place::sync(&self.dir)?;
        fs::rename(self.dir.join("checkpoint.new"), self.dir.join(CHECKPOINT))?;
        Ok(File::open(&self.dir)?.sync_all()?)
    }

    /// The proof that leaf `index` is in the log when it has `size` leaves: see [`super::verify_inclusion`].
    ///
    /// # Errors
    /// [`LogError::Range`], [`LogError::Io`], [`LogError::Damaged`].
    pub fn prove_inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, LogError> {
        self.files().prove_inclusion(index, size)
    }

    /// The proof of inclusion as one text file, with the log's checkpoint of now: see [`super::verify_proof`]. Lines of
    /// witnesses may be put behind it.
    ///
    /// # Errors
    /// As [`Self::prove_inclusion`].
    pub fn proof(&self, index: u64) -> Result<String, LogError> {
        let hashes = self.prove_inclusion(index, self.checkpoint.size)?;
        Ok(proof::write(index, None, &hashes, &self.note()?))
    }

    /// The proof that the log of `size` leaves begins with the one of `old` leaves: see [`super::verify_consistency`].
    ///
    /// # Errors
    /// As [`Self::prove_inclusion`].
    pub fn prove_consistency(&self, old: u64, size: u64) -> Result<Vec<Hash>, LogError> {
        self.files().prove_consistency(old, size)
    }

    fn root(&self) -> Result<Hash, LogError> {
        let (files, size) = (self.files(), self.checkpoint.size);
        let tile = |level: u32, number: u64| {
            let last = size.checked_shr(8 * level).unwrap_or(0) / FULL as u64;
            match self.edge.get(level as usize).filter(|edge| number == last && !edge.is_empty()) {
                Some(edge) => Ok(edge.clone()),
                None => files.tile(level, number),
            }
        };
        root(&|level, at| node(level, at, tile), size)
    }
}

#[cfg(test)]
mod tests;
