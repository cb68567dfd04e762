//! Reads recordings that lie in the object store: lists them, and fetches of a channel file only the ranges that are asked for.
//! For commands, which may wait: never to be called from a task of the runtime it is given.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bartizan_recorder::{BadHead, Channel, Files, Hold, ReadAt, Recording, SessionId};
use bytes::Bytes;
use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::runtime::Handle;

use super::{Bucket, DepotError, Object, names};

/// The longest head, seal or wrapped key.
const SMALL: u64 = 1 << 20;
/// Heads that are fetched at once for a list.
const AT_ONCE: usize = 16;
/// What is fetched at once of a channel file, at least where there is so much: reading goes forward mostly.
const AHEAD: u64 = 1 << 20;

/// The recordings in a bucket.
#[derive(Debug, Clone)]
pub struct Library {
    bucket: Bucket,
    runtime: Handle,
}

/// One recording in the store.
#[derive(Debug, Clone)]
pub struct Stored {
    library: Library,
    session: SessionId,
    /// Its place behind the prefix.
    place: String,
    small: Vec<String>,
    pieces: BTreeMap<u64, u64>,
}

impl Library {
    /// Reads from `bucket`, waiting on `runtime`.
    #[must_use]
    pub fn new(bucket: Bucket, runtime: Handle) -> Self {
        Self { bucket, runtime }
    }

    /// All recordings in the store that were begun on `days` (`2026/11/22`) or, without, on any; by day and id.
    ///
    /// # Errors
    /// [`DepotError::Store`].
    pub fn recordings(&self, day: Option<&str>) -> Result<Vec<Stored>, DepotError> {
        let under = day.map_or_else(|| "recordings".to_owned(), |day| format!("recordings/{day}"));
        self.under(&under)
    }

    /// The recording at `place`, as it lies below its root (`2026/11/22/SESSION`), if it is in the store.
    ///
    /// # Errors
    /// [`DepotError::Store`].
    pub fn at(&self, place: &str) -> Result<Option<Stored>, DepotError> {
        Ok(self.under(&format!("recordings/{place}"))?.pop())
    }

    /// The recording of `session`, if it is in the store: on the days around the moment that its id was made at.
    ///
    /// # Errors
    /// [`DepotError::Store`].
    pub fn find(&self, session: &SessionId) -> Result<Option<Stored>, DepotError> {
        const DAY_US: i64 = 86_400_000_000;
        for off in [0, DAY_US, -DAY_US] {
            let moment = session.made_us().checked_add(off).and_then(|us| Timestamp::from_microsecond(us).ok());
            let Some(day) = moment.map(|moment| moment.strftime("%Y/%m/%d").to_string()) else { continue };
            if let Some(stored) = self.at(&format!("{day}/{session}"))? {
                return Ok(Some(stored));
            }
        }
        Ok(None)
    }

    /// The same recording, which lies below `root`, with its channel file read from the store if it is not here.
    ///
    /// # Errors
    /// [`DepotError::Store`].
    pub fn ready(&self, root: &Path, recording: Recording) -> Result<Recording, DepotError> {
        let place = recording.dir().strip_prefix(root).ok().and_then(Path::to_str);
        let Some(place) = place.filter(|_| !recording.has_channel()) else { return Ok(recording) };
        Ok(match self.at(place)? {
            Some(stored) => recording.reading(stored.pieces(), stored.bytes()),
            None => recording,
        })
    }

    /// Opens all of `stored`, several at once, in their order.
    #[must_use]
    pub fn open_all(&self, stored: &[Stored]) -> Vec<Result<Recording, DepotError>> {
        let opening = futures_util::stream::iter(stored).map(Stored::open).buffered(AT_ONCE);
        self.runtime.block_on(opening.collect())
    }

    fn under(&self, under: &str) -> Result<Vec<Stored>, DepotError> {
        let mut folders: BTreeMap<String, Vec<Object>> = BTreeMap::new();
        for object in self.runtime.block_on(self.bucket.list(under))? {
            if let Some((folder, _)) = object.name.rsplit_once('/') {
                folders.entry(folder.to_owned()).or_default().push(object);
            }
        }
        Ok(folders.into_iter().filter_map(|(place, objects)| self.stored(place, &objects)).collect())
    }

    /// What lies under other names than ours is not ours.
    fn stored(&self, place: String, objects: &[Object]) -> Option<Stored> {
        let session = place.rsplit('/').next()?.parse().ok()?;
        let day = place.strip_prefix("recordings/")?.rsplit_once('/')?.0;
        let dated = day.len() == 10 && day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'/');
        let files = objects.iter().filter_map(|object| object.name.rsplit('/').next());
        let small = files.filter(|file| names::offset(names::CHANNEL, file).is_none()).map(str::to_owned).collect();
        let pieces = names::pieces(names::CHANNEL, &place, objects);
        dated.then(|| Stored { library: self.clone(), session, place, small, pieces })
    }
}

impl Stored {
    /// Its session.
    #[must_use]
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// Its place below the root of recordings: `2026/11/22/SESSION`.
    #[must_use]
    pub fn place(&self) -> &str {
        self.place.strip_prefix("recordings/").unwrap_or(&self.place)
    }

    /// Bytes of its channel file that are there.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        names::unbroken(&self.pieces).1
    }

    /// The recording, read from the store.
    ///
    /// # Errors
    /// [`DepotError::Store`]; [`DepotError::Differs`] where it has no readable head.
    pub fn recording(&self) -> Result<Recording, DepotError> {
        self.library.runtime.block_on(self.open())
    }

    async fn open(&self) -> Result<Recording, DepotError> {
        let name = format!("{}/head.json", self.place);
        let head = self.fetch("head.json").await?.ok_or_else(|| DepotError::Differs(name.clone()))?;
        let seal = self.fetch("seal.json").await?;
        let opened = Recording::remote(&head, seal.as_deref(), self.pieces(), self.bytes());
        let opened = opened.map_err(|_: BadHead| DepotError::Differs(name))?;
        // Only where the head names it: most recordings have none.
        let input = if opened.records_input() { self.fetch(names::INPUT).await? } else { None };
        Ok(match input {
            Some(bytes) => opened.with_remote_input(Channel::new(bytes.to_vec())),
            None => opened,
        })
    }

    /// Its channel file, to be read by ranges.
    #[must_use]
    pub fn pieces(&self) -> Channel {
        let (offsets, end) = names::unbroken(&self.pieces);
        Channel::new(Pieces { library: self.library.clone(), place: self.place.clone(), offsets, end, ahead: Mutex::default() })
    }

    /// Copies all its files into the folder `dir`.
    ///
    /// # Errors
    /// [`DepotError::Store`], [`DepotError::Local`].
    pub fn copy(&self, dir: &Path) -> Result<(), DepotError> {
        let write = |name: &str, bytes: &[u8]| std::fs::write(dir.join(name), bytes).map_err(DepotError::file(&dir.join(name)));
        for name in &self.small {
            if let Some(bytes) = self.library.runtime.block_on(self.fetch(name))? {
                write(name, &bytes)?;
            }
        }
        let path = dir.join(names::CHANNEL);
        let mut out = File::create_new(&path).map_err(DepotError::file(&path))?;
        for (from, holds) in self.ranges() {
            let name = format!("{}/{}", self.place, names::piece(names::CHANNEL, from));
            let bytes = self.library.runtime.block_on(self.library.bucket.range(&name, 0..holds))?;
            out.write_all(&bytes).map_err(DepotError::file(&path))?;
        }
        Ok(())
    }

    /// Whether it is held in the store, and why. A hold that cannot be read holds all the same.
    ///
    /// # Errors
    /// [`DepotError::Store`].
    pub fn held(&self) -> Result<Option<Hold>, DepotError> {
        // Asked anew: it may have been held since this was listed.
        let found = self.library.runtime.block_on(self.library.bucket.get(&self.object(names::HELD), SMALL));
        Ok(found?.map(|bytes| Hold::read(&bytes)))
    }

    /// Holds it in the store.
    ///
    /// # Errors
    /// [`DepotError::Store`].
    pub fn hold(&self, hold: &Hold) -> Result<(), DepotError> {
        let text = serde_json::to_vec(hold).map_err(|error| DepotError::Settings(error.to_string()))?;
        self.library.runtime.block_on(self.library.bucket.replace(&self.object(names::HELD), text.into()))
    }

    /// Holds it in the store no longer.
    ///
    /// # Errors
    /// [`DepotError::Store`].
    pub fn release(&self) -> Result<(), DepotError> {
        self.library.runtime.block_on(self.library.bucket.delete(&self.object(names::HELD)))
    }

    /// Takes all its objects away, head and seal last: while they are there it can be told whose the rest is.
    ///
    /// # Errors
    /// [`DepotError::Store`] of the first object that stays.
    pub fn remove(&self) -> Result<(), DepotError> {
        let bucket = &self.library.bucket;
        self.library.runtime.block_on(async {
            let mut all = bucket.list(&self.place).await?;
            let last = |name: &str| ["seal.json", "head.json"].iter().position(|file| name.ends_with(file)).map_or(0, |at| at + 1);
            all.sort_by_key(|object| last(&object.name));
            for object in all {
                bucket.delete(&object.name).await?;
            }
            Ok(())
        })
    }

    fn object(&self, file: &str) -> String {
        format!("{}/{file}", self.place)
    }

    /// Its pieces, each with its length.
    fn ranges(&self) -> Vec<(u64, u64)> {
        names::unbroken(&self.pieces).0.into_iter().filter_map(|from| Some((from, *self.pieces.get(&from)?))).collect()
    }

    async fn fetch(&self, file: &str) -> Result<Option<Bytes>, DepotError> {
        if !self.small.iter().any(|name| name == file) {
            return Ok(None);
        }
        let most = if file == names::INPUT { names::INPUT_MAX } else { SMALL };
        self.library.bucket.get(&format!("{}/{file}", self.place), most).await
    }
}

impl Files for Stored {
    fn small(&self, name: &str) -> io::Result<Vec<u8>> {
        let found = self.library.runtime.block_on(self.fetch(name)).map_err(io::Error::other)?;
        found.map(|bytes| bytes.to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn channel(&self, number: u32) -> io::Result<Channel> {
        if number > 0 {
            let found = self.library.runtime.block_on(self.fetch(names::INPUT)).map_err(io::Error::other)?;
            return found.map(|bytes| Channel::new(bytes.to_vec())).ok_or_else(|| io::ErrorKind::NotFound.into());
        }
        if self.pieces.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(self.pieces()) }
    }

    fn names(&self) -> Vec<String> {
        let channel = (!self.pieces.is_empty()).then(|| names::CHANNEL.to_owned());
        self.small.iter().cloned().chain(channel).collect()
    }

    fn session(&self) -> Option<SessionId> {
        Some(self.session.clone())
    }
}

/// Where the last fetched bytes begin in the channel file, and they.
type Ahead = Mutex<Option<(u64, Bytes)>>;

/// A channel file in pieces.
struct Pieces {
    library: Library,
    place: String,
    offsets: Vec<u64>,
    end: u64,
    ahead: Ahead,
}

impl Pieces {
    /// The piece that holds byte `at`, and the bytes of the file that it holds.
    fn piece(&self, at: u64) -> Option<(u64, Range<u64>)> {
        let number = self.offsets.partition_point(|from| *from <= at).checked_sub(1)?;
        let from = *self.offsets.get(number)?;
        let end = self.offsets.get(number + 1).copied().unwrap_or(self.end);
        (at < end).then_some((from, from..end))
    }
}

impl ReadAt for Pieces {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let have = |(from, bytes): &(u64, Bytes)| offset >= *from && offset < from + bytes.len() as u64;
        if !ahead.as_ref().is_some_and(have) {
            let Some((from, holds)) = self.piece(offset) else { return Ok(0) };
            let wanted = holds.end.min(offset + AHEAD.max(buffer.len() as u64));
            let name = format!("{}/{}", self.place, names::piece(names::CHANNEL, from));
            let fetch = self.library.bucket.range(&name, offset - from..wanted - from);
            let bytes = self.library.runtime.block_on(fetch).map_err(io::Error::other)?;
            *ahead = Some((offset, bytes));
        }
        let Some((from, bytes)) = ahead.as_ref() else { return Ok(0) };
        let rest = usize::try_from(offset - from).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        if let (Some(to), Some(part)) = (buffer.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(part);
        }
        Ok(len)
    }
}
