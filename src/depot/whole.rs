//! One recording wherever its files lie: here, in the object store, or both. Holds it, releases it and removes it there and here.
//! Whether that may be, and that it is written down before, is the caller's. For commands and threads that may wait.

use std::path::{Path, PathBuf};

use bartizan_recorder::{Hold, Recording, SessionId};

use super::carrier::Carrier;
use super::{DepotError, Library, Stored};

/// A recording and its places.
#[derive(Debug)]
pub struct Whole {
    root: PathBuf,
    /// Its folder here, if anything of it is here.
    dir: Option<PathBuf>,
    /// What the store has of it.
    stored: Option<Stored>,
    recording: Recording,
}

impl Whole {
    /// The recording that has the folder `dir` below `root`, and what `library` has of it.
    ///
    /// # Errors
    /// [`DepotError::Store`]; [`DepotError::Local`] where its head cannot be read.
    pub fn here(root: &Path, dir: &Path, library: Option<&Library>) -> Result<Self, DepotError> {
        let place = dir.strip_prefix(root).ok().and_then(Path::to_str);
        let stored = match (library, place) {
            (Some(library), Some(place)) => library.at(place)?,
            _ => None,
        };
        let recording = Recording::open(dir).map_err(|error| DepotError::Local(dir.to_owned(), error.to_string()))?;
        Ok(Self { root: root.to_owned(), dir: Some(dir.to_owned()), stored, recording })
    }

    /// A recording that only the store has, as it was read there.
    #[must_use]
    pub fn away(root: &Path, stored: Stored, recording: Recording) -> Self {
        Self { root: root.to_owned(), dir: None, stored: Some(stored), recording }
    }

    /// The recording of `session`, wherever it is.
    ///
    /// # Errors
    /// What the system or the store says.
    pub fn find(root: &Path, library: Option<&Library>, session: &SessionId) -> Result<Option<Self>, DepotError> {
        if let Some(dir) = bartizan_recorder::find(root, session).map_err(DepotError::file(root))? {
            return Self::here(root, &dir, library).map(Some);
        }
        let Some(library) = library else { return Ok(None) };
        let Some(stored) = library.find(session)? else { return Ok(None) };
        let recording = stored.recording()?;
        Ok(Some(Self::away(root, stored, recording)))
    }

    /// Its head and its seal.
    #[must_use]
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Whether it is held, here or there, and why.
    ///
    /// # Errors
    /// What the system or the store says: then nobody knows, and it must stay.
    pub fn held(&self) -> Result<Option<Hold>, DepotError> {
        if let Some(dir) = &self.dir
            && let Some(hold) = bartizan_recorder::held(dir).map_err(DepotError::file(dir))?
        {
            return Ok(Some(hold));
        }
        self.stored.as_ref().map_or(Ok(None), Stored::held)
    }

    /// Holds it, in all its places; a second hold takes the first one's place.
    ///
    /// # Errors
    /// What the system or the store says of the place where it could not be held.
    pub fn hold(&self, hold: &Hold) -> Result<(), DepotError> {
        if let Some(dir) = &self.dir {
            bartizan_recorder::hold(dir, hold).map_err(DepotError::file(dir))?;
        }
        self.stored.as_ref().map_or(Ok(()), |stored| stored.hold(hold))
    }

    /// Lets it go, in all its places.
    ///
    /// # Errors
    /// What the system or the store says of the place where it is held still.
    pub fn release(&self) -> Result<(), DepotError> {
        if let Some(stored) = &self.stored {
            stored.release()?;
        }
        let Some(dir) = &self.dir else { return Ok(()) };
        bartizan_recorder::release(dir).map(drop).map_err(DepotError::file(dir))
    }

    /// Why it cannot be removed now, in a sentence: it is held, lives, or is on its way to the store.
    ///
    /// # Errors
    /// As of [`Whole::held`].
    pub fn stays(&self, has_store: bool) -> Result<Option<String>, DepotError> {
        let session = &self.recording.head().session;
        if let Some(hold) = self.held()? {
            let release = format!("`bartizan recordings release {session}` lets it go");
            return Ok(Some(format!("recording {session} is held by {}: {}; {release}", hold.by, hold.reason)));
        }
        if self.recording.seal().is_none() {
            return Ok(Some(format!("recording {session} has not ended; `bartizan sessions end {session}` ends it")));
        }
        let on_its_way = has_store && self.dir.as_ref().is_some_and(|dir| !Carrier::is_stored(dir));
        Ok(on_its_way.then(|| format!("recording {session} is on its way to the object store; ask again when it is there")))
    }

    /// Removes it from the store, and then from here. What was interrupted can be done again: what tells whose it is goes last.
    ///
    /// # Errors
    /// What the store or the system says of the first thing that stays.
    pub fn remove(&self) -> Result<(), DepotError> {
        if let Some(stored) = &self.stored {
            stored.remove()?;
        }
        let Some(dir) = &self.dir else { return Ok(()) };
        bartizan_recorder::remove(&self.root, dir, &self.recording.head().session).map_err(DepotError::file(dir))
    }
}
