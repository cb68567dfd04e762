//! An index over recordings for searching their text: SQLite with trigrams, so that any part of a word is found. It is
//! derived: it can be thrown away and made anew. It holds what was recorded in the clear, so an encrypted recording is
//! indexed only where it was unlocked, on the auditor's machine.
//!
//! Any number of processes may use one index at once: readers never wait, writers wait for each other.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::head::SessionId;
use crate::list::{Filter, changed, directories};
use crate::recording::{OpenError, Recording};
use crate::text::{TextKind, TextLimits, TextRow, text_rows};

mod query;

pub use query::{Hit, Query};

/// Raised with every change of the tables or of what is put into them.
const VERSION: i64 = 1;
/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(10);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS recordings (
        id INTEGER PRIMARY KEY, session TEXT NOT NULL UNIQUE, principal TEXT NOT NULL, target TEXT NOT NULL, login TEXT,
        kind TEXT NOT NULL, started_us INTEGER NOT NULL, state BLOB NOT NULL, cut INTEGER NOT NULL);
    CREATE INDEX IF NOT EXISTS recordings_started ON recordings (started_us);
    CREATE TABLE IF NOT EXISTS rows (
        id INTEGER PRIMARY KEY, recording INTEGER NOT NULL, at_us INTEGER NOT NULL, offset INTEGER NOT NULL,
        kind INTEGER NOT NULL, verdict TEXT);
    CREATE INDEX IF NOT EXISTS rows_recording ON rows (recording);
    CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(text, tokenize = 'trigram');
";

/// Why the index could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Fewer than three characters.
    #[error("what is searched for must have at least three characters")]
    TooShort,
    /// The recording is encrypted and was not unlocked.
    #[error("the recording is encrypted: it is indexed where an auditor unlocked it")]
    Locked,
    /// The recording cannot be read.
    #[error(transparent)]
    Recording(#[from] OpenError),
    /// Another version of this program made the index: see [`SearchIndex::renew`].
    #[error("the index is of another version and must be made anew")]
    Version,
    /// The directory cannot be read.
    #[error("the recordings cannot be listed: {0}")]
    Io(#[from] io::Error),
    /// The index cannot be read or written.
    #[error("the search index cannot be used: {0}")]
    Index(#[from] rusqlite::Error),
}

impl SearchError {
    /// True where the index itself is at fault, and [`SearchIndex::renew`] mends it.
    #[must_use]
    pub fn is_spoilt(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, Unknown};
        match self {
            Self::Version => true,
            // "Unknown" is SQLITE_ERROR: a table is missing or not as it was made here.
            Self::Index(error) => matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase | Unknown)),
            _ => false,
        }
    }
}

/// What became of a recording that was to be indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is indexed.
    Whole,
    /// It is indexed as far as [`TextLimits`] allow.
    Cut,
    /// It was indexed already, as it is.
    Unchanged,
}

/// What [`SearchIndex::refresh`] did.
#[derive(Debug, Default)]
pub struct Refreshed {
    /// Recordings indexed or indexed anew.
    pub added: u64,
    /// Recordings taken out, as they are no longer there.
    pub removed: u64,
    /// Encrypted recordings that were not unlocked.
    pub locked: u64,
    /// Recordings that could not be indexed, and why.
    pub failed: Vec<(PathBuf, SearchError)>,
}

/// The index. One connection; open it again for another thread.
#[derive(Debug)]
pub struct SearchIndex {
    connection: Connection,
    limits: TextLimits,
}

impl SearchIndex {
    /// Opens the index at `path`, which is made, `0600`, if it is missing.
    ///
    /// # Errors
    /// [`SearchError::Version`], [`SearchError::Io`], [`SearchError::Index`].
    pub fn open(path: &Path) -> Result<Self, SearchError> {
        // What SQLite puts beside it takes its mode from it.
        OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // A power cut may lose what was indexed last, which `refresh` finds again.
        connection.pragma_update(None, "synchronous", "normal")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match transaction.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? {
            0 => {
                transaction.execute_batch(TABLES)?;
                transaction.pragma_update(None, "user_version", VERSION)?;
            }
            VERSION => {}
            _ => return Err(SearchError::Version),
        }
        transaction.commit()?;
        Ok(Self { connection, limits: TextLimits::default() })
    }

    /// Throws away what is at `path`, of whatever version or state, and opens an empty index. No other process may be using
    /// it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn renew(path: &Path) -> Result<Self, SearchError> {
        for end in ["", "-wal", "-shm", "-journal"] {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            match std::fs::remove_file(&name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Self::open(path)
    }

    /// Reads no more than `limits` of each recording.
    #[must_use]
    pub fn with_limits(self, limits: TextLimits) -> Self {
        Self { limits, ..self }
    }

    /// Indexes `recording`, anew if it has changed since. All of it appears at once. Memory is bounded by the limits.
    ///
    /// # Errors
    /// [`SearchError::Locked`], [`SearchError::Recording`], [`SearchError::Index`]; then nothing has changed.
    pub fn add(&mut self, recording: &Recording) -> Result<Added, SearchError> {
        if recording.is_locked() {
            return Err(SearchError::Locked);
        }
        let state = state_of(recording);
        if self.state(&recording.head().session)?.as_ref() == Some(&state) {
            return Ok(Added::Unchanged);
        }
        // Read first: other writers need not wait for that.
        let mut rows = Vec::new();
        let cut = text_rows(recording, self.limits, &mut |row| rows.push(row), &mut |_| ())?;
        if let Some(command) = &recording.head().command
            && !rows.iter().any(|row| row.kind == TextKind::Command && row.text == *command)
        {
            rows.push(TextRow { at_us: 0, offset: 0, kind: TextKind::Command, verdict: None, text: command.clone() });
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        remove(&transaction, recording.head().session.as_str())?;
        insert(&transaction, recording, &state, cut, &rows)?;
        transaction.commit()?;
        Ok(if cut { Added::Cut } else { Added::Whole })
    }

    /// Takes a recording out. True if it was in.
    ///
    /// # Errors
    /// [`SearchError::Index`].
    pub fn remove(&mut self, session: &SessionId) -> Result<bool, SearchError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let was = remove(&transaction, session.as_str())?;
        transaction.commit()?;
        Ok(was)
    }

    /// Brings the index up to what lies below `root`: indexes what is sealed and new or changed, takes out what is gone. With `since`, it
    /// looks only at recordings in whose directories something happened then or later, and takes nothing out.
    /// `ready` is given each recording that is encrypted or whose channel file is not in its directory, and gives it back
    /// readable where it can. `progress` is told how many
    /// recordings are behind and how many there are.
    ///
    /// # Errors
    /// [`SearchError::Io`], [`SearchError::Index`]. A recording that cannot be indexed stops nothing.
    pub fn refresh(
        &mut self,
        root: &Path,
        since: Option<SystemTime>,
        ready: &mut dyn FnMut(Recording) -> Option<Recording>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Refreshed, SearchError> {
        let mut found = match since {
            Some(since) => changed(root, since)?,
            None => directories(root, &Filter::default())?,
        };
        // Older ones first: so a refresh that is broken off goes on where it was.
        found.sort_by(|one, other| one.1.cmp(&other.1));
        let mut done = Refreshed::default();
        for (number, (dir, _)) in found.iter().enumerate() {
            progress(number as u64, found.len() as u64);
            match self.refresh_one(dir, ready) {
                Ok(Some(Added::Whole | Added::Cut)) => done.added += 1,
                Ok(_) => {}
                Err(SearchError::Locked) => done.locked += 1,
                Err(SearchError::Index(error)) => return Err(error.into()),
                Err(error) => done.failed.push((dir.clone(), error)),
            }
        }
        if since.is_none() {
            let there: std::collections::HashSet<&str> = found.iter().map(|(_, session)| session.as_str()).collect();
            for session in self.sessions()? {
                if !there.contains(session.as_str()) {
                    done.removed += u64::from(self.remove(&session)?);
                }
            }
        }
        progress(found.len() as u64, found.len() as u64);
        Ok(done)
    }

    fn refresh_one(&mut self, dir: &Path, ready: &mut dyn FnMut(Recording) -> Option<Recording>) -> Result<Option<Added>, SearchError> {
        let recording = Recording::open(dir)?;
        if recording.seal().is_none() {
            return Ok(None);
        }
        if self.state(&recording.head().session)? == Some(state_of(&recording)) {
            return Ok(Some(Added::Unchanged));
        }
        let recording = match recording.is_locked() || !recording.has_channel() {
            true => ready(recording).ok_or(SearchError::Locked)?,
            false => recording,
        };
        let recording = recording.with_input()?;
        self.add(&recording).map(Some)
    }

    /// The sessions in the index.
    ///
    /// # Errors
    /// [`SearchError::Index`].
    pub fn sessions(&self) -> Result<Vec<SessionId>, SearchError> {
        let mut statement = self.connection.prepare_cached("SELECT session FROM recordings")?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?;
        let mut all = Vec::new();
        for name in names {
            all.extend(name?.parse::<SessionId>().ok());
        }
        Ok(all)
    }

    fn state(&self, session: &SessionId) -> Result<Option<Vec<u8>>, SearchError> {
        let mut statement = self.connection.prepare_cached("SELECT state FROM recordings WHERE session = ?1")?;
        Ok(statement.query_row([session.as_str()], |row| row.get(0)).optional()?)
    }
}

/// What changes when a recording does: its seal, or how long it is while it has none.
fn state_of(recording: &Recording) -> Vec<u8> {
    match recording.seal_hash() {
        Some(hash) => hash.to_vec(),
        None => recording.bytes().unwrap_or(0).to_le_bytes().to_vec(),
    }
}

fn insert(transaction: &Transaction<'_>, recording: &Recording, state: &[u8], cut: bool, rows: &[TextRow]) -> rusqlite::Result<()> {
    let head = recording.head();
    transaction
        .prepare_cached(
            "INSERT INTO recordings (session, principal, target, login, kind, started_us, state, cut) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![head.session.as_str(), head.principal, head.target, head.login, head.kind, head.started_us, state, cut])?;
    let recording = transaction.last_insert_rowid();
    let mut place = transaction.prepare_cached("INSERT INTO rows (recording, at_us, offset, kind, verdict) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let mut text = transaction.prepare_cached("INSERT INTO words (rowid, text) VALUES (?1, ?2)")?;
    for row in rows {
        let (at_us, offset) = (i64::try_from(row.at_us).unwrap_or(i64::MAX), i64::try_from(row.offset).unwrap_or(i64::MAX));
        place.execute(params![recording, at_us, offset, query::number_of(row.kind), row.verdict])?;
        text.execute(params![transaction.last_insert_rowid(), row.text])?;
    }
    Ok(())
}

fn remove(transaction: &Transaction<'_>, session: &str) -> rusqlite::Result<bool> {
    let id: Option<i64> = transaction.query_row("SELECT id FROM recordings WHERE session = ?1", [session], |row| row.get(0)).optional()?;
    let Some(id) = id else { return Ok(false) };
    transaction.execute("DELETE FROM words WHERE rowid IN (SELECT id FROM rows WHERE recording = ?1)", [id])?;
    transaction.execute("DELETE FROM rows WHERE recording = ?1", [id])?;
    transaction.execute("DELETE FROM recordings WHERE id = ?1", [id])?;
    Ok(true)
}

#[cfg(test)]
mod tests;
