//! `bartizan recordings`: list, search, play, cat, export, verify, keep and remove what was recorded. Recorded bytes never reach the terminal raw.

mod export;
mod index;
mod keep;
mod list;
mod play;
mod search;
mod source;
mod stored;
mod unlock;
mod verify;

pub(super) use unlock::{Unlocking, read_identity};

use std::path::PathBuf;
use std::process::ExitCode;

use bartizan_recorder::SessionId;
use clap::Subcommand;

use crate::audit::{Entry, Verdict};
use crate::config::Config;
use crate::model;

use super::local::{Local, block_on, operator};
use super::{Common, Exit, print};

/// Options of `bartizan recordings`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List recordings, newest first
    List(list::Args),
    /// Search what was recorded: commands, file names, statements, what stood on the screen
    #[command(after_help = search::AFTER)]
    Search(search::Args),
    /// Play a recording in this terminal
    Play(play::Args),
    /// Print the text of a recording
    Cat(export::CatArgs),
    /// Write a recording as asciicast
    Export(export::Args),
    /// Check that recordings are as they were written
    Verify(verify::Args),
    /// Keep a recording whatever its age, until it is released
    Hold(keep::Args),
    /// Let a recording go that was held
    Release(keep::ReleaseArgs),
    /// Remove a recording before its time
    Delete(keep::Args),
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    match &args.command {
        Command::List(args) => list::run(common, args),
        Command::Search(args) => search::run(common, args),
        Command::Play(args) => play::run(common, args),
        Command::Cat(args) => export::cat(common, args),
        Command::Export(args) => export::run(common, args),
        Command::Verify(args) => verify::run(common, args),
        Command::Hold(args) => keep::hold(common, args),
        Command::Release(args) => keep::release(common, args),
        Command::Delete(args) => keep::delete(common, args),
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

/// A verdict as it is written on a command line.
fn verdict(text: &str) -> Result<Verdict, String> {
    [Verdict::Allow, Verdict::Hold, Verdict::Deny]
        .into_iter()
        .find(|one| word(*one) == text)
        .ok_or_else(|| "write allow, hold or deny".to_owned())
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Hold => "hold",
        Verdict::Deny => "deny",
    }
}

/// Writes to the audit log who takes a recording and its proofs away, and sees that this is in the transparency log.
fn note_in_log(common: &Common, session: &SessionId, entry: impl FnOnce(model::SessionId, String) -> Entry) -> Result<(), Exit> {
    let id = session.as_str().parse().map_err(|_| Exit::incomplete(format!("{session} is not the id of a session")))?;
    let local = Local::open(common)?;
    block_on(local.note_in_log(entry(id, operator())))
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
