//! Recordings that lie in the object store, wholly or but for their head and seal: found there, and of the channel file only the
//! ranges are fetched that are read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bartizan_recorder::{Filter, Found, Identities, Recording, Report, SessionId, VerifyingKey};
use jiff::{SignedDuration, Timestamp};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::cli::local::secrets;
use crate::cli::{Exit, checks};
use crate::config::Config;
use crate::depot::{Bucket, DepotError, Library, Stored};
use crate::ledger::Examined;
use crate::model::Printable;

use super::unlock::open_with;

/// What waits for the store, as long as the command runs.
static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// The object store as a place to read from.
pub(super) struct Shelf {
    library: Library,
    root: PathBuf,
}

fn failed(error: DepotError) -> Exit {
    Exit::incomplete(Printable(&error.to_string()).to_string())
}

fn runtime() -> Result<Handle, Exit> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle().clone());
    }
    let made = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let made = made.map_err(|error| Exit::incomplete(error.to_string()))?;
    Ok(RUNTIME.get_or_init(|| made).handle().clone())
}

impl Shelf {
    /// The store that the configuration names; none where recordings are in a folder.
    pub(super) fn open(config: &Config) -> Result<Option<Self>, Exit> {
        let Some(settings) = &config.recordings.bucket else { return Ok(None) };
        let bucket = Bucket::open(settings, &secrets(config)).map_err(failed)?;
        Ok(Some(Self { library: Library::new(bucket, runtime()?), root: config.recordings.dir.clone() }))
    }

    /// Recordings of which nothing lies here and that pass `filter`, newest first.
    pub(super) fn others(&self, filter: &Filter, here: &HashSet<SessionId>) -> Result<Vec<Found>, Exit> {
        let mut all = Vec::new();
        for day in days(filter)? {
            all.extend(self.library.recordings(day.as_deref()).map_err(failed)?);
        }
        all.retain(|stored| !here.contains(stored.session()));
        all.sort_by(|one, other| other.session().cmp(one.session()));
        let opened = self.library.open_all(&all);
        let passes = |recording: &Recording| filter.passes(recording);
        let found = all.iter().zip(opened).filter_map(|(stored, opened)| {
            let recording = opened.ok()?;
            passes(&recording).then(|| Found {
                dir: self.root.join(stored.place()),
                session: stored.session().clone(),
                recording: Ok(recording),
            })
        });
        Ok(found.collect())
    }

    /// What reads from it.
    pub(super) fn library(&self) -> &Library {
        &self.library
    }

    /// The recording whose id begins with `id`, if exactly one does.
    pub(super) fn find(&self, id: &str) -> Result<Option<Stored>, Exit> {
        let wanted = id.to_uppercase();
        let mut fitting = self.library.recordings(None).map_err(failed)?.into_iter();
        let mut fitting = fitting.by_ref().filter(|stored| !wanted.is_empty() && stored.session().as_str().starts_with(&wanted));
        match (fitting.next(), fitting.next()) {
            (Some(_), Some(_)) => Err(Exit::usage(format!("several recordings begin with {}; write more of the id", Printable(id)))),
            (found, _) => Ok(found),
        }
    }

    /// The recording at `dir` as the store has it, if that lies below the root of recordings and the channel file is not here.
    pub(super) fn at(&self, dir: &Path) -> Result<Option<Stored>, Exit> {
        if dir.join("c0.brec").exists() {
            return Ok(None);
        }
        let Some(place) = dir.strip_prefix(&self.root).ok().and_then(Path::to_str) else { return Ok(None) };
        self.library.at(place).map_err(failed)
    }

    /// The same recording with its channel file read from the store, if it is not here.
    pub(super) fn ready(&self, recording: Recording) -> Result<Recording, Exit> {
        self.library.ready(&self.root, recording).map_err(failed)
    }
}

/// The same recording, readable: its channel file fetched as it is read, and decrypted with one of `identities`; none where that
/// cannot be.
pub(super) fn ready(recording: Recording, shelf: Option<&Shelf>, identities: &[Identities]) -> Option<Recording> {
    let recording = match shelf {
        Some(shelf) => shelf.ready(recording).ok()?,
        None => recording,
    };
    if recording.is_locked() { open_with(recording, identities) } else { Some(recording) }
}

/// Where a recording lies.
pub(super) enum Place {
    Here(PathBuf),
    There(Box<Stored>),
}

impl Place {
    /// The recording of one session; `id` may be shortened. The store is asked only for what is not here.
    pub(super) fn find(config: &Config, id: &str) -> Result<Self, Exit> {
        let found = super::find(config, id);
        if found.as_ref().is_ok_and(|dir| dir.join("c0.brec").exists()) {
            return found.map(Self::Here);
        }
        let Some(shelf) = Shelf::open(config)? else { return found.map(Self::Here) };
        let there = match &found {
            Ok(dir) => shelf.at(dir)?,
            Err(_) => shelf.find(id)?,
        };
        there.map_or_else(|| found.map(Self::Here), |stored| Ok(Self::There(Box::new(stored))))
    }

    /// All recordings, wherever they lie, newest first.
    pub(super) fn all(config: &Config) -> Result<Vec<Self>, Exit> {
        let root = &config.recordings.dir;
        let here = bartizan_recorder::list(root, &Filter::default());
        let here = here.map_err(|error| Exit::incomplete(format!("{}: {error}", root.display())))?;
        let Some(shelf) = Shelf::open(config)? else {
            return Ok(here.into_iter().map(|found| Self::Here(found.dir)).collect());
        };
        let mut there = shelf.library.recordings(None).map_err(failed)?;
        let stored: HashSet<SessionId> = there.iter().map(|stored| stored.session().clone()).collect();
        // What went to the store is read there; what did not get there, whatever of it is left, is read here.
        let read_here = |found: &Found| found.dir.join("c0.brec").exists() || !stored.contains(&found.session);
        let (here, _): (Vec<Found>, Vec<Found>) = here.into_iter().partition(read_here);
        let at_hand: HashSet<SessionId> = here.iter().map(|found| found.session.clone()).collect();
        there.retain(|stored| !at_hand.contains(stored.session()));
        let mut all: Vec<Self> = here.into_iter().map(|found| Self::Here(found.dir)).collect();
        there.sort_by(|one, other| other.session().cmp(one.session()));
        all.extend(there.into_iter().map(|stored| Self::There(Box::new(stored))));
        Ok(all)
    }

    /// Opens it.
    pub(super) fn open(&self) -> Result<Recording, Exit> {
        match self {
            Self::Here(dir) => Recording::open(dir).map_err(|error| Exit::incomplete(Printable(&error.to_string()).to_string())),
            Self::There(stored) => stored.recording().map_err(failed),
        }
    }

    /// Its session, as its place is named.
    pub(super) fn session(&self) -> String {
        match self {
            Self::Here(dir) => dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            Self::There(stored) => stored.session().as_str().to_owned(),
        }
    }

    /// Whether it is as it was written; a copy from far away is without what was typed where one may not see that.
    pub(super) fn verify(&self, keys: &[VerifyingKey], log: Option<&Examined>, is_copy: bool) -> Report {
        match self {
            Self::Here(dir) => checks::recording(dir, keys, log, is_copy && !dir.join("c1.brec").exists()),
            Self::There(stored) => checks::files(&**stored, stored.bytes(), keys, log),
        }
    }

    /// A folder with all its files; one that was fetched goes with what is given back.
    pub(super) fn folder(self) -> Result<(PathBuf, Option<tempfile::TempDir>), Exit> {
        let stored = match self {
            Self::Here(dir) => return Ok((dir, None)),
            Self::There(stored) => stored,
        };
        let unmade = |error: std::io::Error| Exit::incomplete(format!("a copy cannot be made: {error}"));
        let folder = tempfile::Builder::new().prefix("bartizan-copy-").tempdir().map_err(unmade)?;
        let dir = folder.path().join(stored.session().as_str());
        std::fs::create_dir(&dir).map_err(unmade)?;
        stored.copy(&dir).map_err(failed)?;
        Ok((dir, Some(folder)))
    }
}

/// The days that a filter lets through, as folders; without a beginning, all.
fn days(filter: &Filter) -> Result<Vec<Option<String>>, Exit> {
    let Some(since) = filter.since_us else { return Ok(vec![None]) };
    let bad = |error: jiff::Error| Exit::usage(error.to_string());
    let until = match filter.until_us {
        Some(until) => Timestamp::from_microsecond(until).map_err(bad)?,
        None => Timestamp::now(),
    };
    let (mut day, mut days) = (Timestamp::from_microsecond(since).map_err(bad)?, Vec::new());
    // Of a long time one listing of everything is cheaper.
    while days.len() < 60 {
        days.push(Some(day.strftime("%Y/%m/%d").to_string()));
        if day.strftime("%Y/%m/%d").to_string() >= until.strftime("%Y/%m/%d").to_string() {
            return Ok(days);
        }
        day = day.checked_add(SignedDuration::from_hours(24)).map_err(bad)?;
    }
    Ok(vec![None])
}
