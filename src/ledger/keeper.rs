//! The open log, and how far of the audit log is in it. Blocks on the disk; one process at a time.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bartizan_recorder::tlog::{Leaf, LogError, LogFiles, NoteKey, TransparencyLog};
use ed25519_dalek::SigningKey;

use super::leaves::leaves_of;
use super::search::last_entry;
use super::{LedgerError, folder, public_key_file, read_public_key};
use crate::audit::{self, Tail, signing_key};

/// Lines of the audit log that are taken at once.
const TOGETHER: usize = 1_024;

/// What a log that does not exist yet begins with.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// The bastion's name: `NAME/log` becomes the log's, for good.
    pub name: String,
    /// 32 random bytes, which become its key.
    pub seed: [u8; 32],
    /// The number of the first session that will be in it.
    pub session: u64,
}

/// The log in the hand of its one writer.
#[derive(Debug)]
pub struct Keeper {
    dir: PathBuf,
    log: TransparencyLog,
    tail: Tail,
}

impl Keeper {
    /// Opens the log below `state_dir`, or begins it.
    ///
    /// # Errors
    /// [`LedgerError`]; [`LogError::InUse`] in it while another process has it.
    pub fn open(state_dir: &Path, beginning: &Beginning) -> Result<Self, LedgerError> {
        let dir = folder(state_dir);
        let at = |error| LedgerError::Log { dir: dir.clone(), error };
        let (public, key) = keys(state_dir, beginning)?;
        let mut log = TransparencyLog::open(&dir, public.name(), key).map_err(at)?;
        if log.checkpoint().size == 0 {
            log.append(&[Leaf::Begin { session: beginning.session }.to_string()]).map_err(at)?;
        }
        let (seq, hash) = last_entry(&log.files()).map_err(at)?;
        let tail = Tail::after(&audit::folder(state_dir), audit::read_public_key(&audit::public_key_file(state_dir))?, seq, hash)?;
        Ok(Self { dir, log, tail })
    }

    /// The public key, to be given to witnesses and auditors.
    ///
    /// # Errors
    /// Never.
    pub fn public_key(&self) -> Result<NoteKey, LedgerError> {
        self.log.public_key().map_err(self.at())
    }

    /// The log as readers see it.
    #[must_use]
    pub fn files(&self) -> LogFiles {
        self.log.files()
    }

    /// The last entry of the audit log that is in it.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.tail.seq()
    }

    /// Puts in `commits` and what the audit log has by now; all of it is on disk, under a signed checkpoint, when this returns.
    /// Gives how many leaves there were.
    ///
    /// # Errors
    /// [`LedgerError`]; then open it anew.
    pub fn advance(&mut self, commits: &[Leaf]) -> Result<usize, LedgerError> {
        let mut written = 0;
        let mut waiting: Vec<String> = commits.iter().map(Leaf::to_string).collect();
        loop {
            let lines = self.tail.pass(TOGETHER)?;
            waiting.extend(lines.iter().flat_map(leaves_of).map(|leaf| leaf.to_string()));
            if waiting.is_empty() {
                return Ok(written);
            }
            self.log.append(&waiting).map_err(self.at())?;
            written += waiting.len();
            waiting.clear();
            if lines.len() < TOGETHER {
                return Ok(written);
            }
        }
    }

    fn at(&self) -> impl Fn(LogError) -> LedgerError + use<> {
        let dir = self.dir.clone();
        move |error| LedgerError::Log { dir: dir.clone(), error }
    }
}

/// Puts into the log what the audit log has, unless another process has the log open, which does it then. For commands that
/// write entries while no bastion may run. Whether it did.
///
/// # Errors
/// [`LedgerError`].
pub fn catch_up(state_dir: &Path, beginning: &Beginning) -> Result<bool, LedgerError> {
    match Keeper::open(state_dir, beginning) {
        Err(LedgerError::Log { error: LogError::InUse, .. }) => Ok(false),
        opened => opened?.advance(&[]).map(|_| true),
    }
}

/// Both halves of the key, made by one process when several begin the log at once.
fn keys(state_dir: &Path, beginning: &Beginning) -> Result<(NoteKey, SigningKey), LedgerError> {
    let path = state_dir.join("tlog.making");
    let bad = |error: std::io::Error| LedgerError::Key { path: path.clone(), why: error.to_string() };
    let lock = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(bad)?;
    lock.lock().map_err(bad)?;
    let key = signing_key(state_dir, "tlog", beginning.seed)?;
    let public = public_key(state_dir, &beginning.name, &key)?;
    Ok((public, key))
}

/// The key with the log's name: what was written down when the log began, for the bastion may have another name today.
fn public_key(state_dir: &Path, name: &str, key: &SigningKey) -> Result<NoteKey, LedgerError> {
    let path = public_key_file(state_dir);
    let bad = |why: &dyn std::fmt::Display| LedgerError::Key { path: path.clone(), why: why.to_string() };
    if path.try_exists().map_err(|error| bad(&error))? {
        let known = read_public_key(&path)?;
        let ours = NoteKey::log(known.name(), key.verifying_key()).map_err(|error| bad(&error))?;
        return if known == ours { Ok(known) } else { Err(bad(&"it is not the public half of keys/tlog")) };
    }
    let public = NoteKey::log(&format!("{name}/log"), key.verifying_key()).map_err(|error| bad(&error))?;
    write_once(&path, &format!("{public}\n")).map_err(|error| bad(&error))?;
    Ok(public)
}

fn write_once(path: &Path, text: &str) -> std::io::Result<()> {
    let draft = path.with_extension("vkey.new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&draft, path)
}
