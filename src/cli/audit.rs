//! `bartizan audit`: the last entries, whether the log is as it was written, a copy of what fits. Changes nothing.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::Value;

use super::bundle;
use super::checks::{self, LogArgs};
use super::local::past;
use super::print::Page;
use super::{Common, Exit};
use crate::audit::{self, Finding, Lines, Record, RecordFilter, Records, Report};
use crate::model::Printable;

/// How often `tail --follow` looks for new entries.
const LOOK: Duration = Duration::from_millis(200);

/// Options of `bartizan audit`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the last entries
    Tail(Tail),
    /// Find out whether the log is as it was written, and the transparency log with it: exit code 0 yes, 1 tampered with, 3
    /// cannot be told
    Verify(Verify),
    /// Write the entries that fit as lines of JSON, oldest first
    Export(Export),
}

#[derive(Debug, clap::Args)]
struct Tail {
    /// How many entries
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    lines: u32,
    /// Go on showing entries as they come
    #[arg(short, long)]
    follow: bool,
    /// Print each entry as a line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Verify {
    /// The public key, kept apart from this machine; default: keys/audit.pub in the state folder
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A folder with a copy of the log; needs --key, and no configuration
    #[arg(long, value_name = "DIR", requires = "key")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
    /// Print the finding as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Export {
    /// Not before this moment, or this long ago (2h, 7d, 2026-11-22)
    #[arg(long, value_name = "WHEN", value_parser = past)]
    since: Option<Timestamp>,
    /// Before this moment, or this long ago
    #[arg(long, value_name = "WHEN", value_parser = past)]
    until: Option<Timestamp>,
    /// Only this kind (login.failed) or family of kinds (login)
    #[arg(long)]
    kind: Option<String>,
    /// Only what this principal (ISSUER/NAME) or account (local:NAME) did
    #[arg(long)]
    principal: Option<String>,
    /// A new file to write to, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the entries with proofs that they are in the transparency log, as a bundle: to a new folder, or to a new file whose
    /// name ends in .tar; `bartizan recordings verify` verifies it anywhere
    #[arg(long, value_name = "PATH", conflicts_with = "output")]
    bundle: Option<PathBuf>,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    match &args.what {
        What::Tail(args) => tail(common, args),
        What::Verify(args) => verify(common, args),
        What::Export(args) => export(common, args),
    }
}

fn folder(common: &Common) -> Result<PathBuf, Exit> {
    Ok(audit::folder(&common.load()?.server.state_dir))
}

fn tail(common: &Common, args: &Tail) -> Result<ExitCode, Exit> {
    let most = usize::try_from(args.lines).unwrap_or(usize::MAX);
    let (mut records, mut follow) = audit::last(&folder(common)?, most)?;
    let mut page = Page::stdout();
    loop {
        for record in &records {
            let line = if args.json { record.line.clone() } else { sentence(&page, record) };
            page.line(&line)?;
        }
        page.flush()?;
        if !args.follow || page.gone {
            return Ok(ExitCode::SUCCESS);
        }
        if records.is_empty() {
            std::thread::sleep(LOOK);
        }
        records = follow.more()?;
    }
}

/// `2026-11-22T12:04:31Z  17  login.failed  user=bob reason="…"`
fn sentence(page: &Page, record: &Record) -> String {
    let kind = Printable(&record.kind).to_string();
    let kind = if record.alert { page.alarming(&format!("ALERT {kind}")) } else { page.strong(&kind) };
    let mut line = format!("{:.0}  {}  {kind}", record.time, record.seq);
    let fields = record.entry.as_object().into_iter().flatten().filter(|(name, value)| *name != "kind" && !value.is_null());
    for (name, value) in fields {
        line.push_str(&format!("  {}={}", Printable(name), shown(value)));
    }
    line
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() || text.contains([' ', '"', '=', ',']) => audit::canonical(value),
        Value::String(text) => Printable(text).to_string(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(","),
        other => audit::canonical(other),
    }
}

fn verify(common: &Common, args: &Verify) -> Result<ExitCode, Exit> {
    let (folder, key, config) = match (&args.folder, &args.key) {
        (Some(folder), Some(key)) => (folder.clone(), key.clone(), None),
        (_, key) => {
            let config = common.load()?;
            let state_dir = &config.server.state_dir;
            (audit::folder(state_dir), key.clone().unwrap_or_else(|| audit::public_key_file(state_dir)), Some(config))
        }
    };
    let report = audit::verify(&folder, &audit::read_public_key(&key)?)?;
    let examined = match args.log.log(config.as_ref())? {
        Some(log) => log.examine(Lines::open(&folder)?).report,
        None => bartizan_recorder::Report::default(),
    };
    let mut page = Page::stdout();
    let code = code(&report.finding).max_by_severity(log_code(&examined));
    if args.json {
        page.json(&as_json(&report, &examined)?)?;
    } else {
        page.line(&told(&report))?;
        examined.checks.iter().try_for_each(|check| page.line(&checks::line(check)))?;
    }
    page.flush()?;
    Ok(ExitCode::from(code.0))
}

/// An exit code of a verification.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Code(u8);

impl Code {
    /// Tampered with is worse than not to be told, and that is worse than good.
    fn max_by_severity(self, other: Self) -> Self {
        let severity = |code: Self| [0, 3, 1].iter().position(|known| *known == code.0);
        if severity(other) > severity(self) { other } else { self }
    }
}

fn code(finding: &Finding) -> Code {
    Code(match finding {
        Finding::Ok => 0,
        Finding::Tampered { .. } => 1,
        Finding::Incomplete { .. } => 3,
    })
}

fn log_code(examined: &bartizan_recorder::Report) -> Code {
    if examined.checks.is_empty() { Code(0) } else { Code(examined.exit_code()) }
}

/// The finding of the audit log itself; where the transparency log is worse, its result.
fn as_json(report: &Report, examined: &bartizan_recorder::Report) -> Result<Value, Exit> {
    let mut value = serde_json::to_value(report).map_err(|error| Exit::incomplete(error.to_string()))?;
    let worse = code(&report.finding).max_by_severity(log_code(examined)) != code(&report.finding);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("checks".into(), checks::checks_json(examined).into());
        if worse {
            let bad = examined.checks.iter().max_by_key(|check| check.outcome);
            let result = if log_code(examined).0 == 1 { "tampered" } else { "incomplete" };
            fields.insert("result".into(), result.into());
            fields.insert("what".into(), bad.map(|check| check.detail.clone()).unwrap_or_default().into());
        }
    }
    Ok(value)
}

fn told(report: &Report) -> String {
    let Report { entries, signed, head, finding } = report;
    match finding {
        Finding::Ok => format!("ok: {entries} entries, all signed; head {head}"),
        Finding::Tampered { line, what } => format!("tampered at line {line}: {what} ({entries} entries before it fit)"),
        Finding::Incomplete { what } => format!("incomplete: {what} ({entries} entries fit, {signed} of them signed)"),
    }
}

fn export(common: &Common, args: &Export) -> Result<ExitCode, Exit> {
    let (since, until, kind, principal) = (args.since, args.until, args.kind.clone(), args.principal.clone());
    let filter = RecordFilter { since, until, kind, principal };
    if let Some(into) = &args.bundle {
        let made = bundle::make(common, into, &[], &mut |line| audit::record(&line.text).is_some_and(|record| filter.takes(&record)))?;
        bundle::tell(into, &made);
        return Ok(ExitCode::SUCCESS);
    }
    let fitting = Records::open(&folder(common)?)?.filter(|record| record.as_ref().map_or(true, |record| filter.takes(record)));
    match &args.output {
        Some(path) => export_to(path, fitting),
        None => export_here(fitting),
    }
}

fn export_here(records: impl Iterator<Item = Result<Record, audit::AuditError>>) -> Result<ExitCode, Exit> {
    let mut page = Page::stdout();
    for record in records {
        page.line(&record?.line)?;
        if page.gone {
            break;
        }
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Never over a file that is there, and for its owner alone.
fn export_to(path: &Path, records: impl Iterator<Item = Result<Record, audit::AuditError>>) -> Result<ExitCode, Exit> {
    let failed =
        |error: std::io::Error| Exit::incomplete(format!("{} cannot be written: {error}; name a new file with --output", path.display()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let mut out = std::io::BufWriter::new(file);
    for record in records {
        writeln!(out, "{}", record?.line).map_err(failed)?;
    }
    out.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}
