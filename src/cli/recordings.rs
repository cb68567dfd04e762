//! `bartizan recordings`: list, search, play, cat, export and verify what was recorded. Recorded bytes never reach the terminal raw.

mod play;
mod search;
mod show;
mod stored;
mod unlock;

use std::path::PathBuf;
use std::process::ExitCode;

use bartizan_recorder::{Recording, SessionId};
use clap::Subcommand;

use crate::audit::Entry;
use crate::config::Config;
use crate::model;

use super::local::{Local, block_on, operator};
use super::{Common, Exit, print};

use stored::Place;

/// Options of `bartizan recordings`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List recordings, newest first
    List(show::ListArgs),
    /// Search what was recorded: commands, file names, statements, what stood on the screen
    #[command(after_help = search::AFTER)]
    Search(search::Args),
    /// Play a recording in this terminal
    Play(play::Args),
    /// Print the text of a recording
    Cat(show::CatArgs),
    /// Write a recording as asciicast
    Export(show::ExportArgs),
    /// Check that recordings are as they were written
    Verify(show::VerifyArgs),
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    match &args.command {
        Command::List(args) => show::list(common, args),
        Command::Search(args) => search::run(common, args),
        Command::Play(args) => play::run(common, args),
        Command::Cat(args) => show::cat(common, args),
        Command::Export(args) => show::export(common, args),
        Command::Verify(args) => show::verify(common, args),
    }
}

/// The folder of one recording; `id` may be shortened to a beginning that only one has.
fn find(config: &Config, id: &str) -> Result<PathBuf, Exit> {
    let root = &config.recordings.dir;
    let unreadable = |e: std::io::Error| Exit::incomplete(format!("{}: {e}", root.display()));
    let shown = model::Printable(id);
    if let Ok(session) = id.to_uppercase().parse::<SessionId>() {
        let found = bartizan_recorder::find(root, &session).map_err(unreadable)?;
        return found.ok_or_else(|| Exit::refused(format!("there is no recording {shown}; see `bartizan recordings list`")));
    }
    let all = bartizan_recorder::list(root, &bartizan_recorder::Filter::default()).map_err(unreadable)?;
    let wanted = id.to_uppercase();
    let mut fitting =
        all.into_iter().filter(|found| !wanted.is_empty() && found.session.as_str().starts_with(&wanted)).map(|found| found.dir);
    match (fitting.next(), fitting.next()) {
        (Some(dir), None) => Ok(dir),
        (Some(_), Some(_)) => Err(Exit::usage(format!("several recordings begin with {shown}; write more of the id"))),
        (None, _) => Err(Exit::refused(format!("there is no recording {shown}; see `bartizan recordings list`"))),
    }
}

/// `id` as a folder that holds a recording: a copy on an auditor's own machine, say.
fn folder(id: &str) -> Option<PathBuf> {
    Some(PathBuf::from(id)).filter(|dir| dir.join("head.json").exists())
}

/// A recording that can be read: with `keys`, if it is encrypted.
fn open(common: &Common, id: &str, keys: &unlock::Keys) -> Result<Recording, Exit> {
    let place = folder(id).map_or_else(|| Place::find(&common.load()?, id), |dir| Ok(Place::Here(dir)))?;
    unlock::unlock(place.open()?, keys)
}

/// Writes to the audit log who used a recording, before it is shown.
fn note(common: &Common, session: &SessionId, entry: impl FnOnce(model::SessionId, String) -> Entry) -> Result<(), Exit> {
    let Ok(id) = session.as_str().parse() else { return Ok(()) };
    // Away from the bastion there is no audit log, and whoever has a copy of a recording there could read it with anything.
    if matches!(common.config.try_exists(), Ok(false)) {
        print::note("there is no configuration of a bastion here, so this goes into no audit log");
        return Ok(());
    }
    let local = Local::open(common)?;
    block_on(local.note(entry(id, operator())))
}
