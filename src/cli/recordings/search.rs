//! `recordings search`: brings the index up to the recordings, asks it, notes in the audit log who asked for what, and only
//! then shows what was found. The index, `search.db` in the state folder, is derived: one that cannot be read is made anew.

mod far;

use std::path::PathBuf;
use std::process::ExitCode;

use bartizan_recorder::{Query, Refreshed, TextKind};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;

use crate::audit::{Entry, Verdict};
use crate::cli::local::{Local, block_on, operator, past};
use crate::cli::print::{self, Page};
use crate::cli::{Common, Exit};
use crate::control::recordings::Finding;
use crate::model::Printable;

use super::source::{Far, From};
use super::stored::Shelf;
use super::unlock::Keys;
use super::{index, stored, verdict, word};

/// What `--help` says below the options.
pub(super) const AFTER: &str = "Sessions are found once they have ended; those begun last come first. Encrypted recordings are left out, \
and counted on standard error, unless --identity is given: then they are read, decrypted and indexed in a file of your own. Exit code 0 also where nothing is found; 3 where a recording could not be read. Each search is written to \
the audit log.";

/// Options of `recordings search`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to look for, in whatever case: three characters or more, taken as they stand
    #[arg(value_name = "TEXT", value_parser = text)]
    text: String,
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    keys: Keys,
    /// Your own index of what you can decrypt; else in your data folder (XDG_DATA_HOME). Only with --identity
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
    /// Only of principals whose name (ISSUER/NAME) holds this
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only at this target; `*` stands for any characters
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Only operations that policy decided so
    #[arg(long, value_name = "VERDICT", value_parser = verdict)]
    verdict: Option<Verdict>,
    /// Only text of this kind; may be given more than once
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kinds())]
    kind: Vec<TextKind>,
    /// Only in sessions begun since then: a span (`2h`, `7d`) or a moment in UTC
    #[arg(long, value_name = "TIME", value_parser = past)]
    since: Option<Timestamp>,
    /// Only in sessions begun before then
    #[arg(long, value_name = "TIME", value_parser = past)]
    until: Option<Timestamp>,
    /// Show so many at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..10_000))]
    limit: u16,
    /// Look through what was typed too, where it was recorded
    #[arg(long)]
    input: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn text(text: &str) -> Result<String, String> {
    if text.chars().count() < 3 { Err("write three characters or more".to_owned()) } else { Ok(text.to_owned()) }
}

fn kinds() -> impl TypedValueParser<Value = TextKind> {
    let names = PossibleValuesParser::new(TextKind::ALL.iter().map(|kind| kind.name()));
    names.try_map(|name| TextKind::named(&name).ok_or("there is no such kind"))
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let query = query(args)?;
    let (mut findings, code) = match args.from.connect(common)? {
        Some(remote) => far::search(&Far::new(remote), args, &query)?,
        None => here(common, args, &query)?,
    };
    let more = findings.len() > usize::from(args.limit);
    findings.truncate(args.limit.into());
    show(args, &findings)?;
    if more {
        print::note(&format!("there is more than these {}; --limit shows more of it", findings.len()));
    }
    Ok(code)
}

fn here(common: &Common, args: &Args, query: &Query) -> Result<(Vec<Finding>, ExitCode), Exit> {
    let config = common.load()?;
    // First of all: whether the state folder is ours to put an index into.
    let local = Local::open(common)?;
    let identities = args.keys.read()?;
    let path = match (&args.index, identities.is_empty()) {
        (Some(path), false) => path.clone(),
        (None, false) => index::of_auditor(&config.server.name)?,
        (_, true) => index::of_state(&config),
    };
    let shelf = Shelf::open(&config)?;
    let mut ready = |recording| stored::ready(recording, shelf.as_ref(), &identities);
    let (hits, refreshed) = index::look(&path, &config.recordings.dir, query, &mut ready)?;
    let found = u64::try_from(hits.len().min(args.limit.into())).unwrap_or(u64::MAX);
    block_on(local.note(Entry::RecordingsSearched { text: args.text.clone(), hits: found, by: operator() }))?;
    Ok((hits.into_iter().map(Finding::from).collect(), remark(&refreshed)))
}

fn query(args: &Args) -> Result<Query, Exit> {
    let mut kinds = args.kind.clone();
    match (args.input, kinds.contains(&TextKind::Input)) {
        (false, true) => return Err(Exit::usage("what was typed is searched only with --input")),
        (true, false) if kinds.is_empty() => kinds.extend(TextKind::ALL),
        (true, false) => kinds.push(TextKind::Input),
        _ => {}
    }
    // One more than is shown, to tell whether there is more.
    let limit = usize::from(args.limit) + 1;
    Ok(Query {
        text: Some(args.text.clone()),
        session: None,
        user: args.user.clone(),
        target: args.target.clone(),
        verdict: args.verdict.map(|verdict| word(verdict).to_owned()),
        kinds,
        since_us: args.since.map(Timestamp::as_microsecond),
        until_us: args.until.map(Timestamp::as_microsecond),
        limit,
        per_session: limit,
    })
}

fn show(args: &Args, findings: &[Finding]) -> Result<(), Exit> {
    let mut page = Page::stdout();
    if args.json {
        page.json(&findings)?;
    } else {
        let rows: Vec<_> = findings.iter().map(row).collect();
        page.table_of_hits(["SESSION", "TIME", "PRINCIPAL", "TARGET", "KIND", "TEXT"], &rows, &args.text)?;
    }
    page.flush()?;
    if let (Some(first), false) = (findings.first(), args.json) {
        let session = Printable(&first.session).to_string();
        print::note(&format!("to see the first: bartizan recordings play {session} --at {}", first.at_us / 1_000_000));
    }
    Ok(())
}

fn row(finding: &Finding) -> [String; 6] {
    let verdict = finding.verdict.as_ref().filter(|verdict| *verdict != "allow").map(|verdict| format!(" ({verdict})")).unwrap_or_default();
    let kind = format!("{}{verdict}", finding.kind);
    [finding.session.clone(), finding.time.clone(), finding.principal.clone(), finding.target.clone(), kind, finding.text.clone()]
}

/// Says what was not searched. A search that had to leave out what it should have read is not complete.
fn remark(refreshed: &Refreshed) -> ExitCode {
    let recordings = |n: u64| if n == 1 { "1 recording was".to_owned() } else { format!("{n} recordings were") };
    if refreshed.locked > 0 {
        print::note(&format!("{} not searched: encrypted", recordings(refreshed.locked)));
    }
    let Some((dir, error)) = refreshed.failed.first() else { return ExitCode::SUCCESS };
    let count = recordings(u64::try_from(refreshed.failed.len()).unwrap_or(u64::MAX));
    let why = Printable(&error.to_string()).to_string();
    print::note(&format!("{count} not searched, the first {}: {why}", Printable(&dir.display().to_string())));
    ExitCode::from(3)
}
