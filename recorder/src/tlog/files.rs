//! The files of a log as a reader finds them, beside its writer or without one: `checkpoint`, `tile/LEVEL/N` and
//! `tile/entries/N` as C2SP tlog-tiles lays them out. Changes nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::log::LogError;
use super::merkle::{Hash, consistency, empty_root, inclusion, node_hash, range};
use super::note::{Checkpoint, NoteKey, verify_note};
use super::proof;

/// Hashes in a full tile.
pub(super) const FULL: usize = 256;

/// Name of the signed checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// The log in a directory, as one of its checkpoints has it.
#[derive(Debug, Clone)]
pub struct LogFiles {
    dir: PathBuf,
    size: u64,
}

impl LogFiles {
    /// Leaves in a full bundle (C2SP tlog-tiles).
    pub const BUNDLE: u64 = FULL as u64;

    /// The log in `dir` with `size` leaves: at most as many as its checkpoint has.
    #[must_use]
    pub fn new(dir: &Path, size: u64) -> Self {
        Self { dir: dir.to_owned(), size }
    }

    /// The signed note and the checkpoint in it, if `key` signed it; `None` where there is no log.
    ///
    /// # Errors
    /// [`LogError::Checkpoint`], [`LogError::Io`]; [`LogError::Damaged`] if there are tiles, but no checkpoint.
    pub fn checkpoint(dir: &Path, key: &NoteKey) -> Result<Option<(String, Checkpoint)>, LogError> {
        match fs::read_to_string(dir.join(CHECKPOINT)) {
            Ok(note) => {
                let checkpoint = verify_note(&note, key)?;
                Ok(Some((note, checkpoint)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && !dir.join("tile").try_exists()? => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(LogError::Damaged),
            Err(error) => Err(error.into()),
        }
    }

    /// How many leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over the first `size` leaves, as the tiles have it.
    ///
    /// # Errors
    /// [`LogError::Range`], [`LogError::Io`], [`LogError::Damaged`].
    pub fn root(&self, size: u64) -> Result<Hash, LogError> {
        self.within(size)?;
        root(&|level, at| self.node(level, at), size)
    }

    /// The proof that leaf `index` is in the log when it has `size` leaves: see [`super::verify_inclusion`].
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn prove_inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, LogError> {
        self.within(size)?;
        if index >= size {
            return Err(LogError::Range);
        }
        inclusion(&|level, at| self.node(level, at), index, 0, size)
    }

    /// The proof that the log of `size` leaves begins with the one of `old` leaves: see [`super::verify_consistency`].
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn prove_consistency(&self, old: u64, size: u64) -> Result<Vec<Hash>, LogError> {
        self.within(size)?;
        if old > size {
            return Err(LogError::Range);
        }
        if old == 0 {
            return Ok(Vec::new());
        }
        consistency(&|level, at| self.node(level, at), old, 0, size, true)
    }

    /// The proof that leaf `index` is in the log, as one text file that holds the leaf itself; `note` is a signed checkpoint
    /// of `size` leaves. See [`super::read_proof`].
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn proof(&self, index: u64, leaf: &[u8], size: u64, note: &str) -> Result<String, LogError> {
        Ok(proof::write(index, Some(leaf), &self.prove_inclusion(index, size)?, note))
    }

    /// The hashes of tile `number` at `level`, as many as the log has there.
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn tile(&self, level: u32, number: u64) -> Result<Vec<Hash>, LogError> {
        let width = width(self.size, level, number).ok_or(LogError::Range)?;
        let bytes = self.read(&level.to_string(), number, width)?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        match hashes.get(..width) {
            Some(hashes) if rest.is_empty() => Ok(hashes.to_vec()),
            _ => Err(LogError::Damaged),
        }
    }

    /// The leaves of bundle `number`, as many as the log has there.
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn leaves(&self, number: u64) -> Result<Vec<Vec<u8>>, LogError> {
        let width = width(self.size, 0, number).ok_or(LogError::Range)?;
        let bytes = self.read("entries", number, width)?;
        let mut rest = bytes.as_slice();
        let mut leaves = Vec::with_capacity(width);
        while leaves.len() < width {
            let (len, behind) = rest.split_first_chunk::<2>().ok_or(LogError::Damaged)?;
            let (leaf, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*len))).ok_or(LogError::Damaged)?;
            leaves.push(leaf.to_vec());
            rest = behind;
        }
        Ok(leaves)
    }

    /// How many bundles of leaves there are.
    #[must_use]
    pub fn bundles(&self) -> u64 {
        self.size.div_ceil(FULL as u64)
    }

    fn within(&self, size: u64) -> Result<(), LogError> {
        if size > self.size { Err(LogError::Range) } else { Ok(()) }
    }

    fn node(&self, level: u32, index: u64) -> Result<Hash, LogError> {
        node(level, index, |level, number| self.tile(level, number))
    }

    /// A full tile, or the partial one of `width`, or a wider one that a writer has put in its place.
    fn read(&self, kind: &str, number: u64, width: usize) -> Result<Vec<u8>, LogError> {
        let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let whole = self.dir.join(path(kind, number, None));
        match fs::read(&whole) {
            Err(error) if missing(&error) && width < FULL => {}
            read => return Ok(read?),
        }
        match fs::read(self.dir.join(path(kind, number, Some(width as u64)))) {
            Err(error) if missing(&error) => {}
            read => return Ok(read?),
        }
        let parts = fs::read_dir(self.dir.join(format!("{}.p", path(kind, number, None))));
        let widths = parts.into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<usize>().ok());
        match widths.filter(|found| *found >= width).max() {
            Some(wider) => Ok(fs::read(self.dir.join(path(kind, number, Some(wider as u64))))?),
            // The writer may have filled the tile meanwhile.
            None => Ok(fs::read(whole)?),
        }
    }
}

/// How many hashes tile `number` at `level` has in a log of `size` leaves; `None` for a tile that is not in it.
fn width(size: u64, level: u32, number: u64) -> Option<usize> {
    let count = size.checked_shr(8 * level).unwrap_or(0);
    let before = number.checked_mul(FULL as u64)?;
    let width = count.checked_sub(before).filter(|width| *width > 0)?;
    Some(usize::try_from(width).unwrap_or(FULL).min(FULL))
}

/// The root over the first `size` leaves.
pub(super) fn root(node: &dyn Fn(u32, u64) -> Result<Hash, LogError>, size: u64) -> Result<Hash, LogError> {
    if size == 0 { Ok(empty_root()) } else { range(node, 0, size) }
}

/// The hash of a complete subtree, from the tile it lies in.
pub(super) fn node(level: u32, index: u64, tile: impl Fn(u32, u64) -> Result<Vec<Hash>, LogError>) -> Result<Hash, LogError> {
    let (tile_level, up) = (level / 8, level % 8);
    let first = index << up;
    let tile = tile(tile_level, first / FULL as u64)?;
    let from = (first % FULL as u64) as usize;
    tile.get(from..from + (1 << up)).map(root_of).ok_or(LogError::Damaged)
}

/// The root over a power of two of hashes.
pub(super) fn root_of(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [one] => *one,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// The files, below its directory, of a log of `size` leaves that one of `before` leaves has not: tiles, bundles of leaves, and the
/// parts of those that are not full.
#[must_use]
pub fn files_since(before: u64, size: u64) -> Vec<String> {
    let mut names = Vec::new();
    let mut new = |kind: &str, before: u64, count: u64| {
        let (from, full) = (before / FULL as u64, count / FULL as u64);
        names.extend((from..full).map(|number| path(kind, number, None)));
        let width = count % FULL as u64;
        names.extend((width > 0).then(|| path(kind, full, Some(width))));
    };
    new("entries", before, size);
    let (mut level, mut before, mut count) = (0u32, before, size);
    while count > 0 {
        new(&level.to_string(), before, count);
        (level, before, count) = (level + 1, before / FULL as u64, count / FULL as u64);
    }
    names
}

/// `tile/KIND/x001/x234/067`, with `.p/WIDTH` for one that is not full.
pub(super) fn path(kind: &str, number: u64, width: Option<u64>) -> String {
    let mut name = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        name = format!("x{:03}/{name}", rest % 1000);
        rest /= 1000;
    }
    let part = width.map(|width| format!(".p/{width}")).unwrap_or_default();
    format!("tile/{kind}/{name}{part}")
}
