//! `recordings hold`, `release` and `delete`: what is kept whatever its age, and what goes before its time. The bastion that runs is
//! asked, and policy decides; where none runs, this does it in the state folder. Each is in the audit log before it is done.

use std::process::ExitCode;

use bartizan_recorder::{Hold, SearchIndex};

use crate::audit::Entry;
use crate::cli::bastion::Way;
use crate::cli::local::{Local, block_on, now, operator};
use crate::cli::remote::Remote;
use crate::cli::{Common, Exit, print};
use crate::config::Config;
use crate::control::recordings::Keeping;
use crate::depot::Whole;
use crate::model::{Printable, SessionId};

use super::source::Far;
use super::stored::Shelf;
use super::{find, index};

/// Options of `recordings hold` and `recordings delete`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session's id, or its beginning
    #[arg(value_name = "SESSION")]
    id: String,
    /// Why; the audit log keeps it, and policy may ask for it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    way: Way,
}

/// Options of `recordings release`.
#[derive(Debug, clap::Args)]
pub(super) struct ReleaseArgs {
    /// The session's id, or its beginning
    #[arg(value_name = "SESSION")]
    id: String,
    /// Why; policy may ask for it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    way: Way,
}

pub(super) fn hold(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let session = match asked(common, &args.way, "recording.hold", &args.id, Some(&args.reason))? {
        Some(session) => session,
        None => Kept::open(common, &args.id)?.hold(&args.reason)?,
    };
    print::note(&format!("recording {session} is kept until `bartizan recordings release {session}`"));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn release(common: &Common, args: &ReleaseArgs) -> Result<ExitCode, Exit> {
    if asked(common, &args.way, "recording.release", &args.id, args.reason.as_deref())?.is_none() {
        Kept::open(common, &args.id)?.release()?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn delete(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    if asked(common, &args.way, "recording.delete", &args.id, Some(&args.reason))?.is_none() {
        Kept::open(common, &args.id)?.delete(&args.reason)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Has the bastion do it that was named, or that runs here; none where none runs.
fn asked(common: &Common, way: &Way, what: &str, id: &str, reason: Option<&str>) -> Result<Option<SessionId>, Exit> {
    let Some(remote) = Remote::reach(common, way)? else { return Ok(None) };
    let far = Far::new(remote);
    let session = far.session(id)?;
    let keeping = Keeping { session, reason: reason.map(str::to_owned) };
    let _done: serde_json::Value = far.with(|remote| remote.ask(what, &keeping))?;
    Ok(Some(session))
}

/// A recording that is held, released or removed here, and where that is written.
struct Kept {
    config: Config,
    local: Local,
    whole: Whole,
    session: SessionId,
}

impl Kept {
    fn open(common: &Common, id: &str) -> Result<Self, Exit> {
        let config = common.load()?;
        let shelf = Shelf::open(&config)?;
        let root = &config.recordings.dir;
        let whole = match (find(&config, id), &shelf) {
            (Ok(dir), shelf) => Whole::here(root, &dir, shelf.as_ref().map(Shelf::library)).map_err(index::failed)?,
            (Err(none), Some(shelf)) => {
                let stored = shelf.find(id)?.ok_or(none)?;
                let recording = stored.recording().map_err(index::failed)?;
                Whole::away(root, stored, recording)
            }
            (Err(none), None) => return Err(none),
        };
        let session = whole.recording().head().session.as_str().parse().map_err(index::failed)?;
        Ok(Self { local: Local::instead(common)?, config, whole, session })
    }

    fn hold(&self, reason: &str) -> Result<SessionId, Exit> {
        let (session, by) = (self.session, operator());
        block_on(self.local.note(Entry::RecordingHeld { session, reason: reason.to_owned(), by: by.clone() }))?;
        let hold = Hold { by, reason: reason.to_owned(), since_us: now().as_microsecond() };
        self.whole.hold(&hold).map_err(index::failed)?;
        Ok(session)
    }

    fn release(&self) -> Result<(), Exit> {
        let session = self.session;
        if self.whole.held().map_err(index::failed)?.is_none() {
            return Err(Exit::refused(format!("recording {session} is not held")));
        }
        block_on(self.local.note(Entry::RecordingReleased { session, by: operator() }))?;
        self.whole.release().map_err(index::failed)
    }

    fn delete(&self, reason: &str) -> Result<(), Exit> {
        if let Some(why) = self.whole.stays(self.config.recordings.bucket.is_some()).map_err(index::failed)? {
            return Err(Exit::refused(Printable(&why).to_string()));
        }
        let head = self.whole.recording().head();
        // In the transparency log first: else whoever verifies later takes it for removed.
        let entry = Entry::RecordingDeleted { session: self.session, number: head.number, reason: reason.to_owned(), by: operator() };
        block_on(self.local.note_in_log(entry))?;
        self.whole.remove().map_err(index::failed)?;
        let path = index::of_state(&self.config);
        if path.exists() {
            SearchIndex::open(&path).and_then(|mut index| index.remove(&head.session)).map_err(index::failed)?;
        }
        Ok(())
    }
}
