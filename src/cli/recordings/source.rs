//! Where a recording is read from: a folder, the state folder of the bastion that this machine is, or a bastion far away, over
//! the control protocol. From there only the ranges come that are needed, and what is encrypted is decrypted here.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bartizan_recorder::{Recording, SessionId};
use serde_json::Value;

use crate::cli::bastion::Way;
use crate::cli::remote::Remote;
use crate::cli::{Common, Exit};
use crate::control::recordings::{Listed, Listing, Opened, Opening, Purpose};
use crate::model::{self, Printable};
use crate::screen::{Ask, FarFile, far_recording};

use super::stored::Place;
use super::unlock::{Keys, unlock};
use super::{folder, note};

/// Which recording, and how to get at it.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The session's id, or its beginning; a folder does as well
    #[arg(value_name = "SESSION")]
    pub(super) id: String,
    #[command(flatten)]
    pub(super) keys: Keys,
    #[command(flatten)]
    pub(super) from: From,
}

/// A bastion that recordings are read from over ssh, instead of the one that this machine is.
#[derive(Debug, clap::Args)]
pub(super) struct From {
    #[command(flatten)]
    pub(super) way: Way,
    /// Why: some policies ask for it. Only with --bastion
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

impl From {
    /// The connection, where a bastion was named.
    pub(super) fn connect(&self, common: &Common) -> Result<Option<Remote>, Exit> {
        self.way.bastion.is_some().then(|| Remote::open(common, &self.way)).transpose()
    }
}

/// A connection that recordings read from while they are used.
#[derive(Clone)]
pub(super) struct Far(Arc<Mutex<Remote>>);

impl Far {
    pub(super) fn new(remote: Remote) -> Self {
        Self(Arc::new(Mutex::new(remote)))
    }

    /// Uses the connection for one request.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Remote) -> Result<T, Exit>) -> Result<T, Exit> {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The session that `id` names or begins.
    pub(super) fn session(&self, id: &str) -> Result<model::SessionId, Exit> {
        let wanted = id.to_uppercase();
        if let Ok(session) = wanted.parse() {
            return Ok(session);
        }
        let all: Vec<Listed> = self.with(|remote| remote.ask("recordings", &Listing { limit: Some(10_000), ..Listing::default() }))?;
        let shown = Printable(id);
        let mut fitting = all.iter().filter(|one| !wanted.is_empty() && one.id.starts_with(&wanted));
        match (fitting.next(), fitting.next()) {
            (Some(one), None) => one.id.parse().map_err(|_| Exit::incomplete("the bastion names a session by what is no id")),
            (Some(_), Some(_)) => Err(Exit::usage(format!("several recordings begin with {shown}; write more of the id"))),
            (None, _) => Err(Exit::refused(format!("there is no recording {shown} that you may replay"))),
        }
    }

    /// Opens a recording there. Policy decides, and the bastion writes down who opened it and what for.
    pub(super) fn open(&self, opening: &Opening) -> Result<Recording, Exit> {
        let opened: Opened = self.with(|remote| remote.ask("recording.open", opening))?;
        let files: Vec<_> = opened.files.into_iter().map(|file| (file.name, file.bytes)).collect();
        far_recording(self, &opening.session.to_string(), &files)
    }

    /// Copies all files of a recording that the caller may have into the new folder `dir`, for who checks them.
    pub(super) fn copy(&self, opening: &Opening, dir: &std::path::Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Exit> {
        let mut opened: Opened = self.with(|remote| remote.ask("recording.open", opening))?;
        if opened.view_input {
            let whole = Opening { input: true, ..opening.clone() };
            opened = self.with(|remote| remote.ask("recording.open", &whole))?;
        }
        let all: u64 = opened.files.iter().map(|file| file.bytes).sum();
        let mut behind = 0;
        for file in opened.files {
            // A name from far away: nothing but a name of ours is a file here.
            if !["head.json", "seal.json", "keys.age", "c0.brec", "c1.brec"].contains(&file.name.as_str()) {
                continue;
            }
            let path = dir.join(&file.name);
            let unwritable = |error: io::Error| Exit::incomplete(format!("{}: {error}", path.display()));
            let mut out = std::fs::File::create_new(&path).map_err(unwritable)?;
            FarFile::new(self.clone(), &opening.session.to_string(), &file.name, file.bytes).pieces(|data| {
                behind += data.len() as u64;
                progress(behind, all);
                io::Write::write_all(&mut out, data).map_err(unwritable)
            })?;
        }
        Ok(())
    }
}

impl Ask for Far {
    type Error = Exit;

    fn ask(&self, what: &str, with: Value) -> Result<Value, Exit> {
        self.with(|remote| remote.ask(what, &with))
    }

    fn fetched(&self, bytes: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fetched += bytes;
    }
}

/// A recording that can be read, decrypted where it must be, with what was typed if `input` says so; written down before.
pub(super) fn open(common: &Common, which: &Which, purpose: Purpose, format: &str, input: bool) -> Result<(Recording, Option<Far>), Exit> {
    let format = if input { format!("{format} with input") } else { format.to_owned() };
    let Some(remote) = which.from.connect(common)? else {
        let recording = here(common, &which.id, &which.keys)?;
        let recording = if input { recording.with_input().map_err(super::index::failed)? } else { recording };
        note_here(common, &recording.head().session, purpose, &format)?;
        return Ok((recording, None));
    };
    let far = Far::new(remote);
    let opening = Opening { session: far.session(&which.id)?, purpose, reason: which.from.reason.clone(), input, format: Some(format) };
    let recording = unlock(far.open(&opening)?, &which.keys)?;
    Ok((recording, Some(far)))
}

fn here(common: &Common, id: &str, keys: &Keys) -> Result<Recording, Exit> {
    let place = folder(id).map_or_else(|| Place::find(&common.load()?, id), |dir| Ok(Place::Here(dir)))?;
    unlock(place.open()?, keys)
}

fn note_here(common: &Common, session: &SessionId, purpose: Purpose, format: &str) -> Result<(), Exit> {
    use crate::audit::Entry;
    let format = format.to_owned();
    note(common, session, |session, by| match purpose {
        Purpose::Export => Entry::RecordingExported { session, format, by },
        Purpose::Replay | Purpose::Verify => Entry::RecordingReplayed { session, by },
    })
}
