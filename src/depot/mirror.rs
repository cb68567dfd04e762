//! Copies the audit log, piece after piece, each with the checkpoint of that moment. A local log that is no longer what the store
//! has of it is told: somebody changed it. Blocks on files: it works on a thread of its own.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Bucket, DepotError, names};
use crate::audit::{self, Snapshot};

/// Bytes of a piece that goes up as soon as they are there, and of the largest.
const PIECE: u64 = 5 << 20;
const LARGEST: u64 = 8 << 20;
/// How much of what is in the store is compared with ours at the beginning.
const COMPARED: u64 = 8 << 20;

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
