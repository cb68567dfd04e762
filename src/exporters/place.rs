//! Where an exporter is in the log: number and hash of the last entry that was taken, in a file that is replaced as a whole.

use std::fs;
use std::io::{ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

/// A place in the log; before the first entry for 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) seq: u64,
    pub(super) hash: [u8; 32],
}

/// The file of the exporter of that name.
pub(super) fn file(state_dir: &Path, name: &str) -> PathBuf {
    state_dir.join("exports").join(name)
}

impl Place {
    /// Reads it. Without a file it is the beginning.
    pub(super) fn read(path: &Path) -> Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).ok_or_else(|| {
                let why = "is not the place of an exporter; remove it to export the whole log again";
                std::io::Error::new(ErrorKind::InvalidData, why)
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self { seq: 0, hash: [0; 32] }),
            Err(error) => Err(error),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (seq, hash) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(Self { seq: seq.parse().ok()?, hash: hex::decode(hash).ok()?.try_into().ok()? })
    }

    /// Keeps it; it is on disk when this returns.
    pub(super) async fn keep(self, path: &Path) -> Result<()> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || {
            let folder = path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder)?;
            let mut new = tempfile::NamedTempFile::new_in(folder)?;
            writeln!(new, "{} {}", self.seq, hex::encode(self.hash))?;
            new.as_file().sync_all()?;
            new.persist(&path).map_err(|error| error.error)?;
            fs::File::open(folder)?.sync_all()
        })
        .await?
    }
}
