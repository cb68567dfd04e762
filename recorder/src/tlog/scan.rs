//! Reads a whole log and compares all of it: leaves with tiles, tiles with each other, all of them with the checkpoint. Keeps one
//! tile of each level in memory, however long the log is.

use super::files::{FULL, LogFiles, root_of};
use super::log::LogError;
use super::merkle::{Hash, leaf_hash};

/// Why a log is not what its checkpoint says.
#[derive(Debug, thiserror::Error)]
pub enum BadLog {
    /// A tile or a bundle cannot be read.
    #[error("{what} cannot be read: {error}")]
    Unreadable {
        /// Which.
        what: String,
        /// Why not.
        error: LogError,
    },
    /// A tile does not have the hashes of what is below it.
    #[error("tile {number} of level {level} does not have the hashes of what is below it")]
    Tile {
        /// Its level.
        level: u32,
        /// Its number.
        number: u64,
    },
    /// The root is another one.
    #[error("the leaves do not lead to the root that the checkpoint states")]
    Root,
}

impl LogFiles {
    /// Reads every leaf in order and gives it to `take` with its number, after comparing it with its tile; at the end the root
    /// with `root`.
    ///
    /// # Errors
    /// [`BadLog`], as soon as something does not fit.
    pub fn scan(&self, root: &Hash, take: &mut dyn FnMut(u64, &[u8])) -> Result<(), BadLog> {
        let mut levels: Vec<Vec<Hash>> = Vec::new();
        for number in 0..self.bundles() {
            let leaves = self.leaves(number).map_err(unreadable(|| format!("bundle {number}")))?;
            for (index, leaf) in (number * FULL as u64..).zip(&leaves) {
                self.rise(&mut levels, 0, index + 1, leaf_hash(leaf))?;
            }
            if leaves.len() < FULL {
                self.compare(0, number, levels.first().map(Vec::as_slice).unwrap_or_default())?;
            }
            (number * FULL as u64..).zip(&leaves).for_each(|(index, leaf)| take(index, leaf));
        }
        for (level, hashes) in (0..).zip(&levels).skip(1).filter(|(_, hashes)| !hashes.is_empty()) {
            self.compare(level, self.size().checked_shr(8 * level).unwrap_or(0) / FULL as u64, hashes)?;
        }
        match self.root(self.size()) {
            Ok(found) if found == *root => Ok(()),
            Ok(_) => Err(BadLog::Root),
            Err(error) => Err(unreadable(|| "a tile".to_owned())(error)),
        }
    }

    /// Puts `hash` into its tile; a tile that is full is compared, and its root goes one level up. `count` is how many hashes
    /// the level has with this one.
    fn rise(&self, levels: &mut Vec<Vec<Hash>>, level: u32, count: u64, hash: Hash) -> Result<(), BadLog> {
        let (mut level, mut count, mut hash) = (level, count, hash);
        loop {
            if levels.len() == level as usize {
                levels.push(Vec::with_capacity(FULL));
            }
            let Some(tile) = levels.get_mut(level as usize) else { return Ok(()) };
            tile.push(hash);
            if tile.len() < FULL {
                return Ok(());
            }
            let full = std::mem::take(tile);
            self.compare(level, count / FULL as u64 - 1, &full)?;
            (hash, level, count) = (root_of(&full), level + 1, count / FULL as u64);
        }
    }

    fn compare(&self, level: u32, number: u64, hashes: &[Hash]) -> Result<(), BadLog> {
        let tile = self.tile(level, number).map_err(unreadable(|| format!("tile {number} of level {level}")))?;
        if tile == hashes { Ok(()) } else { Err(BadLog::Tile { level, number }) }
    }
}

fn unreadable(what: impl FnOnce() -> String) -> impl FnOnce(LogError) -> BadLog {
    move |error| BadLog::Unreadable { what: what(), error }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::tlog::TransparencyLog;

    fn log_of(dir: &Path, count: u64) -> Vec<String> {
        let leaves: Vec<String> = (0..count).map(|number| format!("leaf {number}")).collect();
        TransparencyLog::open(dir, "example.com/log", SigningKey::from_bytes(&[7; 32])).unwrap().append(&leaves).unwrap();
        leaves
    }

    fn scan(dir: &Path) -> Result<Vec<String>, BadLog> {
        let log = TransparencyLog::open(dir, "example.com/log", SigningKey::from_bytes(&[7; 32])).unwrap();
        let mut found = Vec::new();
        log.files().scan(&log.checkpoint().root, &mut |index, leaf| {
            assert_eq!(index, found.len() as u64);
            found.push(String::from_utf8(leaf.to_vec()).unwrap());
        })?;
        Ok(found)
    }

    #[test]
    fn every_leaf_is_read_in_order() {
        for count in [0, 1, 255, 256, 257, 600, 66_000] {
            let root = tempfile::tempdir().unwrap();
            let leaves = log_of(root.path(), count);
            assert_eq!(scan(root.path()).unwrap(), leaves, "{count}");
        }
    }

    #[test]
    fn a_flipped_bit_in_any_file_is_seen() {
        let root = tempfile::tempdir().unwrap();
        log_of(root.path(), 700);
        let log = TransparencyLog::open(root.path(), "example.com/log", SigningKey::from_bytes(&[7; 32])).unwrap();
        let (files, checkpoint) = (log.files(), log.checkpoint().root);
        for name in ["entries/000", "entries/001", "entries/002.p/188", "0/000", "0/001", "0/002.p/188", "1/000.p/2"] {
            let path = root.path().join("tile").join(name);
            let good = fs::read(&path).unwrap();
            for at in (0..good.len()).step_by(good.len().div_ceil(40)) {
                let mut bad = good.clone();
                bad[at] ^= 1;
                fs::write(&path, bad).unwrap();
                assert!(files.scan(&checkpoint, &mut |_, _| ()).is_err(), "byte {at} of {name}");
            }
            fs::write(&path, good).unwrap();
        }
        assert!(files.scan(&checkpoint, &mut |_, _| ()).is_ok());
        assert!(matches!(files.scan(&[1; 32], &mut |_, _| ()), Err(BadLog::Root)));
    }
}
