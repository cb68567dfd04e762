//! `recordings search`: brings the index up to the recordings, asks it, notes in the audit log who asked for what, and only
//! then shows what was found. The index, `search.db` in the state folder, is derived: one that cannot be read is made anew.

use std::path::Path;
use std::process::ExitCode;

use bartizan_recorder::{Hit, Query, Recording, Refreshed, SearchError, SearchIndex, TextKind};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;
use serde::Serialize;

use crate::audit::Entry;
use crate::cli::local::{Local, block_on, operator, past};
use crate::cli::print::{self, Page};
use crate::cli::progress::counter;
use crate::cli::{Common, Exit};
use crate::model::Printable;

use super::show::moment;
use super::stored::Shelf;

/// What `--help` says below the options.
pub(super) const AFTER: &str = "Sessions are found once they have ended; those begun last come first. Encrypted recordings are left out, \
and counted on standard error. Exit code 0 also where nothing is found; 3 where a recording could not be read. Each search is written to \
the audit log.";

/// Options of `recordings search`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to look for, in whatever case: three characters or more, taken as they stand
    #[arg(value_name = "TEXT", value_parser = text)]
    text: String,
    /// Only of principals whose name (ISSUER/NAME) holds this
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only at this target; `*` stands for any characters
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Only operations that policy decided so
    #[arg(long, value_name = "VERDICT", value_parser = ["allow", "hold", "deny"])]
    verdict: Option<String>,
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

fn text(text: &str) -> Result<String, String> {
    if text.chars().count() < 3 { Err("write three characters or more".to_owned()) } else { Ok(text.to_owned()) }
}

fn kinds() -> impl TypedValueParser<Value = TextKind> {
    let names = PossibleValuesParser::new(TextKind::ALL.iter().map(|kind| kind.name()));
    names.try_map(|name| TextKind::named(&name).ok_or("there is no such kind"))
}

#[derive(Serialize)]
struct Shown<'a> {
    session: &'a str,
    time: String,
    at_us: u64,
    principal: &'a str,
    target: &'a str,
    kind: &'static str,
    verdict: Option<&'a str>,
    text: &'a str,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let query = query(args)?;
    let config = common.load()?;
    // First of all: whether the state folder is ours to put an index into.
    let local = Local::open(common)?;
    let shelf = Shelf::open(&config)?;
    let path = config.server.state_dir.join("search.db");
    let (mut hits, refreshed) = look(&path, &config.recordings.dir, &query, shelf.as_ref()).map_err(failed)?;
    let more = hits.len() > usize::from(args.limit);
    hits.truncate(args.limit.into());
    let found = u64::try_from(hits.len()).unwrap_or(u64::MAX);
    block_on(local.note(Entry::RecordingsSearched { text: args.text.clone(), hits: found, by: operator() }))?;
    show(args, &hits)?;
    if more {
        print::note(&format!("there is more than these {found}; --limit shows more of it"));
    }
    Ok(remark(&refreshed))
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
        user: args.user.clone(),
        target: args.target.clone(),
        verdict: args.verdict.clone(),
        kinds,
        since_us: args.since.map(Timestamp::as_microsecond),
        until_us: args.until.map(Timestamp::as_microsecond),
        limit,
        per_session: limit,
    })
}

fn look(path: &Path, root: &Path, query: &Query, shelf: Option<&Shelf>) -> Result<(Vec<Hit>, Refreshed), SearchError> {
    match SearchIndex::open(path).and_then(|index| look_in(index, root, query, shelf)) {
        Err(error) if error.is_spoilt() => {
            print::note(&format!("{} is made anew: {}", path.display(), Printable(&error.to_string())));
            look_in(SearchIndex::renew(path)?, root, query, shelf)
        }
        other => other,
    }
}

fn look_in(mut index: SearchIndex, root: &Path, query: &Query, shelf: Option<&Shelf>) -> Result<(Vec<Hit>, Refreshed), SearchError> {
    let bar = counter("indexing");
    // What is encrypted is left out; what lies in the object store is read from there, once.
    let mut ready = |recording: Recording| shelf.filter(|_| !recording.is_encrypted())?.ready(recording).ok();
    let refreshed = index.refresh(root, &mut ready, &mut |behind, all| {
        bar.set_length(all);
        bar.set_position(behind);
    });
    bar.finish_and_clear();
    let refreshed = refreshed?;
    Ok((index.search(query)?, refreshed))
}

fn failed(error: SearchError) -> Exit {
    Exit::incomplete(Printable(&error.to_string()).to_string())
}

fn show(args: &Args, hits: &[Hit]) -> Result<(), Exit> {
    let mut page = Page::stdout();
    if args.json {
        page.json(&hits.iter().map(shown).collect::<Vec<_>>())?;
    } else {
        let rows: Vec<_> = hits.iter().map(row).collect();
        page.table_of_hits(["SESSION", "TIME", "PRINCIPAL", "TARGET", "KIND", "TEXT"], &rows, &args.text)?;
    }
    page.flush()?;
    if let (Some(first), false) = (hits.first(), args.json) {
        print::note(&format!("to see the first: bartizan recordings play {} --at {}", first.session.as_str(), first.at_us / 1_000_000));
    }
    Ok(())
}

fn time(hit: &Hit) -> String {
    moment(hit.started_us.saturating_add_unsigned(hit.at_us))
}

fn shown(hit: &Hit) -> Shown<'_> {
    Shown {
        session: hit.session.as_str(),
        time: time(hit),
        at_us: hit.at_us,
        principal: &hit.principal,
        target: &hit.target,
        kind: hit.kind.name(),
        verdict: hit.verdict.as_deref(),
        text: &hit.snippet,
    }
}

fn row(hit: &Hit) -> [String; 6] {
    let verdict = hit.verdict.as_ref().filter(|verdict| *verdict != "allow").map(|verdict| format!(" ({verdict})")).unwrap_or_default();
    let kind = format!("{}{verdict}", hit.kind.name());
    [hit.session.as_str().to_owned(), time(hit), hit.principal.clone(), hit.target.clone(), kind, hit.snippet.clone()]
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
