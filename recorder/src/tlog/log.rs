//! The log on disk: `checkpoint`, `tile/LEVEL/N` and `tile/entries/N` as C2SP tlog-tiles lays them out. What is appended is
//! durable before its checkpoint is, so a crash leaves the log at its last checkpoint.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;

use super::merkle::{Hash, consistency, empty_root, inclusion, leaf_hash, node_hash, range};
use super::note::{BadNote, Checkpoint, NoteKey, verify_note};
use super::proof;
use crate::place;

/// Hashes in a full tile.
const FULL: usize = 256;

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
    failed: bool,
    _lock: File,
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
        let named = NoteKey::log(origin, key.verifying_key())?;
        let checkpoint = match fs::read_to_string(dir.join("checkpoint")) {
            Ok(note) => verify_note(&note, &named)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Checkpoint { origin: origin.to_owned(), size: 0, root: empty_root() },
            Err(error) => return Err(error.into()),
        };
        let mut log = Self { dir: dir.to_owned(), key, checkpoint, edge: Vec::new(), bundle: Vec::new(), failed: false, _lock: lock };
        log.load_edge()?;
        if log.root(log.checkpoint.size)? != log.checkpoint.root {
            return Err(LogError::Damaged);
        }
        Ok(log)
    }

    fn load_edge(&mut self) -> Result<(), LogError> {
        let size = self.checkpoint.size;
        let (mut level, mut count) = (0, size);
        while count > 0 {
            let width = (count % FULL as u64) as usize;
            let tile = if width == 0 { Vec::new() } else { self.tile(level, count / FULL as u64, size)? };
            self.edge.push(tile.get(..width).ok_or(LogError::Damaged)?.to_vec());
            (level, count) = (level + 1, count / FULL as u64);
        }
        let width = size % FULL as u64;
        if width > 0 {
            self.bundle = fs::read(self.dir.join(path("entries", size / FULL as u64, Some(width))))?;
        }
        Ok(())
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
            self.put_partials()?;
            place::sync(&self.dir)?;
            self.checkpoint.root = self.root(self.checkpoint.size)?;
            self.publish()?;
            self.failed = false;
        }
        Ok(first)
    }

    fn put(&mut self, leaf: &[u8]) -> Result<(), LogError> {
        let number = self.checkpoint.size / FULL as u64;
        self.bundle.extend_from_slice(&u16::try_from(leaf.len()).map_err(|_| LogError::TooLong)?.to_be_bytes());
        self.bundle.extend_from_slice(leaf);
        self.checkpoint.size += 1;
        if self.checkpoint.size.is_multiple_of(FULL as u64) {
            let bundle = std::mem::take(&mut self.bundle);
            self.write(&path("entries", number, None), &bundle)?;
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
            self.write(&path(&level.to_string(), count / FULL as u64 - 1, None), full.as_flattened())?;
            (level, count) = (level + 1, count / FULL as u64);
        }
    }

    /// Tiles and bundle that are not full yet.
    fn put_partials(&self) -> Result<(), LogError> {
        let mut count = self.checkpoint.size;
        for (level, tile) in self.edge.iter().enumerate() {
            if !tile.is_empty() {
                self.write(&path(&level.to_string(), count / FULL as u64, Some(tile.len() as u64)), tile.as_flattened())?;
            }
            count /= FULL as u64;
        }
        let width = self.checkpoint.size % FULL as u64;
        if width > 0 {
            self.write(&path("entries", self.checkpoint.size / FULL as u64, Some(width)), &self.bundle)?;
        }
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), LogError> {
        let path = self.dir.join(name);
        let (Some(parent), Some(file)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            return Err(LogError::Damaged);
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        Ok(place::write_whole(parent, file, bytes)?)
    }

    /// The new checkpoint takes the place of the old one only once all of it is on disk.
    fn publish(&self) -> Result<(), LogError> {
        let note = self.checkpoint.sign(&self.key)?;
        place::write_whole(&self.dir, "checkpoint.new", note.as_bytes())?;
        place::sync(&self.dir)?;
        fs::rename(self.dir.join("checkpoint.new"), self.dir.join("checkpoint"))?;
        Ok(place::sync(&self.dir)?)
    }

    /// The proof that leaf `index` is in the log when it has `size` leaves: see [`super::verify_inclusion`].
    ///
    /// # Errors
    /// [`LogError::Range`], [`LogError::Io`], [`LogError::Damaged`].
    pub fn prove_inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, LogError> {
        if index >= size || size > self.checkpoint.size {
            return Err(LogError::Range);
        }
        inclusion(&|level, at| self.node(level, at, size), index, 0, size)
    }

    /// The proof of inclusion as one text file, with the log's checkpoint of now: see [`super::verify_proof`]. Lines of
    /// witnesses may be put behind it.
    ///
    /// # Errors
    /// As [`Self::prove_inclusion`].
    pub fn proof(&self, index: u64) -> Result<String, LogError> {
        let hashes = self.prove_inclusion(index, self.checkpoint.size)?;
        Ok(proof::write(index, &hashes, &self.note()?))
    }

    /// The proof that the log of `size` leaves begins with the one of `old` leaves: see [`super::verify_consistency`].
    ///
    /// # Errors
    /// As [`Self::prove_inclusion`].
    pub fn prove_consistency(&self, old: u64, size: u64) -> Result<Vec<Hash>, LogError> {
        if old > size || size > self.checkpoint.size {
            return Err(LogError::Range);
        }
        if old == 0 {
            return Ok(Vec::new());
        }
        consistency(&|level, at| self.node(level, at, size), old, 0, size, true)
    }

    fn root(&self, size: u64) -> Result<Hash, LogError> {
        if size == 0 { Ok(empty_root()) } else { range(&|level, at| self.node(level, at, size), 0, size) }
    }

    /// The hash of a complete subtree, from the tile it lies in.
    fn node(&self, level: u32, index: u64, size: u64) -> Result<Hash, LogError> {
        let (tile_level, up) = (level / 8, level % 8);
        let first = index << up;
        let tile = self.tile(tile_level as usize, first / FULL as u64, size)?;
        let from = (first % FULL as u64) as usize;
        tile.get(from..from + (1 << up)).map(root_of).ok_or(LogError::Damaged)
    }

    /// The hashes of a tile of the log of `size` leaves or more, full or not.
    fn tile(&self, level: usize, number: u64, size: u64) -> Result<Vec<Hash>, LogError> {
        let last = self.checkpoint.size.checked_shr(8 * level as u32).unwrap_or(0) / FULL as u64;
        if let Some(edge) = self.edge.get(level).filter(|edge| number == last && !edge.is_empty()) {
            return Ok(edge.clone());
        }
        let count = size.checked_shr(8 * level as u32).unwrap_or(0);
        let width = (count / FULL as u64 == number).then_some(count % FULL as u64);
        let whole = fs::read(self.dir.join(path(&level.to_string(), number, None)));
        let bytes = match (whole, width) {
            (Err(error), Some(width)) if error.kind() == io::ErrorKind::NotFound => {
                fs::read(self.dir.join(path(&level.to_string(), number, Some(width))))?
            }
            (whole, _) => whole?,
        };
        let (hashes, rest) = bytes.as_chunks::<32>();
        if rest.is_empty() { Ok(hashes.to_vec()) } else { Err(LogError::Damaged) }
    }
}

/// The root over a power of two of hashes.
fn root_of(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [one] => *one,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// `tile/KIND/x001/x234/067`, with `.p/WIDTH` for one that is not full.
fn path(kind: &str, number: u64, width: Option<u64>) -> String {
    let mut name = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        name = format!("x{:03}/{name}", rest % 1000);
        rest /= 1000;
    }
    let part = width.map(|width| format!(".p/{width}")).unwrap_or_default();
    format!("tile/{kind}/{name}{part}")
}

#[cfg(test)]
mod tests;
