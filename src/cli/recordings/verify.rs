//! `recordings verify`: whether recordings are as they were written, from public keys alone.

use std::path::PathBuf;
use std::process::ExitCode;

use bartizan_recorder::{Filter, Outcome};

use crate::audit::read_public_key;
use crate::cli::print::Page;
use crate::cli::progress::bar;
use crate::cli::{Common, Exit};
use crate::control::recordings::{Listed, Listing, Opening, Purpose};
use crate::model::Printable;

use super::source::{Far, From};
use super::{find, folder};

/// Options of `recordings verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session's id, or its beginning; a folder does as well. Without one, all recordings are checked
    #[arg(value_name = "SESSION")]
    id: Option<String>,
    #[command(flatten)]
    from: From,
    /// The deployment's public recording key (PEM); else the one in `state_dir/keys/recordings.pub`
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let keys = keys(common, args)?;
    // Held until all is checked: copies of what lies far away go with it.
    let (dirs, _copies) = match args.from.connect(common)? {
        Some(remote) => copied(&Far::new(remote), args)?,
        None => (chosen(common, args)?, None),
    };
    let mut page = Page::stdout();
    let mut worst = Outcome::Good;
    let mut reports = Vec::new();
    for dir in &dirs {
        let total = std::fs::metadata(dir.join("c0.brec")).map_or(0, |m| m.len());
        let bar = bar(total, "verifying");
        let report = bartizan_recorder::verify(dir, &keys, &mut |at| bar.set_position(at));
        bar.finish_and_clear();
        worst = worst.max(report.outcome());
        if args.json { reports.push(as_json(dir, &report)) } else { print_report(&mut page, dir, &report)? }
    }
    if args.json {
        page.json(&reports)?;
    }
    page.flush()?;
    Ok(match worst {
        Outcome::Good => ExitCode::SUCCESS,
        Outcome::Tampered => ExitCode::from(1),
        Outcome::Incomplete => ExitCode::from(3),
    })
}

fn chosen(common: &Common, args: &Args) -> Result<Vec<PathBuf>, Exit> {
    if let Some(dir) = args.id.as_deref().and_then(folder) {
        return Ok(vec![dir]);
    }
    let config = common.load()?;
    if let Some(id) = &args.id {
        return Ok(vec![find(&config, id)?]);
    }
    let root = &config.recordings.dir;
    let all = bartizan_recorder::list(root, &Filter::default()).map_err(|e| Exit::incomplete(format!("{}: {e}", root.display())))?;
    Ok(all.into_iter().map(|found| found.dir).collect())
}

/// Copies of the recordings that are to be checked, all files of each, in a folder that goes with what is given back.
fn copied(far: &Far, args: &Args) -> Result<(Vec<PathBuf>, Option<tempfile::TempDir>), Exit> {
    let unmade = |error: std::io::Error| Exit::incomplete(format!("a folder for copies cannot be made: {error}"));
    let folder = tempfile::Builder::new().prefix("bartizan-verify-").tempdir().map_err(unmade)?;
    let sessions = match &args.id {
        Some(id) => vec![far.session(id)?],
        None => {
            let all: Vec<Listed> = far.with(|remote| remote.ask("recordings", &Listing { limit: Some(10_000), ..Listing::default() }))?;
            all.iter().filter_map(|one| one.id.parse().ok()).collect()
        }
    };
    let mut dirs = Vec::new();
    for session in sessions {
        let dir = folder.path().join(session.to_string());
        std::fs::create_dir(&dir).map_err(unmade)?;
        let opening = Opening { session, purpose: Purpose::Verify, reason: args.from.reason.clone(), format: None };
        let bar = bar(u64::MAX, "fetching");
        let copied = far.copy(&opening, &dir, &mut |behind, all| {
            bar.set_length(all);
            bar.set_position(behind);
        });
        bar.finish_and_clear();
        copied?;
        dirs.push(dir);
    }
    Ok((dirs, Some(folder)))
}

fn keys(common: &Common, args: &Args) -> Result<Vec<ed25519_dalek::VerifyingKey>, Exit> {
    if args.key.is_empty() && args.from.way.bastion.is_some() {
        return Err(Exit::usage("a bastion does not vouch for itself: name the file with its public recording key with --key FILE"));
    }
    let files = if args.key.is_empty() { vec![common.load()?.server.state_dir.join("keys/recordings.pub")] } else { args.key.clone() };
    files.iter().map(|file| read_public_key(file).map_err(Exit::from)).collect()
}

fn as_json(dir: &std::path::Path, report: &bartizan_recorder::Report) -> serde_json::Value {
    let check = |c: &bartizan_recorder::Check| serde_json::json!({"check": c.name, "outcome": c.outcome.to_string(), "detail": c.detail});
    let checks: Vec<_> = report.checks.iter().map(check).collect();
    serde_json::json!({ "id": session_of(dir), "outcome": report.outcome().to_string(), "checks": checks })
}

fn print_report(page: &mut Page, dir: &std::path::Path, report: &bartizan_recorder::Report) -> Result<(), Exit> {
    let head = format!("{} {}", Printable(&session_of(dir)), report.outcome());
    let head = if report.outcome() == Outcome::Tampered { page.alarming(&head) } else { page.strong(&head) };
    page.line(&head)?;
    let line = |c: &bartizan_recorder::Check| format!("  {:<10} {:<10} {}", c.outcome.to_string(), c.name, Printable(&c.detail));
    report.checks.iter().try_for_each(|check| page.line(&line(check)))
}

fn session_of(dir: &std::path::Path) -> String {
    dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
