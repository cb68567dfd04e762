//! A file with one entry in each line, as they stand in the log. It may be renamed or cut by whatever rotates it: each time it is opened
//! anew. What a crash left of a line is taken away before that line is written again.

use std::fs::{self, OpenOptions};
use std::io::{Read, Result, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::audit::Line;

/// How much of a line can have been left.
const LINE: u64 = 2 << 20;

pub(super) struct File(PathBuf);

impl File {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) async fn send(&self, lines: Arc<[Line]>) -> std::result::Result<(), String> {
        let path = self.0.clone();
        let written = tokio::task::spawn_blocking(move || write(&path, &lines).map_err(|error| format!("{}: {error}", path.display())));
        written.await.map_err(|error| error.to_string())?
    }
}

fn write(path: &Path, lines: &[Line]) -> Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    cut_torn(&mut file)?;
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend_from_slice(&line.text);
        bytes.push(b'\n');
    }
    file.write_all(&bytes)?;
    file.sync_data()
}

/// A last line without its end is one of ours that was not finished.
fn cut_torn(file: &mut fs::File) -> Result<()> {
    let size = file.seek(SeekFrom::End(0))?;
    let start = size.saturating_sub(LINE);
    file.seek(SeekFrom::Start(size.saturating_sub(1)))?;
    let mut last = Vec::new();
    file.read_to_end(&mut last)?;
    if last.is_empty() || last == b"\n" {
        return Ok(());
    }
    file.seek(SeekFrom::Start(start))?;
    let mut end = Vec::new();
    file.take(LINE).read_to_end(&mut end)?;
    let whole = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
    file.set_len(start + whole)
}
