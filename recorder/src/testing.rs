//! What the tests of several modules share: recordings in a temporary directory. Only built for tests.

use std::path::PathBuf;

use ed25519_dalek::SigningKey;
use tempfile::TempDir;

use crate::head::tests::head;
use crate::{Head, Now, Reason, Recording, Recordings, Seal, Writer};

pub(crate) const ID: &str = "01JD0000000000000000000001";

/// A recording being written.
pub(crate) struct Tape {
    pub(crate) root: TempDir,
    pub(crate) recordings: Recordings,
    pub(crate) writer: Writer,
}

/// The moment `at_us` after the beginning.
pub(crate) fn now(at_us: u64) -> Now {
    Now { at_us, wall_us: 1_795_348_800_000_000 + at_us as i64 }
}

/// A session with a terminal.
pub(crate) fn shell() -> Tape {
    tape(head(ID))
}

/// A session without a terminal.
pub(crate) fn command() -> Tape {
    tape(Head { terminal: None, command: Some("cat".into()), ..head(ID) })
}

fn tape(head: Head) -> Tape {
    let root = tempfile::tempdir().unwrap();
    let recordings = Recordings::new(root.path(), SigningKey::generate(&mut rand::rng()));
    let writer = recordings.create(&head, &mut rand::rng()).unwrap();
    Tape { root, recordings, writer }
}

impl Tape {
    pub(crate) fn dir(&self) -> PathBuf {
        self.writer.dir().to_owned()
    }

    pub(crate) fn recording(&self) -> Recording {
        Recording::open(self.dir()).unwrap()
    }

    pub(crate) fn finish(&mut self, at_us: u64) -> Seal {
        self.writer.finish(now(at_us), Reason::Closed, None).unwrap()
    }
}

impl Tape {
    /// Gives up the writer as a crash would: its lock goes, its files stay.
    pub(crate) fn crash(self) -> Crashed {
        let dir = self.dir();
        drop(self.writer);
        Crashed { root: self.root, recordings: self.recordings, dir }
    }
}

/// A recording whose writer is gone.
pub(crate) struct Crashed {
    pub(crate) root: TempDir,
    pub(crate) recordings: Recordings,
    pub(crate) dir: PathBuf,
}

impl Crashed {
    pub(crate) fn recording(&self) -> Recording {
        Recording::open(&self.dir).unwrap()
    }
}
