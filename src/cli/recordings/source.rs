//! Where a recording is read from: a folder, the state folder of the bastion that this machine is, or a bastion far away, over
//! the control protocol. From there only the ranges come that are needed, and what is encrypted is decrypted here.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bartizan_recorder::{Channel, ReadAt, Recording, SessionId};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::cli::bastion::Way;
use crate::cli::remote::Remote;
use crate::cli::{Common, Exit};
use crate::control::recordings::{Listed, Listing, Opened, Opening, Purpose, READ_MAX, Range};
use crate::model::{self, Printable};

use super::stored::Place;
use super::unlock::{Keys, unlock};
use super::{folder, note};

/// What is fetched first of a place that is jumped to, in bytes; reading on fetches more at a time.
const FIRST: u32 = 64 << 10;

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
        let file = |name: &str| {
            let found = opened.files.iter().find(|file| file.name == name);
            found.map(|file| FarFile::new(self.clone(), opening.session, file.name.clone(), file.bytes))
        };
        let head = file("head.json").ok_or_else(|| Exit::incomplete("the recording has no head"))?.whole()?;
        let seal = file("seal.json").map(FarFile::whole).transpose()?;
        let first = file("c0.brec").ok_or_else(|| Exit::incomplete("the recording has no channel"))?;
        let bytes = first.bytes;
        let read = Recording::remote(&head, seal.as_deref(), Channel::new(first), bytes);
        let read = read.map_err(|bad| Exit::incomplete(format!("recording {}: {bad}", opening.session)))?;
        Ok(match file("c1.brec") {
            Some(input) => read.with_remote_input(Channel::new(input)),
            None => read,
        })
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
            let far = FarFile::new(self.clone(), opening.session, file.name, file.bytes);
            let mut at = 0;
            while at < far.bytes {
                let data = far.fetch(at, READ_MAX)?;
                if data.is_empty() {
                    break;
                }
                io::Write::write_all(&mut out, &data).map_err(unwritable)?;
                at += data.len() as u64;
                progress(behind + at, all);
            }
            behind += at;
        }
        Ok(())
    }
}

/// A file of a recording far away.
struct FarFile {
    far: Far,
    session: model::SessionId,
    name: String,
    bytes: u64,
    last: Mutex<Last>,
}

/// What was fetched last, and how much is fetched next if reading goes on behind it.
#[derive(Default)]
struct Last {
    offset: u64,
    data: Vec<u8>,
    next: u32,
}

#[derive(Deserialize)]
struct Data {
    data: String,
}

impl FarFile {
    fn new(far: Far, session: model::SessionId, name: String, bytes: u64) -> Self {
        Self { far, session, name, bytes, last: Mutex::default() }
    }

    fn fetch(&self, offset: u64, length: u32) -> Result<Vec<u8>, Exit> {
        let range = Range { session: self.session, file: self.name.clone(), offset, length };
        let answer: Data = self.far.with(|remote| remote.ask("recording.read", &range))?;
        let data = STANDARD.decode(answer.data).ok().filter(|data| data.len() <= length as usize);
        let data = data.ok_or_else(|| Exit::incomplete("the bastion's answer is no range of a file"))?;
        self.far.with(|remote| {
            remote.fetched += data.len() as u64;
            Ok(())
        })?;
        Ok(data)
    }

    /// All of a small file.
    fn whole(self) -> Result<Vec<u8>, Exit> {
        let mut all = Vec::new();
        while (all.len() as u64) < self.bytes.min(u64::from(READ_MAX) * 4) {
            let data = self.fetch(all.len() as u64, READ_MAX)?;
            if data.is_empty() {
                break;
            }
            all.extend(data);
        }
        Ok(all)
    }
}

impl ReadAt for FarFile {
    /// Gives what is at hand of the range, or else a first part of it: whoever needs more asks again.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = last.offset + last.data.len() as u64;
        if offset < last.offset || offset >= behind {
            let length = if offset == behind && behind > 0 { last.next.clamp(FIRST, READ_MAX) } else { FIRST };
            let data = self.fetch(offset, length).map_err(|exit| io::Error::other(exit.sentence().to_owned()))?;
            *last = Last { offset, data, next: length.saturating_mul(2) };
        }
        let from = usize::try_from(offset - last.offset).unwrap_or(usize::MAX);
        let have = last.data.get(from..).unwrap_or_default();
        let len = have.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..len), have.get(..len)) {
            to.copy_from_slice(from);
        }
        Ok(len)
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
