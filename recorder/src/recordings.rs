//! The recordings of one deployment: a root directory, the key that signs heads and seals, and the pool of compressors
//! that all writers share. Creates recordings; reads no clock and makes no randomness.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::{SigningKey, VerifyingKey};
use rand::CryptoRng;

use crate::chain::{Chain, Epoch};
use crate::envelope;
use crate::frame::{Flags, Kind, MAGIC};
use crate::head::{BadHead, Head, VERSION};
use crate::log::{Log, Position, Tape};
use crate::place::{self, INPUT};
use crate::ratchet::{Opener, Ratchet, Sealer, new_secret, secret_of};
use crate::recipients::Recipients;
use crate::seal::Identity;
use crate::sha256::digest;
use crate::squeeze::Pool;
use crate::writer::{Shared, WriteError, Writer};

/// A place for recordings and the key that vouches for them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Recordings {
    pub(crate) shared: Arc<Shared>,
}

impl Recordings {
    /// Uses `root`, which is made when the first recording is, and `key`, the deployment's recording key.
    pub fn new(root: impl Into<PathBuf>, key: SigningKey) -> Self {
        Self::with(Shared { root: root.into(), key, older: Vec::new(), recipients: None, pool: Pool::default() })
    }

    /// Also trusts recordings begun under `older` keys when it recovers: for a start after the key was rotated.
    #[must_use]
    pub fn trusting(self, older: Vec<VerifyingKey>) -> Self {
        let (root, key, recipients) = (self.shared.root.clone(), self.shared.key.clone(), self.shared.recipients.clone());
        Self::with(Shared { root, key, older, recipients, pool: Pool::default() })
    }

    /// Encrypts what is recorded from now on to `recipients`, or no longer. What this process wrote it cannot read again,
    /// but for the running chunk, and with a terminal what its next keyframe is drawn from.
    #[must_use]
    pub fn encrypting_to(self, recipients: Option<Recipients>) -> Self {
        let (root, key, older) = (self.shared.root.clone(), self.shared.key.clone(), self.shared.older.clone());
        Self::with(Shared { root, key, older, recipients, pool: Pool::default() })
    }

    /// True when what is recorded is encrypted.
    #[must_use]
    pub fn encrypts(&self) -> bool {
        self.shared.recipients.is_some()
    }

    fn with(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn trusted(&self) -> Vec<VerifyingKey> {
        std::iter::once(self.public_key()).chain(self.shared.older.iter().copied()).collect()
    }

    /// The root directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// What a third party needs to verify these recordings.
    #[must_use]
    pub fn public_key(&self) -> VerifyingKey {
        self.shared.key.verifying_key()
    }

    /// Begins a recording: directory, signed head and first channel file, all in the kernel when this returns.
    /// `first_key`, `recipients` and `version` of `head` are filled in here.
    ///
    /// # Errors
    /// [`WriteError::Head`] for a head that does not do, [`WriteError::Io`] when the place is taken or cannot be written.
    pub fn create(&self, head: &Head, rng: &mut impl CryptoRng) -> Result<Writer, WriteError> {
        self.begin(head, None, rng)
    }

    /// The same, with a second channel file for what is typed: [`Writer::append_input`].
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_with_input(&self, head: &Head, rng: &mut impl CryptoRng) -> Result<Writer, WriteError> {
        let input = Epoch::first(rng);
        self.begin(head, Some(input), rng)
    }

    fn begin(&self, head: &Head, input: Option<Epoch>, rng: &mut impl CryptoRng) -> Result<Writer, WriteError> {
        head.check()?;
        let epoch = Epoch::first(rng);
        let recipients = self.shared.recipients.as_ref();
        let names = recipients.map(Recipients::names).unwrap_or_default();
        let input_key = input.as_ref().map(|epoch| hex::encode(epoch.public())).unwrap_or_default();
        let head = Head { first_key: hex::encode(epoch.public()), input_key, recipients: names, version: VERSION, ..head.clone() };
        let bytes = envelope::sign(&head, &self.shared.key)?;
        let identity = Identity { session: head.session, number: head.number, head: digest(&bytes) };
        let secret = new_secret(rng);
        let keys = recipients.map(|recipients| recipients.wrap(&identity.session, &secret)).transpose()?;
        let dir = place::directory(&self.shared.root, head.started_us, &identity.session).ok_or(BadHead::Time)?;
        let start = Chain::start(&identity.head, 0);
        let input_start = input.as_ref().map(|_| Chain::start(&identity.head, INPUT));
        let (log, input_log) = begin(&dir, &bytes, start, input_start, keys.as_deref())?;
        let typed = secret_of(&secret, INPUT);
        let is_encrypted = keys.is_some();
        let ratchet = is_encrypted.then(|| Ratchet::first(secret));
        let opener = ratchet.clone().map(|ratchet| Opener::new(ratchet, start.0));
        let input = input.zip(input_log).zip(input_start).map(|((epoch, log), start)| {
            let writer = Writer::new(Arc::clone(&self.shared), dir.clone(), identity.clone(), log, epoch);
            if is_encrypted { writer.encrypting(Sealer::new(Ratchet::first(typed), start.0)) } else { writer }
        });
        let mut writer = Writer::new(Arc::clone(&self.shared), dir, identity, log, epoch);
        if let Some(input) = input {
            writer = writer.with_input(input);
        }
        if let Some(ratchet) = ratchet {
            writer = writer.encrypting(Sealer::new(ratchet, start.0));
        }
        Ok(match head.terminal {
            Some(terminal) => writer.with_terminal((terminal.cols, terminal.rows), opener),
            None => writer,
        })
    }

    /// Asks the kernel to have all recordings on disk: one call serves every session. See [`place::sync`].
    ///
    /// # Errors
    /// When the root cannot be opened or the device fails.
    pub fn sync(&self) -> std::io::Result<()> {
        place::sync(&self.shared.root)
    }
}

/// Makes directory, channel files, wrapped key and head, and begins the channel files.
fn begin(
    dir: &Path,
    head: &[u8],
    start: Chain,
    input: Option<Chain>,
    keys: Option<&[u8]>,
) -> Result<(Log<File>, Option<Log<File>>), WriteError> {
    place::make(dir).map_err(WriteError::io("make", dir))?;
    let path = dir.join(place::channel_file(0));
    // The channel file first: its lock keeps a recovery away from here.
    let mut file = place::new_file(&path).map_err(WriteError::io("make", &path))?;
    let input = input.map(|start| begin_input(dir, start)).transpose()?;
    let (mut out, mut position) = (MAGIC.to_vec(), Position::first(start));
    if let Some(keys) = keys {
        place::write_whole(dir, place::KEYS, keys).map_err(WriteError::io("write the key of", dir))?;
        // Once more in the chain: so that whoever changes or removes `keys.age` is seen, and no recording is lost by it.
        position.put(&mut out, Kind::KEYS, Flags::default(), keys);
    }
    place::write_whole(dir, place::HEAD, head).map_err(WriteError::io("write the head of", dir))?;
    file.append(&out).map_err(WriteError::io("write", &path))?;
    Ok((Log::resume(file, position), input))
}

/// Begins the channel file of what is typed.
fn begin_input(dir: &Path, start: Chain) -> Result<Log<File>, WriteError> {
    let path = dir.join(place::channel_file(INPUT));
    let mut file = place::new_file(&path).map_err(WriteError::io("make", &path))?;
    file.append(&MAGIC).map_err(WriteError::io("write", &path))?;
    Ok(Log::resume(file, Position::first(start)))
}
