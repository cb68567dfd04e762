//! A witness over other people's transparency logs (C2SP tlog-witness): cosigns a checkpoint only if it continues the last one
//! that it cosigned for that log. What it cosigned is on disk before the cosignature is given out, so that no crash makes it
//! forget. Knows only the logs whose keys it was given. No HTTP here: a body in, an answer out.
//!
//! `DIR/keys/witness` signs, `DIR/keys/witness.vkey` is its public half; `DIR/logs/ID` is the last checkpoint of each log, with
//! the cosignature. Never reads the clock.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bartizan_recorder::tlog::{
    Asking, BadNote, Checkpoint, NotCosigned, NoteKey, read_unverified, verify_cosignature, verify_note, witness,
};
use ed25519_dalek::SigningKey;

use crate::audit::{AuditError, signing_key};

/// Why there is no witness.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// Its own key.
    #[error(transparent)]
    Key(#[from] AuditError),
    /// A name that does not do, or another one than before.
    #[error("{0}")]
    Name(String),
    /// The folder.
    #[error("{}: {error}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// What it cosigned last cannot be read any more.
    #[error("{} is damaged: {why}. Without it this witness would cosign a log that was set back; put it back from a copy, or take its log's next word on trust by removing it", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// One log that is watched.
struct Watched {
    key: NoteKey,
    path: PathBuf,
    /// What was cosigned last. Held while a request is judged and kept, so that two cannot overtake each other.
    last: Mutex<Option<Checkpoint>>,
}

/// A witness.
pub struct Witness {
    key: SigningKey,
    public: NoteKey,
    logs: Vec<Watched>,
    _lock: File,
}

/// What a request is answered: an HTTP status and a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body's type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Answer {
    fn plain(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    /// It has a checkpoint of this size.
    fn has(last: Option<&Checkpoint>) -> Self {
        Self { status: 409, content_type: "text/x.tlog.size", body: format!("{}\n", last.map_or(0, |last| last.size)) }
    }
}

impl Witness {
    /// Opens the witness in `dir`, or makes it: `seed`, 32 random bytes, becomes its key then, and `name` is needed. Blocks.
    ///
    /// # Errors
    /// [`WitnessError`].
    pub fn open(dir: &Path, name: Option<&str>, logs: &[NoteKey], seed: [u8; 32]) -> Result<Self, WitnessError> {
        let folder = dir.join("logs");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(at(&folder))?;
        let path = dir.join("lock");
        let lock = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(at(&path))?;
        lock.try_lock()
            .map_err(|_| at(&path)(io::Error::new(io::ErrorKind::WouldBlock, "another witness runs from this folder; stop it first")))?;
        let (public, key) = own_key(dir, name, seed)?;
        let logs = logs.iter().map(|key| Watched::open(&folder, key, &public)).collect::<Result<_, _>>()?;
        Ok(Self { key, public, logs, _lock: lock })
    }

    /// The public key, for the bastions and auditors that trust it.
    #[must_use]
    pub fn public_key(&self) -> &NoteKey {
        &self.public
    }

    /// Answers a request to cosign, received at `unix_s`. Blocks on the disk.
    #[must_use]
    pub fn add_checkpoint(&self, body: &[u8], unix_s: u64) -> Answer {
        let Some(asking) = std::str::from_utf8(body).ok().and_then(|body| Asking::read(body).ok()) else {
            return Answer::plain(400, "this is no request of C2SP tlog-witness\n");
        };
        let Ok(stated) = read_unverified(&asking.note) else {
            return Answer::plain(400, "there is no checkpoint in this request\n");
        };
        let Some(log) = self.logs.iter().find(|log| log.key.name() == stated.origin) else {
            return Answer::plain(404, "this log is not known here\n");
        };
        let mut last = log.last.lock().unwrap_or_else(PoisonError::into_inner);
        let new = match verify_note(&asking.note, &log.key) {
            Ok(new) => new,
            Err(BadNote::Form) => return Answer::plain(400, "there is no checkpoint in this request\n"),
            Err(_) => return Answer::plain(403, "the checkpoint is not signed with the key by which this log is known here\n"),
        };
        if asking.old > new.size {
            return Answer::plain(400, "the old size is larger than the new one\n");
        }
        let known = last.as_ref().map_or(0, |last| last.size);
        if asking.old != known || last.as_ref().is_some_and(|last| last.size == new.size && last.root != new.root) {
            return Answer::has(last.as_ref());
        }
        let name = self.public.name();
        let (checkpoint, line) = match witness(last.as_ref(), &asking.note, &asking.proof, &log.key, (name, &self.key), unix_s) {
            Ok(cosigned) => cosigned,
            Err(NotCosigned::Checkpoint(_)) => return Answer::plain(400, "there is no checkpoint in this request\n"),
            Err(refused) => return Answer::plain(422, format!("{refused}\n")),
        };
        if let Err(error) = keep(&log.path, &format!("{}{line}", asking.note)) {
            return Answer::plain(500, format!("the checkpoint could not be kept, so it is not cosigned: {error}\n"));
        }
        *last = Some(checkpoint);
        Answer::plain(200, line)
    }

    /// The last checkpoint that was cosigned, with the cosignature, of the log whose key has this fingerprint: what auditors hold
    /// the log against.
    #[must_use]
    pub fn checkpoint(&self, fingerprint: &str) -> Answer {
        let found = self.logs.iter().find(|log| log.key.fingerprint() == fingerprint);
        match found.map(|log| fs::read_to_string(&log.path)) {
            Some(Ok(note)) => Answer::plain(200, note),
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Answer::plain(500, format!("{error}\n")),
            _ => Answer::plain(404, "no checkpoint of such a log was cosigned here\n"),
        }
    }
}

impl Watched {
    fn open(folder: &Path, key: &NoteKey, own: &NoteKey) -> Result<Self, WitnessError> {
        let path = folder.join(key.fingerprint());
        let last = match fs::read_to_string(&path) {
            Ok(note) => {
                let damaged = |why: BadNote| WitnessError::Damaged { path: path.clone(), why: why.to_string() };
                verify_cosignature(&note, own).map_err(damaged)?;
                Some(verify_note(&note, key).map_err(damaged)?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(at(&path)(error)),
        };
        Ok(Self { key: key.clone(), path, last: Mutex::new(last) })
    }
}

/// The key, under the name that it was made with.
fn own_key(dir: &Path, name: Option<&str>, seed: [u8; 32]) -> Result<(NoteKey, SigningKey), WitnessError> {
    let path = dir.join("keys/witness.vkey");
    let made = path.try_exists().map_err(at(&path))?;
    if !made && name.is_none() {
        return Err(WitnessError::Name("this witness has no name yet; give it one with --name, as in `--name witness.example.org`".into()));
    }
    let key = signing_key(dir, "witness", seed)?;
    if made {
        let text = fs::read_to_string(&path).map_err(at(&path))?;
        let bad = |why: &str| WitnessError::Damaged { path: path.clone(), why: why.to_owned() };
        let public = NoteKey::parse(text.trim()).map_err(|why| bad(&why.to_string()))?;
        if NoteKey::witness(public.name(), key.verifying_key()).ok().as_ref() != Some(&public) {
            return Err(bad("it is not the public half of keys/witness"));
        }
        return match name.filter(|name| *name != public.name()) {
            Some(_) => Err(WitnessError::Name(format!("this witness is named {}; a witness keeps its name", public.name()))),
            None => Ok((public, key)),
        };
    }
    let public = NoteKey::witness(name.unwrap_or_default(), key.verifying_key())
        .map_err(|_| WitnessError::Name("a witness's name has no spaces and no plus signs, as in witness.example.org".into()))?;
    keep(&path, &format!("{public}\n")).map_err(at(&path))?;
    Ok((public, key))
}

/// Written whole, and on disk when this returns.
fn keep(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> WitnessError {
    let path = path.to_owned();
    move |error| WitnessError::Io { path, error }
}

#[cfg(test)]
mod tests;
