//! Copies the audit log, piece after piece, each with the checkpoint of that moment, and the transparency log. A local log that is no longer what the store
//! has of it is told: somebody changed it. Blocks on files: it works on a thread of its own.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bartizan_recorder::tlog;
use bytes::Bytes;

use super::{Bucket, DepotError, names};
use crate::audit::{self, Snapshot};

/// Bytes of a piece that goes up as soon as they are there, and of the largest.
const PIECE: u64 = 5 << 20;
const LARGEST: u64 = 8 << 20;
/// How much of what is in the store is compared with ours at the beginning.
const COMPARED: u64 = 8 << 20;

/// The longest tile or bundle of the transparency log: 256 leaves of 64 KiB.
const FILE: u64 = 17 << 20;

const LOG: &str = "audit.ndjson";

/// The audit log's way to the store.
pub struct AuditMirror {
    folder: PathBuf,
    name: String,
    sent: Option<u64>,
    since: Option<Instant>,
}

impl AuditMirror {
    /// For the log in `folder`, written by `node`.
    #[must_use]
    pub fn new(folder: PathBuf, node: &str) -> Self {
        Self { folder, name: format!("audit/{}", names::node(node)), sent: None, since: None }
    }

    /// Sends what is new, if it is much or has waited for as long as `every`; with `now`, in any case. Gives the bytes sent.
    ///
    /// # Errors
    /// [`DepotError::Local`] where the log is shorter than what the store has of it, or another.
    pub async fn step(&mut self, bucket: &Bucket, every: Duration, now: bool) -> Result<u64, DepotError> {
        let Snapshot { size, checkpoint } = audit::snapshot(&self.folder).map_err(|e| self.odd(&e.to_string()))?;
        let path = self.folder.join(LOG);
        let file = File::open(&path).map_err(DepotError::file(&path))?;
        let mut sent = self.ask(bucket, &file, size).await?;
        if sent == size {
            self.since = None;
            return Ok(0);
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if !now && size - sent < PIECE && since.elapsed() < every {
            return Ok(0);
        }
        let begun = sent;
        while sent < size {
            let bytes = part(&file, sent, size.min(sent + LARGEST)).map_err(DepotError::file(&path))?;
            let (name, len) = (format!("{}/{}", self.name, names::piece(LOG, sent)), bytes.len() as u64);
            bucket.put(&name, bytes).await.inspect_err(|_| self.sent = None)?;
            sent += len;
            self.sent = Some(sent);
        }
        bucket.put(&format!("{}/{}", self.name, names::piece("checkpoint", size)), Bytes::from(checkpoint)).await?;
        self.since = None;
        Ok(sent - begun)
    }

    /// How far the store has it. Asked once, and then its last piece is compared with ours.
    async fn ask(&mut self, bucket: &Bucket, file: &File, size: u64) -> Result<u64, DepotError> {
        if let Some(sent) = self.sent {
            return Ok(sent);
        }
        let pieces = names::pieces(LOG, &self.name, &bucket.list(&self.name).await?);
        let (offsets, sent) = names::unbroken(&pieces);
        if sent > size {
            return Err(self.odd(&format!("it has {size} bytes, and the object store has {sent} of it: it was cut, or begun anew")));
        }
        if let Some(last) = offsets.last() {
            let name = format!("{}/{}", self.name, names::piece(LOG, *last));
            let there = bucket.get(&name, COMPARED).await?;
            let here = part(file, *last, sent).map_err(DepotError::file(&self.folder))?;
            if there != Some(here) {
                return Err(self.odd(&format!("from byte {last} on it is not what the object store has of it: it was changed")));
            }
        }
        self.sent = Some(sent);
        Ok(sent)
    }

    fn odd(&self, why: &str) -> DepotError {
        DepotError::Local(self.folder.join(LOG), why.to_owned())
    }
}

fn part(file: &File, from: u64, to: u64) -> std::io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(to.saturating_sub(from)).unwrap_or(0)];
    file.read_exact_at(&mut bytes, from)?;
    Ok(Bytes::from(bytes))
}

/// The transparency log's way to the store: the tiles of each checkpoint, and then the checkpoint.
pub struct LogMirror {
    folder: PathBuf,
    name: String,
    /// Leaves that the store has; none until it was asked.
    sent: Option<u64>,
    since: Option<Instant>,
}

impl LogMirror {
    /// For the log in `folder`, kept by `node`.
    #[must_use]
    pub fn new(folder: PathBuf, node: &str) -> Self {
        Self { folder, name: format!("tlog/{}", names::node(node)), sent: None, since: None }
    }

    /// Sends what is new, if it has waited for as long as `every`; with `now`, in any case. Gives the bytes sent.
    ///
    /// # Errors
    /// [`DepotError::Local`] where the log is shorter than what the store has of it; [`DepotError::Conflict`] where it is another.
    pub async fn step(&mut self, bucket: &Bucket, every: Duration, now: bool) -> Result<u64, DepotError> {
        let top = self.folder.join("checkpoint");
        if !top.exists() {
            return Ok(0);
        }
        // Read first: what it covers is on disk by then.
        let note = whole(&top)?;
        let size = size_of(&note).ok_or_else(|| DepotError::Local(top.clone(), "it is no checkpoint".to_owned()))?;
        let sent = self.ask(bucket).await?;
        if sent > size {
            let why = format!("it has {size} leaves, and the object store has {sent} of it: it was set back");
            return Err(DepotError::Local(top, why));
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if sent == size || (!now && since.elapsed() < every) {
            return Ok(0);
        }
        let mut bytes = 0;
        for tile in tlog::files_since(sent, size) {
            let path = self.folder.join(&tile);
            // A part that has become a whole tile meanwhile: the next checkpoint has it.
            if !path.exists() {
                return Ok(bytes);
            }
            let content = whole(&path)?;
            bytes += content.len() as u64;
            bucket.put(&format!("{}/{tile}", self.name), content).await?;
        }
        bucket.put(&format!("{}/{}", self.name, names::piece("checkpoint", size)), note).await?;
        (self.sent, self.since) = (Some(size), None);
        Ok(bytes)
    }

    async fn ask(&mut self, bucket: &Bucket) -> Result<u64, DepotError> {
        if let Some(sent) = self.sent {
            return Ok(sent);
        }
        let prefix = format!("{}/", self.name);
        let objects = bucket.list(&self.name).await?;
        let sizes = objects.iter().filter_map(|object| names::offset("checkpoint", object.name.strip_prefix(&prefix)?));
        Ok(*self.sent.insert(sizes.max().unwrap_or(0)))
    }
}

/// The number of leaves that a checkpoint says (C2SP tlog-checkpoint): its second line.
fn size_of(note: &[u8]) -> Option<u64> {
    std::str::from_utf8(note).ok()?.lines().nth(1)?.parse().ok()
}

fn whole(path: &Path) -> Result<Bytes, DepotError> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(FILE).read_to_end(&mut bytes)).map_err(DepotError::file(path))?;
    Ok(Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bartizan_recorder::SigningKey;
    use bartizan_recorder::tlog::{LogFiles, NoteKey, TransparencyLog};
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn the_transparency_log_goes_up_with_every_tile_of_its_checkpoint_and_one_set_back_is_told() {
        let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = SigningKey::from_bytes(&[9; 32]);
        let mut log = TransparencyLog::open(dir.path(), "bastion/log", key.clone()).unwrap();
        let bucket = Bucket::over(Arc::new(InMemory::new()));
        let mut mirror = LogMirror::new(dir.path().to_owned(), "bastion");
        for round in 0..4u32 {
            let leaves: Vec<String> = (0..150).map(|leaf| format!("leaf {round} {leaf}")).collect();
            log.append(&leaves).unwrap();
            assert!(mirror.step(&bucket, Duration::ZERO, false).await.unwrap() > 0);
        }
        assert_eq!(mirror.step(&bucket, Duration::ZERO, true).await.unwrap(), 0);
        for object in bucket.list("tlog/bastion").await.unwrap() {
            let path = copy.path().join(object.name.strip_prefix("tlog/bastion/").unwrap());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bucket.get(&object.name, 1 << 20).await.unwrap().unwrap()).unwrap();
        }
        let note = std::fs::read_to_string(copy.path().join(names::piece("checkpoint", 600))).unwrap();
        std::fs::write(copy.path().join("checkpoint"), note).unwrap();
        let named = NoteKey::log("bastion/log", key.verifying_key()).unwrap();
        let (_, checkpoint) = LogFiles::checkpoint(copy.path(), &named).unwrap().unwrap();
        assert_eq!(checkpoint.size, 600);
        assert_eq!(LogFiles::new(copy.path(), 600).root(600).unwrap(), checkpoint.root);

        let back = tempfile::tempdir().unwrap();
        TransparencyLog::open(back.path(), "bastion/log", key).unwrap().append(&["other"]).unwrap();
        let told = LogMirror::new(back.path().to_owned(), "bastion").step(&bucket, Duration::ZERO, true).await.unwrap_err();
        assert!(told.is_alarming() && told.to_string().contains("set back"), "{told}");
    }
}
