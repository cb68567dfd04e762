//! One recording on disk, opened for reading: its head, its seal if it has one, its events.
//! Says what is there; whether it is genuine is for `verify` to say.

use std::fs::File;
use std::io;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::chain::Chain;
use crate::channel::Channel;
use crate::envelope::{self, Document};
use crate::events::{AllEvents, Events, ReadError};
use crate::frame::Kind;
use crate::frames::{Expected, Frames, ReadAt, frame_at};
use crate::head::{BadHead, Head, Seal};
use crate::place::{self, INPUT};
use crate::ratchet::{Opener, Ratchet, secret_of};
use crate::recipients::{Identities, KEYS_LIMIT, UnlockError};
use crate::sha256::digest;

/// Why a recording cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file is missing or cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The head or seal is not one.
    #[error("{path} is refused: {bad}", path = path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        bad: BadHead,
    },
    /// The channel file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A recording.
#[derive(Debug, Clone)]
pub struct Recording {
    dir: PathBuf,
    head: Head,
    /// SHA-256 of head.json.
    hash: [u8; 32],
    /// And SHA-256 of seal.json.
    seal: Option<(Seal, [u8; 32])>,
    /// The channel file, where it does not lie in `dir`.
    channel: Option<(Channel, u64)>,
    opener: Option<Opener>,
    /// What was typed, where it was asked for.
    input: Option<Channel>,
    input_opener: Option<Opener>,
}

impl Recording {
    /// Opens the recording in `dir`. A seal that is missing or torn counts as none.
    ///
    /// # Errors
    /// [`OpenError`] when there is no readable head.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let dir = dir.into();
        let path = dir.join(place::HEAD);
        let (head, hash) = read(&path)?;
        let seal = read(&dir.join(place::SEAL)).ok();
        Ok(Self { dir, head, hash, seal, channel: None, opener: None, input: None, input_opener: None })
    }

    /// A recording whose files lie elsewhere: the content of its head.json and seal.json, and its channel file of `bytes`
    /// bytes, of which only what is needed is read. [`Self::dir`] is empty then.
    ///
    /// # Errors
    /// [`BadHead`] when the head is none. A seal that is none counts as missing.
    pub fn remote(head: &[u8], seal: Option<&[u8]>, channel: Channel, bytes: u64) -> Result<Self, BadHead> {
        let (dir, hash, head) = (PathBuf::new(), digest(head), envelope::read(head)?);
        let seal = seal.and_then(|seal| Some((envelope::read(seal).ok()?, digest(seal))));
        Ok(Self { dir, head, hash, seal, channel: Some((channel, bytes)), opener: None, input: None, input_opener: None })
    }

    /// True when what was typed is recorded, in a channel file of its own.
    #[must_use]
    pub fn records_input(&self) -> bool {
        !self.head.input_key.is_empty()
    }

    /// The same recording with what was typed, where that is recorded: for those only who may see it.
    ///
    /// # Errors
    /// [`OpenError::Io`].
    pub fn with_input(self) -> Result<Self, OpenError> {
        if !self.records_input() {
            return Ok(self);
        }
        let path = self.dir.join(place::channel_file(INPUT));
        let file = File::open(&path).map_err(|source| OpenError::Io { path, source })?;
        Ok(self.with_remote_input(Channel::new(file)))
    }

    /// The same, where the channel file lies elsewhere.
    #[must_use]
    pub fn with_remote_input(self, input: Channel) -> Self {
        Self { input: Some(input), ..self }
    }

    /// The same recording, its channel file of `bytes` bytes read from `channel`: where that file lies elsewhere now.
    #[must_use]
    pub fn reading(self, channel: Channel, bytes: u64) -> Self {
        Self { channel: Some((channel, bytes)), ..self }
    }

    /// True when its channel file is at hand: in its directory, or given by [`Self::remote`] or [`Self::reading`].
    #[must_use]
    pub fn has_channel(&self) -> bool {
        self.channel.is_some() || self.channel_path().exists()
    }

    /// True when it can be read only by its recipients.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        !self.head.recipients.is_empty()
    }

    /// True when it is encrypted and was not unlocked.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.is_encrypted() && self.opener.is_none()
    }

    /// The same recording, readable: everything that reads it decrypts from then on. Works where `keys.age` is missing,
    /// from the copy in the channel file.
    ///
    /// # Errors
    /// [`UnlockError`].
    pub fn unlock(self, identities: &Identities) -> Result<Self, UnlockError> {
        if !self.is_encrypted() {
            return Err(UnlockError::Clear);
        }
        let keys = self.keys().ok_or(UnlockError::NoKeys)?;
        let secret = identities.unwrap(&self.head.session, &keys)?;
        let typed = Opener::new(Ratchet::first(secret_of(&secret, INPUT)), Chain::start(&self.hash, INPUT).0);
        let opener = Opener::new(Ratchet::first(secret), Chain::start(&self.hash, 0).0);
        Ok(Self { opener: Some(opener), input_opener: Some(typed), ..self })
    }

    /// The wrapped key: from the channel file, where the chain vouches for it, or else from `keys.age`.
    fn keys(&self) -> Option<Vec<u8>> {
        let first = self.channel().ok().and_then(|channel| keys_frame(&channel));
        first.or_else(|| {
            let mut keys = Vec::new();
            let file = File::open(self.dir.join(place::KEYS)).ok()?;
            file.take(KEYS_LIMIT as u64).read_to_end(&mut keys).ok()?;
            Some(keys)
        })
    }

    pub(crate) fn opener(&self) -> Option<Opener> {
        self.opener.clone()
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Who, where, when.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// How it ended; `None` while it runs, and after a crash until it is recovered.
    #[must_use]
    pub fn seal(&self) -> Option<&Seal> {
        self.seal.as_ref().map(|(seal, _)| seal)
    }

    /// SHA-256 of its seal.json, which speaks for all of it.
    #[must_use]
    pub fn seal_hash(&self) -> Option<[u8; 32]> {
        self.seal.as_ref().map(|(_, hash)| *hash)
    }

    /// Its length in microseconds, as the seal says.
    #[must_use]
    pub fn duration_us(&self) -> Option<u64> {
        self.seal()?.channels.iter().map(|channel| channel.last_us).max()
    }

    /// Bytes of its first channel file now: the whole for a progress bar.
    ///
    /// # Errors
    /// [`OpenError::Io`].
    pub fn bytes(&self) -> Result<u64, OpenError> {
        if let Some((_, bytes)) = &self.channel {
            return Ok(*bytes);
        }
        let path = self.channel_path();
        match (std::fs::metadata(&path), self.seal().and_then(|seal| seal.channels.first())) {
            (Ok(meta), _) => Ok(meta.len()),
            // It lies elsewhere; the seal tells.
            (Err(error), Some(channel)) if error.kind() == io::ErrorKind::NotFound => Ok(channel.bytes),
            (Err(source), _) => Err(OpenError::Io { path, source }),
        }
    }

    /// Its events from the beginning.
    ///
    /// # Errors
    /// [`OpenError::Io`], [`OpenError::Read`]; reading on fails with [`crate::BadBody::Encrypted`] while it is locked.
    pub fn events(&self) -> Result<Events<Channel>, OpenError> {
        let frames = Frames::open(self.channel()?).map_err(ReadError::from)?;
        Ok(Events::over(frames, self.opener())?)
    }

    /// Its events, and between them what was typed where that was asked for, in order of time.
    pub(crate) fn all_events(&self) -> Result<AllEvents<Channel>, OpenError> {
        let typed = match &self.input {
            Some(input) => {
                let frames = Frames::open(input.clone()).map_err(ReadError::from)?;
                Some(Events::over(frames, self.input_opener.clone())?)
            }
            None => None,
        };
        Ok(AllEvents::new(self.events()?, typed))
    }

    pub(crate) fn channel(&self) -> Result<Channel, OpenError> {
        if let Some((channel, _)) = &self.channel {
            return Ok(channel.clone());
        }
        let path = self.channel_path();
        File::open(&path).map(Channel::new).map_err(|source| OpenError::Io { path, source })
    }

    fn channel_path(&self) -> PathBuf {
        self.dir.join(place::channel_file(0))
    }
}

/// The wrapped key that the channel file begins with.
pub(crate) fn keys_frame<R: ReadAt>(channel: &R) -> Option<Vec<u8>> {
    let (header, body) = frame_at(channel, Expected::FIRST.offset).ok()??;
    (header.kind == Kind::KEYS && header.seq == 0).then_some(body)
}

fn read<D: Document>(path: &Path) -> Result<(D, [u8; 32]), OpenError> {
    let bytes = place::read_small(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    let document = envelope::read(&bytes).map_err(|bad| OpenError::Bad { path: path.to_owned(), bad })?;
    Ok((document, digest(&bytes)))
}
