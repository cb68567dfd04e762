//! `recordings verify`: whether recordings are as they were written, from public keys alone.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bartizan_recorder::Outcome;

use crate::audit::read_public_key;
use crate::cli::bundle;
use crate::cli::checks::{self, LogArgs};
use crate::cli::print::Page;
use crate::cli::progress::bar;
use crate::cli::{Common, Exit};
use crate::config::Config;
use crate::control::recordings::{Listed, Listing, Opening, Purpose};
use crate::ledger::{Examined, GivenKeys};

use super::folder;
use super::source::{Far, From};
use super::stored::Place;

/// Options of `recordings verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session's id, or its beginning; a folder or a bundle does as well. Without one, all recordings are checked, and that
    /// none was removed
    #[arg(value_name = "SESSION")]
    id: Option<String>,
    #[command(flatten)]
    from: From,
    /// The deployment's public recording key (PEM); else the one in `state_dir/keys/recordings.pub`
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    if let Some(path) = args.id.as_deref().and_then(bundle::found) {
        return verify_bundle(args, &path);
    }
    // The log first: what is recorded while it is read is no contradiction.
    let log = args.log.log(config(common, args)?.as_ref())?.map(|log| log.examine(None));
    let keys = keys(common, args)?;
    // Held until all is checked: copies of what lies far away go with it.
    let (places, _copies) = match args.from.connect(common)? {
        Some(remote) => copied(&Far::new(remote), args)?,
        None => (chosen(common, args)?, None),
    };
    let mut page = Page::stdout();
    let mut worst = Outcome::Good;
    let mut reports = Vec::new();
    let mut seen = HashSet::new();
    for place in &places {
        let report = place.verify(&keys, log.as_ref(), args.from.way.bastion.is_some());
        worst = worst.max(report.outcome());
        seen.extend(report.number);
        let id = place.session();
        if args.json { reports.push(checks::json(&id, &report)) } else { checks::print(&mut page, &id, &report)? }
    }
    if let Some(mut log) = log {
        // From far away comes only what its reader may replay.
        if args.id.is_none() && args.from.way.bastion.is_none() {
            removed(&mut log, &seen);
        }
        worst = worst.max(log.report.outcome());
        let title = "transparency log";
        if args.json { reports.push(checks::json(title, &log.report)) } else { checks::print(&mut page, title, &log.report)? }
    }
    if args.json {
        page.json(&reports)?;
    }
    page.flush()?;
    Ok(checks::code(worst))
}

/// The configuration whose log is compared with: none for recordings of another bastion.
fn config(common: &Common, args: &Args) -> Result<Option<Config>, Exit> {
    if args.from.way.bastion.is_some() {
        return Ok(None);
    }
    if args.key.is_empty() {
        return common.load().map(Some);
    }
    let is_copy = args.id.as_deref().and_then(folder).is_some();
    Ok(checks::config_if_any(common)?.filter(|_| !is_copy))
}

/// Needs no configuration.
fn verify_bundle(args: &Args, path: &Path) -> Result<ExitCode, Exit> {
    let (log, witnesses) = args.log.keys()?;
    let recordings = args.key.iter().map(|file| read_public_key(file)).collect::<Result<_, _>>()?;
    Ok(checks::code(bundle::verify(path, &GivenKeys { recordings, log, witnesses }, args.json)?))
}

/// Names each session of the log whose recording is not there and was not deleted by the bastion.
fn removed(log: &mut Examined, seen: &HashSet<u64>) {
    let mut there = 0;
    for (number, logged) in log.sessions.iter() {
        let recorded = logged.opened.or(logged.closed).filter(|_| logged.deleted.is_none());
        match recorded {
            Some((index, _)) if !seen.contains(&number) => {
                let detail = format!("session {number}, which leaf {index} has, has no recording: it was removed");
                log.report.add("recordings", Outcome::Tampered, detail);
            }
            Some(_) => there += 1,
            None => {}
        }
    }
    if there > 0 || log.sessions.is_empty() {
        log.report.add("recordings", Outcome::Good, format!("{there} sessions of the log have their recordings"));
    }
}

fn chosen(common: &Common, args: &Args) -> Result<Vec<Place>, Exit> {
    if let Some(dir) = args.id.as_deref().and_then(folder) {
        return Ok(vec![Place::Here(dir)]);
    }
    let config = common.load()?;
    match &args.id {
        Some(id) => Ok(vec![Place::find(&config, id)?]),
        None => Place::all(&config),
    }
}

/// Copies of the recordings that are to be checked, all files of each, in a folder that goes with what is given back.
fn copied(far: &Far, args: &Args) -> Result<(Vec<Place>, Option<tempfile::TempDir>), Exit> {
    let unmade = |error: std::io::Error| Exit::incomplete(format!("a folder for copies cannot be made: {error}"));
    let folder = tempfile::Builder::new().prefix("bartizan-verify-").tempdir().map_err(unmade)?;
    let sessions = match &args.id {
        Some(id) => vec![far.session(id)?],
        None => {
            let all: Vec<Listed> = far.with(|remote| remote.ask("recordings", &Listing { limit: Some(10_000), ..Listing::default() }))?;
            all.iter().filter_map(|one| one.id.parse().ok()).collect()
        }
    };
    let mut places = Vec::new();
    for session in sessions {
        let dir = folder.path().join(session.to_string());
        std::fs::create_dir(&dir).map_err(unmade)?;
        let opening = Opening { session, purpose: Purpose::Verify, reason: args.from.reason.clone(), input: false, format: None };
        let bar = bar(u64::MAX, "fetching");
        let copied = far.copy(&opening, &dir, &mut |behind, all| {
            bar.set_length(all);
            bar.set_position(behind);
        });
        bar.finish_and_clear();
        copied?;
        places.push(Place::Here(dir));
    }
    Ok((places, Some(folder)))
}

fn keys(common: &Common, args: &Args) -> Result<Vec<ed25519_dalek::VerifyingKey>, Exit> {
    if args.key.is_empty() && args.from.way.bastion.is_some() {
        return Err(Exit::usage("a bastion does not vouch for itself: name the file with its public recording key with --key FILE"));
    }
    let files = if args.key.is_empty() { vec![common.load()?.server.state_dir.join("keys/recordings.pub")] } else { args.key.clone() };
    files.iter().map(|file| read_public_key(file).map_err(Exit::from)).collect()
}
