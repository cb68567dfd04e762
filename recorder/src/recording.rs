//! One recording on disk, opened for reading: its head, its seal if it has one, its events.
//! Says what is there; whether it is genuine is for `verify` to say.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::envelope::{self, Document};
use crate::events::{Events, ReadError};
use crate::head::{BadHead, Head, Seal};
use crate::place;

/// Why a recording cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file is missing or cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The head or seal is not one.
    #[error("{path} is refused: {bad}", path = path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        bad: BadHead,
    },
    /// The channel file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A recording.
#[derive(Debug, Clone)]
pub struct Recording {
    dir: PathBuf,
    head: Head,
    seal: Option<Seal>,
}

impl Recording {
    /// Opens the recording in `dir`. A seal that is missing or torn counts as none.
    ///
    /// # Errors
    /// [`OpenError`] when there is no readable head.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let dir = dir.into();
        let head = read(&dir.join(place::HEAD))?;
        let seal = read(&dir.join(place::SEAL)).ok();
        Ok(Self { dir, head, seal })
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Who, where, when.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// How it ended; `None` while it runs, and after a crash until it is recovered.
    #[must_use]
    pub fn seal(&self) -> Option<&Seal> {
        self.seal.as_ref()
    }

    /// Its length in microseconds, as the seal says.
    #[must_use]
    pub fn duration_us(&self) -> Option<u64> {
        self.seal.as_ref()?.channels.iter().map(|channel| channel.last_us).max()
    }

    /// Bytes of its first channel file now: the whole for a progress bar.
    ///
    /// # Errors
    /// [`OpenError::Io`].
    pub fn bytes(&self) -> Result<u64, OpenError> {
        let path = self.channel_path();
        let meta = std::fs::metadata(&path).map_err(|source| OpenError::Io { path, source })?;
        Ok(meta.len())
    }

    /// Its events from the beginning.
    ///
    /// # Errors
    /// [`OpenError::Io`], [`OpenError::Read`].
    pub fn events(&self) -> Result<Events<File>, OpenError> {
        Ok(Events::open(self.channel()?)?)
    }

    pub(crate) fn channel(&self) -> Result<File, OpenError> {
        let path = self.channel_path();
        File::open(&path).map_err(|source| OpenError::Io { path, source })
    }

    fn channel_path(&self) -> PathBuf {
        self.dir.join(place::channel_file(0))
    }
}

fn read<D: Document>(path: &Path) -> Result<D, OpenError> {
    let bytes = place::read_small(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    envelope::read(&bytes).map_err(|bad| OpenError::Bad { path: path.to_owned(), bad })
}
