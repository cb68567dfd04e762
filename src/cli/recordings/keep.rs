//! `recordings hold`, `release` and `delete`: what is kept whatever its age, and what goes before its time. Each is in the audit log
//! before it is done.

use std::process::ExitCode;

use bartizan_recorder::{Hold, Recording, SearchIndex};

use crate::audit::Entry;
use crate::cli::local::{Local, block_on, now, operator};
use crate::cli::{Common, Exit, print};
use crate::model::Printable;

use super::{find, index};

/// Options of `recordings hold` and `recordings delete`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session's id, or its beginning
    #[arg(value_name = "SESSION")]
    id: String,
    /// Why; the audit log keeps it
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Options of `recordings release`.
#[derive(Debug, clap::Args)]
pub(super) struct ReleaseArgs {
    /// The session's id, or its beginning
    #[arg(value_name = "SESSION")]
    id: String,
}

/// The recording meant, and where what is done to it is written.
fn chosen(common: &Common, id: &str) -> Result<(Local, Recording, crate::model::SessionId), Exit> {
    let dir = find(&common.load()?, id)?;
    let recording = Recording::open(dir).map_err(index::failed)?;
    let session = recording.head().session.as_str().parse().map_err(index::failed)?;
    Ok((Local::open(common)?, recording, session))
}

pub(super) fn hold(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let (local, recording, session) = chosen(common, &args.id)?;
    let by = operator();
    block_on(local.note(Entry::RecordingHeld { session, reason: args.reason.clone(), by: by.clone() }))?;
    let hold = Hold { by, reason: args.reason.clone(), since_us: now().as_microsecond() };
    bartizan_recorder::hold(recording.dir(), &hold).map_err(index::failed)?;
    print::note(&format!("recording {session} is kept until `bartizan recordings release {session}`"));
    Ok(ExitCode::SUCCESS)
}

pub(super) fn release(common: &Common, args: &ReleaseArgs) -> Result<ExitCode, Exit> {
    let (local, recording, session) = chosen(common, &args.id)?;
    if bartizan_recorder::held(recording.dir()).map_err(index::failed)?.is_none() {
        return Err(Exit::refused(format!("recording {session} is not held")));
    }
    block_on(local.note(Entry::RecordingReleased { session, by: operator() }))?;
    bartizan_recorder::release(recording.dir()).map_err(index::failed)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn delete(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let (local, recording, session) = chosen(common, &args.id)?;
    if let Some(hold) = bartizan_recorder::held(recording.dir()).map_err(index::failed)? {
        let (by, reason) = (Printable(&hold.by), Printable(&hold.reason));
        return Err(Exit::refused(format!(
            "recording {session} is held by {by}: {reason}; `bartizan recordings release {session}` lets it go"
        )));
    }
    if recording.seal().is_none() {
        return Err(Exit::refused(format!("recording {session} has not ended; `bartizan sessions end {session}` ends it")));
    }
    let config = common.load()?;
    let number = recording.head().number;
    // In the transparency log first: else whoever verifies later takes it for removed.
    block_on(local.note_in_log(Entry::RecordingDeleted { session, number, reason: args.reason.clone(), by: operator() }))?;
    bartizan_recorder::remove(&config.recordings.dir, recording.dir(), &recording.head().session).map_err(index::failed)?;
    let path = index::of_state(&config);
    if path.exists() {
        SearchIndex::open(&path).and_then(|mut index| index.remove(&recording.head().session)).map_err(index::failed)?;
    }
    Ok(ExitCode::SUCCESS)
}
