//! `recordings cat` and `recordings export`: a recording as text, as what players read, or as a page with a player in it.

mod rules;

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bartizan_recorder::{
    CastVersion, ExportError, Recording, export_cast, export_cast_redacted, export_html, transcript, transcript_redacted,
};

use crate::audit::{Entry, Line};
use crate::cli::bundle;
use crate::cli::progress::bar;
use crate::cli::{Common, Exit, print};
use crate::control::recordings::Purpose;
use crate::model::Printable;

use super::note_in_log;
use super::source::{Which, open};
use super::stored::Place;
use rules::Rules;

/// Options of `recordings cat`.
#[derive(Debug, clap::Args)]
pub(super) struct CatArgs {
    #[command(flatten)]
    which: Which,
}

pub(super) fn cat(common: &Common, args: &CatArgs) -> Result<ExitCode, Exit> {
    let (recording, _far) = open(common, &args.which, Purpose::Replay, "text", false)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let written = write(&recording, Format::Text, None, &mut out);
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
    #[arg(long, value_name = "PATH", conflicts_with_all = ["output", "format", "input", "exact", "redact", "bastion"])]
    bundle: Option<PathBuf>,
    /// Write asciicast v3; v2 is what every player reads
    #[arg(long, group = "format")]
    v3: bool,
    /// Write the text as it stood on the screen
    #[arg(long, group = "format")]
    text: bool,
    /// Write one page that holds asciinema's player and all it needs
    #[arg(long, group = "format")]
    html: bool,
    /// With what was typed, where that was recorded: `i` events
    #[arg(long, conflicts_with = "text")]
    input: bool,
    /// Leave in what a terminal could obey (titles, clipboard, device queries): the untouched evidence
    #[arg(long, conflicts_with_all = ["text", "html", "redact"])]
    exact: bool,
    /// Take out what these rules name, and write beside the copy (FILE.manifest.json) what was taken out of which recording
    #[arg(long, value_name = "RULES.toml", requires = "output")]
    redact: Option<PathBuf>,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Cast(CastVersion, bool),
    Text,
    Html,
}

impl Format {
    fn of(args: &Args) -> Self {
        match (args.text, args.html, args.v3) {
            (true, ..) => Self::Text,
            (_, true, _) => Self::Html,
            (.., true) => Self::Cast(CastVersion::V3, args.exact),
            _ => Self::Cast(CastVersion::V2, args.exact),
        }
    }

    /// As the audit log and a manifest have it.
    fn name(self) -> &'static str {
        match self {
            Self::Cast(CastVersion::V2, false) => "asciicast v2",
            Self::Cast(CastVersion::V2, true) => "asciicast v2 exact",
            Self::Cast(CastVersion::V3, false) => "asciicast v3",
            Self::Cast(CastVersion::V3, true) => "asciicast v3 exact",
            Self::Text => "text",
            Self::Html => "html",
        }
    }
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    if let Some(into) = &args.bundle {
        return export_bundle(common, &args.which.id, into);
    }
    let format = Format::of(args);
    let mut rules = args.redact.as_deref().map(Rules::read).transpose()?;
    let name = if rules.is_some() { format!("{} redacted", format.name()) } else { format.name().to_owned() };
    let (recording, _far) = open(common, &args.which, Purpose::Export, &name, args.input)?;
    let Some(path) = &args.output else {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let written = write(&recording, format, None, &mut out);
        return finish(written, out.flush());
    };
    if rules.is_some() && recording.seal().is_none() {
        return Err(Exit::incomplete("the session still runs: a redacted copy is made of what has ended"));
    }
    let mut out = BufWriter::new(create(path)?);
    let written = write(&recording, format, rules.as_mut(), &mut out);
    let done = finish(written, out.flush());
    match rules {
        // A copy that may show what it should not is none.
        Some(_) if done.is_err() => {
            std::fs::remove_file(path).map_err(|e| Exit::incomplete(format!("{} must be removed: {e}", path.display())))?
        }
        Some(rules) => told(&rules, &rules.write_manifest(&recording, path, &name)?),
        None => {}
    }
    done
}

fn told(rules: &Rules, manifest: &Path) {
    for (name, hits) in rules.redaction.hits() {
        print::note(&format!("{hits} × {}", Printable(name)));
    }
    print::note(&format!("the manifest is {}", manifest.display()));
}

fn write(recording: &Recording, format: Format, rules: Option<&mut Rules>, out: &mut impl Write) -> Result<(), ExportError> {
    let bar = bar(recording.bytes().unwrap_or(0), "exporting");
    let progress = &mut |at| bar.set_position(at);
    let redaction = rules.map(|rules| &mut rules.redaction);
    let written = match (format, redaction) {
        (Format::Cast(version, exact), None) => export_cast(recording, version, exact, out, progress),
        (Format::Cast(version, _), Some(redaction)) => export_cast_redacted(recording, version, redaction, out, progress),
        (Format::Text, None) => transcript(recording, out, progress),
        (Format::Text, Some(redaction)) => transcript_redacted(recording, redaction, out, progress),
        (Format::Html, redaction) => export_html(recording, redaction, out, progress),
    };
    bar.finish_and_clear();
    written
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

fn create(path: &Path) -> Result<File, Exit> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|e| Exit::incomplete(format!("{} cannot be written: {e}; name a file that is not there yet", path.display())))
}

/// A reader that goes away (`| head`) is no error.
fn finish(written: Result<(), ExportError>, flushed: std::io::Result<()>) -> Result<ExitCode, Exit> {
    let gone = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    match written {
        Err(ExportError::Write(error)) if gone(&error) => return Ok(ExitCode::SUCCESS),
        Err(error) => return Err(Exit::incomplete(Printable(&error.to_string()).to_string())),
        Ok(()) => {}
    }
    match flushed {
        Err(error) if !gone(&error) => Err(Exit::incomplete(format!("it cannot be written: {error}"))),
        _ => Ok(ExitCode::SUCCESS),
    }
}
