//! `recordings cat` and `recordings export`: a recording as text, or as what players read.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bartizan_recorder::{CastVersion, Recording, export_cast, transcript};

use crate::audit::{Entry, Line};
use crate::cli::bundle;
use crate::cli::progress::bar;
use crate::cli::{Common, Exit};
use crate::control::recordings::Purpose;
use crate::model::Printable;

use super::note_in_log;
use super::source::{Which, open};
use super::stored::Place;

/// Options of `recordings cat`.
#[derive(Debug, clap::Args)]
pub(super) struct CatArgs {
    #[command(flatten)]
    which: Which,
}

pub(super) fn cat(common: &Common, args: &CatArgs) -> Result<ExitCode, Exit> {
    let (recording, _far) = open(common, &args.which, Purpose::Replay, "text")?;
    let bar = bar(recording.bytes().unwrap_or(0), "reading");
    let mut out = BufWriter::new(std::io::stdout().lock());
    let written = transcript(&recording, &mut out, &mut |at| bar.set_position(at));
    bar.finish_and_clear();
    finish(written, out.flush())
}

/// Options of `recordings export`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// Write to this file, which must not be there yet; else to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write everything by which a third party verifies the recording with public keys alone: to a new folder, or to a new file
    /// whose name ends in .tar. Only on the bastion itself
    #[arg(long, value_name = "PATH", conflicts_with_all = ["output", "v3", "exact", "bastion"])]
    bundle: Option<PathBuf>,
    /// Write asciicast v3; v2 is what every player reads
    #[arg(long)]
    v3: bool,
    /// Leave in what a terminal could obey (titles, clipboard, device queries): the untouched evidence
    #[arg(long)]
    exact: bool,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    if let Some(into) = &args.bundle {
        return export_bundle(common, &args.which.id, into);
    }
    let version = if args.v3 { CastVersion::V3 } else { CastVersion::V2 };
    let format = if args.v3 { "asciicast v3" } else { "asciicast v2" };
    let (recording, _far) = open(common, &args.which, Purpose::Export, format)?;
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

/// Needs no key: what is encrypted stays encrypted.
fn export_bundle(common: &Common, id: &str, into: &Path) -> Result<ExitCode, Exit> {
    let (dir, _copy) = Place::find(&common.load()?, id)?.folder()?;
    let recording = Recording::open(&dir).map_err(|e| Exit::incomplete(Printable(&e.to_string()).to_string()))?;
    let (session, number) = (recording.head().session.clone(), recording.head().number);
    note_in_log(common, &session, |session, by| Entry::RecordingExported { session, format: "bundle".to_owned(), by })?;
    let about = |line: &Line| {
        let entry = line.fields.get("entry");
        // Who looked at it afterwards is none of the third party's business.
        let kind = entry.and_then(|entry| entry.get("kind")?.as_str()).unwrap_or_default();
        let looked = matches!(kind, "recording.replayed" | "recording.exported" | "recording.verified");
        !looked && entry.and_then(|entry| entry.get("session")?.as_str()) == Some(session.as_str())
    };
    let made = bundle::make(common, into, &[(dir, session.clone(), number)], &mut { about })?;
    bundle::tell(into, &made);
    Ok(ExitCode::SUCCESS)
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
