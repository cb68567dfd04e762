//! Carries one recording to the store: its head, then piece after piece of what is final, then all that is left, and last its
//! seal. Only when every byte was read back does the copy of the channel file here go. Can be left off at any point: where to
//! go on is read from the store. Blocks on files: it works on a thread of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bartizan_recorder::{Committed, Recording, SessionId};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::porter::{Desk, StoredFacts};
use super::{Bucket, DepotError, names};
use crate::model;

/// Bytes of a piece that goes up as soon as they are there, and of the largest piece: memory holds one for each recording
/// that is being carried.
const PIECE: u64 = 5 << 20;
const LARGEST: u64 = 8 << 20;
/// The longest of the other files: what a recovery cut off is one write, and that is no longer.
const SMALL: u64 = names::INPUT_MAX;
/// What a look at the sealed file reads at once.
const BLOCK: usize = 1 << 20;

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Bytes went up.
    Sent(u64),
    /// Nothing is to be done now.
    Rests,
    /// All of it is there, and the channel file here is gone.
    Stored,
}

/// One recording on its way.
pub(super) struct Carrier {
    dir: PathBuf,
    session: SessionId,
    /// Its place behind the prefix.
    name: String,
    /// What is in the store already; none until it was asked.
    known: Option<Known>,
    committed: Committed,
    /// Final bytes not yet in the store, as of the last look.
    pub(super) waiting: u64,
    /// Since when something waits.
    since: Option<Instant>,
}

#[derive(Debug, Default)]
struct Known {
    small: BTreeSet<String>,
    /// All pieces, offset and length.
    pieces: BTreeMap<u64, u64>,
}

impl Known {
    /// How far the pieces go.
    fn sent(&self) -> u64 {
        names::unbroken(&self.pieces).1
    }
}

/// A piece is a kept copy of bytes that can't change; other names are whole files.
fn is_channel(name: &str) -> bool {
    name == names::CHANNEL || names::offset(names::CHANNEL, name).is_some()
}

impl Carrier {
    pub(super) fn new(root: &Path, dir: PathBuf, session: SessionId) -> Option<Self> {
        let name = names::recording(root, &dir)?;
        Some(Self { dir, session, name, known: None, committed: Committed::default(), waiting: 0, since: None })
    }

    /// Where it lies here.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// True when there is nothing left to carry: all was read back from the store, and its channel file here is gone.
    pub(super) fn is_stored(dir: &Path) -> bool {
        !dir.join(names::CHANNEL).exists() && dir.join(names::STORED).exists()
    }

    /// Asks the store anew before the next step.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    fn object(&self, file: &str) -> String {
        format!("{}/{file}", self.name)
    }

    /// Does the next thing that is due.
    ///
    /// # Errors
    /// [`DepotError`]; the same step is taken again then.
    pub(super) async fn step(&mut self, bucket: &Bucket, every: Duration, desk: &dyn Desk) -> Result<Step, DepotError> {
        let path = self.dir.join(names::CHANNEL);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return self.without_channel(bucket, desk).await,
            Err(error) => return Err(DepotError::file(&path)(error)),
        };
        let sealed = self.sealed(&file)?;
        let until = match sealed {
            Some(bytes) => bytes,
            None => self.committed.advance(&file).map_err(DepotError::file(&path))?,
        };
        let sent = self.ask(bucket, until).await?;
        self.waiting = until.saturating_sub(sent);
        if self.waiting == 0 {
            self.since = None;
            return if sealed.is_some() { self.close(&file, until, bucket, desk).await } else { Ok(Step::Rests) };
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.waiting < PIECE && sealed.is_none() && since.elapsed() < every {
            return Ok(Step::Rests);
        }
        self.send_small(bucket, &["head.json", "keys.age"]).await?;
        // A piece that is there behind a gap ends the one that fills it.
        let next = self.known.as_ref().and_then(|known| known.pieces.range(sent + 1..).next()).map_or(u64::MAX, |(from, _)| *from);
        let bytes = self.send_piece(&file, sent, until.min(sent + LARGEST).min(next), bucket).await?;
        self.waiting = self.waiting.saturating_sub(bytes);
        self.since = None;
        Ok(Step::Sent(bytes))
    }

    /// The length of the channel file, if it is sealed.
    fn sealed(&self, file: &File) -> Result<Option<u64>, DepotError> {
        if !self.has_seal() {
            return Ok(None);
        }
        let bytes = file.metadata().map_err(DepotError::file(&self.dir))?.len();
        match self.told() {
            Some(told) if told != bytes => {
                Err(DepotError::Local(self.dir.clone(), format!("its channel file has {bytes} bytes and was sealed with {told}")))
            }
            _ => Ok(Some(bytes)),
        }
    }

    fn has_seal(&self) -> bool {
        self.dir.join("seal.json").exists()
    }

    /// The length of the channel file, as it was sealed.
    fn told(&self) -> Option<u64> {
        Recording::open(&self.dir).ok()?.seal()?.channels.first().map(|channel| channel.bytes)
    }

    /// Its channel file is not here: it is in the store, and only that was not written here; or there never was one, as after a
    /// crash at the very beginning, and then the seal is all that accounts for the session.
    async fn without_channel(&mut self, bucket: &Bucket, desk: &dyn Desk) -> Result<Step, DepotError> {
        if !self.has_seal() || Self::is_stored(&self.dir) || !desk.may_close(self.id()?).await? {
            return Ok(Step::Rests);
        }
        let told = self.told().unwrap_or(0);
        let sent = self.ask(bucket, told).await?;
        if sent < told {
            return Err(self.odd(&format!("its channel file is gone, and the object store has {sent} of its {told} bytes")));
        }
        self.send_rest(bucket).await?;
        if told == 0 {
            self.tell(0, Sha256::digest([]).into(), desk).await?;
        }
        self.mark()?;
        Ok(Step::Stored)
    }

    fn id(&self) -> Result<model::SessionId, DepotError> {
        self.session.as_str().parse().map_err(|_| self.odd("its name is no session's"))
    }

    /// How far the pieces in the store go.
    async fn ask(&mut self, bucket: &Bucket, until: u64) -> Result<u64, DepotError> {
        if let Some(known) = &self.known {
            return Ok(known.sent());
        }
        let objects = bucket.list(&self.name).await?;
        let files = objects.iter().filter_map(|object| object.name.strip_prefix(&self.name)?.strip_prefix('/'));
        let small = files.filter(|file| !is_channel(file)).map(str::to_owned).collect();
        let known = Known { small, pieces: names::pieces(names::CHANNEL, &self.name, &objects) };
        if known.sent() > until {
            return Err(DepotError::Conflict(self.object(names::CHANNEL)));
        }
        Ok(self.known.insert(known).sent())
    }

    /// Sends whole files that are there and not yet in the store.
    async fn send_small(&mut self, bucket: &Bucket, files: &[&str]) -> Result<(), DepotError> {
        for file in files {
            if self.known.as_ref().is_some_and(|known| known.small.contains(*file)) {
                continue;
            }
            let path = self.dir.join(file);
            if !path.exists() {
                continue;
            }
            bucket.put(&self.object(file), read_small(&path)?).await?;
            if let Some(known) = &mut self.known {
                known.small.insert((*file).to_owned());
            }
        }
        Ok(())
    }

    /// Sends bytes that are final, and on disk: after a power cut the store must not know more than we do.
    async fn send_piece(&mut self, file: &File, from: u64, to: u64, bucket: &Bucket) -> Result<u64, DepotError> {
        let failed = |error| DepotError::file(&self.dir)(error);
        file.sync_data().map_err(failed)?;
        let mut bytes = vec![0; usize::try_from(to - from).unwrap_or(0)];
        file.read_exact_at(&mut bytes, from).map_err(failed)?;
        let bytes = Bytes::from(bytes);
        let name = self.object(&names::piece(names::CHANNEL, from));
        let sent = match bucket.put(&name, bytes.clone()).await {
            Ok(()) => bytes.len() as u64,
            // An earlier try that was thought lost may have made it, and with another length.
            Err(DepotError::Conflict(_)) => self.made_before(&name, &bytes, bucket).await?,
            Err(error) => return Err(error),
        };
        if let Some(known) = &mut self.known {
            known.pieces.insert(from, sent);
        }
        Ok(sent)
    }

    async fn made_before(&self, name: &str, bytes: &Bytes, bucket: &Bucket) -> Result<u64, DepotError> {
        let conflict = || DepotError::Conflict(name.to_owned());
        let there = bucket.get(name, bytes.len() as u64).await.map_err(|error| match error {
            DepotError::Differs(_) => conflict(),
            other => other,
        })?;
        let there = there.filter(|there| !there.is_empty() && bytes.starts_with(there)).ok_or_else(conflict)?;
        Ok(there.len() as u64)
    }

    /// All bytes are there: compares them with ours, puts the seal, and lets the channel file here go.
    async fn close(&mut self, file: &File, bytes: u64, bucket: &Bucket, desk: &dyn Desk) -> Result<Step, DepotError> {
        if !desk.may_close(self.id()?).await? {
            return Ok(Step::Rests);
        }
        let sha256 = self.compare_pieces(file, bytes, bucket).await?;
        self.send_rest(bucket).await?;
        self.tell(bytes, sha256, desk).await?;
        self.mark()?;
        let path = self.dir.join(names::CHANNEL);
        fs::remove_file(&path).map_err(DepotError::file(&path))?;
        Ok(Step::Stored)
    }

    /// Sends all that is small, the seal last: where that is, all is.
    async fn send_rest(&mut self, bucket: &Bucket) -> Result<(), DepotError> {
        let others = self.others()?;
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        self.send_small(bucket, &others).await?;
        for other in &others {
            self.compare_small(other, bucket).await?;
        }
        let held = self.dir.join(names::HELD);
        if held.exists() {
            bucket.replace(&self.object(names::HELD), read_small(&held)?).await?;
        }
        self.send_small(bucket, &["seal.json"]).await?;
        self.compare_small("seal.json", bucket).await
    }

    async fn tell(&self, bytes: u64, sha256: [u8; 32], desk: &dyn Desk) -> Result<(), DepotError> {
        let objects = self.known.as_ref().map_or(0, |known| known.pieces.len() + known.small.len()) as u64;
        desk.stored(self.id()?, StoredFacts { bytes, objects, sha256: hex::encode(sha256), place: self.name.clone() }).await
    }

    /// Says here where it is.
    fn mark(&self) -> Result<(), DepotError> {
        let (path, part) = (self.dir.join(names::STORED), self.dir.join(format!("{}.part", names::STORED)));
        let text = format!("{{\"place\":\"{}\"}}\n", self.name);
        fs::write(&part, text).and_then(|()| fs::rename(&part, &path)).map_err(DepotError::file(&path))
    }

    fn odd(&self, why: &str) -> DepotError {
        DepotError::Local(self.dir.clone(), why.to_owned())
    }

    /// Every file of the recording but channel and seal.
    fn others(&self) -> Result<Vec<String>, DepotError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(DepotError::file(&self.dir))? {
            let entry = entry.map_err(DepotError::file(&self.dir))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let plain = entry.file_type().is_ok_and(|kind| kind.is_file());
            if plain
                && !["seal.json", names::STORED, names::HELD].contains(&name.as_str())
                && !name.ends_with(".part")
                && !is_channel(&name)
            {
                found.push(name);
            }
        }
        found.sort();
        Ok(found)
    }

    async fn compare_small(&mut self, file: &str, bucket: &Bucket) -> Result<(), DepotError> {
        let name = self.object(file);
        let there = bucket.get(&name, SMALL).await?;
        if there.as_ref() == Some(&read_small(&self.dir.join(file))?) {
            return Ok(());
        }
        self.forget();
        // One that is not there was taken away; the next round sends it again.
        Err(if there.is_some() { DepotError::Conflict(name) } else { DepotError::Differs(name) })
    }

    /// Reads every piece back. The SHA-256 of the whole, which is that of our file.
    async fn compare_pieces(&mut self, file: &File, bytes: u64, bucket: &Bucket) -> Result<[u8; 32], DepotError> {
        let pieces = self.known.as_ref().map(|known| names::unbroken(&known.pieces).0).unwrap_or_default();
        let ends = pieces.iter().skip(1).copied().chain([bytes]);
        let mut whole = Sha256::new();
        for (from, to) in pieces.iter().copied().zip(ends) {
            let name = self.object(&names::piece(names::CHANNEL, from));
            let here = digest(file, from, to, &mut whole).map_err(DepotError::file(&self.dir))?;
            let there = bucket.digest(&name).await;
            if !matches!(&there, Ok(found) if *found == (to - from, here)) {
                self.forget();
                return Err(there.err().unwrap_or(DepotError::Differs(name)));
            }
        }
        Ok(whole.finalize().into())
    }
}

fn read_small(path: &Path) -> Result<Bytes, DepotError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SMALL + 1).read_to_end(&mut bytes));
    read.map_err(DepotError::file(path))?;
    if bytes.len() as u64 > SMALL {
        return Err(DepotError::Local(path.to_owned(), format!("it is longer than {} MiB", SMALL >> 20)));
    }
    Ok(Bytes::from(bytes))
}

/// SHA-256 of a part of `file`; `whole` takes it in too.
fn digest(file: &File, from: u64, to: u64, whole: &mut Sha256) -> std::io::Result<[u8; 32]> {
    let (mut hash, mut at, mut block) = (Sha256::new(), from, vec![0; BLOCK]);
    while at < to {
        let room = usize::try_from(to - at).unwrap_or(BLOCK).min(BLOCK);
        let part = block.get_mut(..room).unwrap_or_default();
        file.read_exact_at(part, at)?;
        hash.update(&*part);
        whole.update(&*part);
        at += part.len() as u64;
    }
    Ok(hash.finalize().into())
}
