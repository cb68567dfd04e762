//! The subcommands that print: list, cat, export, verify.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use bartizan_recorder::{CastVersion, Filter, Found, Outcome, Recording, export_cast, transcript};
use jiff::Timestamp;
use serde::Serialize;

use crate::audit::{Entry, read_public_key};
use crate::cli::local::past;
use crate::cli::print::Page;
use crate::cli::{Common, Exit};
use crate::model::Printable;

use super::stored::{Place, Shelf};
use super::unlock::Keys;
use super::{folder, note, open};
use crate::cli::progress::bar;

/// Options of `recordings list`.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Only of principals whose name holds this
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only at this target; `*` stands for any characters
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Only of this kind: `ssh`, `ssh.shell`, `ssh.exec`, `ssh.sftp`
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only those begun since then: a span (`2h`, `7d`) or a moment in UTC
    #[arg(long, value_name = "TIME", value_parser = past)]
    since: Option<Timestamp>,
    /// Only those begun before then
    #[arg(long, value_name = "TIME", value_parser = past)]
    until: Option<Timestamp>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    number: u64,
    principal: &'a str,
    target: &'a str,
    login: Option<&'a str>,
    kind: &'a str,
    command: Option<&'a str>,
    started_at: String,
    duration_us: Option<u64>,
    sealed: bool,
    bytes: u64,
    source_address: &'a str,
    encrypted: bool,
    recipients: &'a [String],
}

pub(super) fn list(common: &Common, args: &ListArgs) -> Result<ExitCode, Exit> {
    let config = common.load()?;
    let root = &config.recordings.dir;
    let filter = Filter {
        user: args.user.clone(),
        target: args.target.clone(),
        kind: args.kind.clone(),
        since_us: args.since.map(Timestamp::as_microsecond),
        until_us: args.until.map(Timestamp::as_microsecond),
    };
    let mut found = bartizan_recorder::list(root, &filter).map_err(|e| Exit::incomplete(format!("{}: {e}", root.display())))?;
    if let Some(shelf) = Shelf::open(&config)? {
        let here = found.iter().map(|one| one.session.clone()).collect();
        found.extend(shelf.others(&filter, &here)?);
    }
    let mut page = Page::stdout();
    if args.json {
        page.json(&found.iter().filter_map(|f| f.recording.as_ref().ok()).map(shown).collect::<Vec<_>>())?;
    } else {
        let rows: Vec<_> = found.iter().map(row).collect();
        page.table(["SESSION", "STARTED", "LENGTH", "PRINCIPAL", "TARGET", "KIND", "ENCRYPTED", "WHAT"], &rows)?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn shown(recording: &Recording) -> Shown<'_> {
    let head = recording.head();
    Shown {
        id: head.session.as_str(),
        number: head.number,
        principal: &head.principal,
        target: &head.target,
        login: head.login.as_deref(),
        kind: &head.kind,
        command: head.command.as_deref(),
        started_at: moment(head.started_us),
        duration_us: recording.duration_us(),
        sealed: recording.seal().is_some(),
        // Where the channel file is in the object store, its seal tells.
        bytes: recording.bytes().ok().or_else(|| Some(recording.seal()?.channels.first()?.bytes)).unwrap_or(0),
        source_address: &head.source_address,
        encrypted: recording.is_encrypted(),
        recipients: &head.recipients,
    }
}

fn row(found: &Found) -> [String; 8] {
    let session = found.session.as_str().to_owned();
    let recording = match &found.recording {
        Ok(recording) => recording,
        Err(error) => {
            let nothing = String::new;
            return [session, nothing(), nothing(), nothing(), nothing(), "unreadable".into(), nothing(), error.to_string()];
        }
    };
    let head = recording.head();
    let length = recording.duration_us().map_or_else(|| "live".to_owned(), |us| format!("{}s", us / 1_000_000));
    let login = head.login.as_ref().map(|l| format!("{l}@")).unwrap_or_default();
    let encrypted = if recording.is_encrypted() { "yes" } else { "no" }.to_owned();
    let what = crate::cli::print::cut(head.command.as_deref().unwrap_or_default(), 60);
    let target = format!("{login}{}", head.target);
    [session, moment(head.started_us), length, head.principal.clone(), target, head.kind.clone(), encrypted, what]
}

pub(super) fn moment(us: i64) -> String {
    Timestamp::from_microsecond(us).map(|t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}

/// Options of `recordings cat`.
#[derive(Debug, clap::Args)]
pub(super) struct CatArgs {
    /// The session's id, or its beginning; a folder does as well
    #[arg(value_name = "SESSION")]
    id: String,
    #[command(flatten)]
    keys: Keys,
}

pub(super) fn cat(common: &Common, args: &CatArgs) -> Result<ExitCode, Exit> {
    let recording = open(common, &args.id, &args.keys)?;
    note(common, &recording.head().session, |session, by| Entry::RecordingReplayed { session, by })?;
    let bar = bar(recording.bytes().unwrap_or(0), "reading");
    let mut out = BufWriter::new(std::io::stdout().lock());
    let written = transcript(&recording, &mut out, &mut |at| bar.set_position(at));
    bar.finish_and_clear();
    finish(written, out.flush())
}

/// Options of `recordings export`.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// The session's id, or its beginning; a folder does as well
    #[arg(value_name = "SESSION")]
    id: String,
    #[command(flatten)]
    keys: Keys,
    /// Write to this file, which must not be there yet; else to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write asciicast v3; v2 is what every player reads
    #[arg(long)]
    v3: bool,
    /// Leave in what a terminal could obey (titles, clipboard, device queries): the untouched evidence
    #[arg(long)]
    exact: bool,
}

pub(super) fn export(common: &Common, args: &ExportArgs) -> Result<ExitCode, Exit> {
    let recording = open(common, &args.id, &args.keys)?;
    let version = if args.v3 { CastVersion::V3 } else { CastVersion::V2 };
    let format = if args.v3 { "asciicast v3" } else { "asciicast v2" };
    note(common, &recording.head().session, |session, by| Entry::RecordingExported { session, format: format.to_owned(), by })?;
    let bar = bar(recording.bytes().unwrap_or(0), "exporting");
    let progress = &mut |at| bar.set_position(at);
    let (written, flushed) = match &args.output {
        Some(path) => {
            let mut out = BufWriter::new(create(path)?);
            (export_cast(&recording, version, args.exact, &mut out, progress), out.flush())
        }
        None => {
            let mut out = BufWriter::new(std::io::stdout().lock());
            (export_cast(&recording, version, args.exact, &mut out, progress), out.flush())
        }
    };
    bar.finish_and_clear();
    finish(written, flushed)
}

fn create(path: &PathBuf) -> Result<File, Exit> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|e| Exit::incomplete(format!("{} cannot be written: {e}; name a file that is not there yet", path.display())))
}

/// A reader that goes away (`| head`) is no error.
fn finish(written: Result<(), bartizan_recorder::ExportError>, flushed: std::io::Result<()>) -> Result<ExitCode, Exit> {
    let gone = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    match written {
        Err(bartizan_recorder::ExportError::Write(error)) if gone(&error) => return Ok(ExitCode::SUCCESS),
        Err(error) => return Err(Exit::incomplete(Printable(&error.to_string()).to_string())),
        Ok(()) => {}
    }
    match flushed {
        Err(error) if !gone(&error) => Err(Exit::incomplete(format!("it cannot be written: {error}"))),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Options of `recordings verify`.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// The session's id, or its beginning; a folder does as well. Without one, all recordings are checked
    #[arg(value_name = "SESSION")]
    id: Option<String>,
    /// The deployment's public recording key (PEM); else the one in `state_dir/keys/recordings.pub`
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn verify(common: &Common, args: &VerifyArgs) -> Result<ExitCode, Exit> {
    let places = chosen(common, args)?;
    let keys = keys(common, args)?;
    let mut page = Page::stdout();
    let mut worst = Outcome::Good;
    let mut reports = Vec::new();
    for place in &places {
        let bar = bar(place.bytes(), "verifying");
        let report = place.verify(&keys, &mut |at| bar.set_position(at));
        bar.finish_and_clear();
        worst = worst.max(report.outcome());
        let session = place.session();
        if args.json { reports.push(as_json(&session, &report)) } else { print_report(&mut page, &session, &report)? }
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

fn chosen(common: &Common, args: &VerifyArgs) -> Result<Vec<Place>, Exit> {
    if let Some(dir) = args.id.as_deref().and_then(folder) {
        return Ok(vec![Place::Here(dir)]);
    }
    let config = common.load()?;
    match &args.id {
        Some(id) => Ok(vec![Place::find(&config, id)?]),
        None => Place::all(&config),
    }
}

fn keys(common: &Common, args: &VerifyArgs) -> Result<Vec<ed25519_dalek::VerifyingKey>, Exit> {
    let files = if args.key.is_empty() { vec![common.load()?.server.state_dir.join("keys/recordings.pub")] } else { args.key.clone() };
    files.iter().map(|file| read_public_key(file).map_err(Exit::from)).collect()
}

fn as_json(session: &str, report: &bartizan_recorder::Report) -> serde_json::Value {
    let check = |c: &bartizan_recorder::Check| serde_json::json!({"check": c.name, "outcome": c.outcome.to_string(), "detail": c.detail});
    let checks: Vec<_> = report.checks.iter().map(check).collect();
    serde_json::json!({ "id": session, "outcome": report.outcome().to_string(), "checks": checks })
}

fn print_report(page: &mut Page, session: &str, report: &bartizan_recorder::Report) -> Result<(), Exit> {
    let head = format!("{} {}", Printable(session), report.outcome());
    let head = if report.outcome() == Outcome::Tampered { page.alarming(&head) } else { page.strong(&head) };
    page.line(&head)?;
    let line = |c: &bartizan_recorder::Check| format!("  {:<10} {:<10} {}", c.outcome.to_string(), c.name, Printable(&c.detail));
    report.checks.iter().try_for_each(|check| page.line(&line(check)))
}
