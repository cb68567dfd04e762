//! The recordings of one deployment: a root directory, the key that signs heads and seals, and the pool of compressors
//! that all writers share. Creates recordings; reads no clock and makes no randomness.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::{SigningKey, VerifyingKey};
use rand::CryptoRng;

use crate::chain::{Chain, Epoch, digest};
use crate::envelope;
use crate::frame::MAGIC;
use crate::head::{BadHead, Head, VERSION};
use crate::log::{Log, Position, Tape};
use crate::place;
use crate::seal::Identity;
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
        let (root, older, pool) = (root.into(), Vec::new(), Pool::default());
        Self { shared: Arc::new(Shared { root, key, older, pool }) }
    }

    /// Also trusts recordings begun under `older` keys when it recovers: for a start after the key was rotated.
    #[must_use]
    pub fn trusting(self, older: Vec<VerifyingKey>) -> Self {
        let (root, key) = (self.shared.root.clone(), self.shared.key.clone());
        Self { shared: Arc::new(Shared { root, key, older, pool: Pool::default() }) }
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
    /// `first_key` and `version` of `head` are filled in here.
    ///
    /// # Errors
    /// [`WriteError::Head`] for a head that does not do, [`WriteError::Io`] when the place is taken or cannot be written.
    pub fn create(&self, head: &Head, rng: &mut impl CryptoRng) -> Result<Writer, WriteError> {
        head.check()?;
        let epoch = Epoch::first(rng);
        let head = Head { first_key: hex::encode(epoch.public()), version: VERSION, ..head.clone() };
        let bytes = envelope::sign(&head, &self.shared.key)?;
        let dir = place::directory(&self.shared.root, head.started_us, &head.session).ok_or(BadHead::Time)?;
        place::make(&dir).map_err(WriteError::io("make", &dir))?;
        let path = dir.join(place::channel_file(0));
        // The channel file first: its lock keeps a recovery away from here.
        let mut file = place::new_file(&path).map_err(WriteError::io("make", &path))?;
        place::write_whole(&dir, place::HEAD, &bytes).map_err(WriteError::io("write the head of", &dir))?;
        file.append(&MAGIC).map_err(WriteError::io("write", &path))?;
        let identity = Identity { session: head.session, number: head.number, head: digest(&bytes) };
        let log = Log::resume(file, Position::first(Chain::start(&identity.head, 0)));
        let writer = Writer::new(Arc::clone(&self.shared), dir, identity, log, epoch);
        Ok(match head.terminal {
            Some(terminal) => writer.with_terminal((terminal.cols, terminal.rows)),
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
