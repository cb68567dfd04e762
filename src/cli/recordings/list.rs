//! `recordings list`: recordings here or at a bastion far away, newest first.

use std::collections::HashSet;
use std::process::ExitCode;

use bartizan_recorder::{Filter, Found, Query};
use jiff::Timestamp;

use crate::audit::{Entry, Verdict};
use crate::cli::local::{Local, block_on, operator, past};
use crate::cli::print::{Page, cut};
use crate::cli::{Common, Exit};
use crate::control::recordings::{Listed, Listing};

use super::source::From;
use super::stored::{self, Shelf};
use super::{index, verdict};

/// Options of `recordings list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    from: From,
    /// Only of principals whose name holds this
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only at this target; `*` stands for any characters
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Only of this kind: `ssh`, `ssh.shell`, `ssh.exec`, `ssh.sftp`
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only those with an operation that policy decided so
    #[arg(long, value_name = "VERDICT", value_parser = verdict)]
    verdict: Option<Verdict>,
    /// Only those in which this was recorded: three characters or more, as for `recordings search`
    #[arg(long, value_name = "TEXT", value_parser = super::search::text)]
    text: Option<String>,
    /// Only those begun since then: a span (`2h`, `7d`) or a moment in UTC
    #[arg(long, value_name = "TIME", value_parser = past)]
    since: Option<Timestamp>,
    /// Only those begun before then
    #[arg(long, value_name = "TIME", value_parser = past)]
    until: Option<Timestamp>,
    /// Show so many at most; without it all, or 10000 of a bastion far away
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let mut page = Page::stdout();
    let List { listed, unreadable, away } = match args.from.connect(common)? {
        Some(mut remote) => List { listed: remote.ask("recordings", &asked(args))?, ..List::default() },
        None => here(common, args)?,
    };
    if args.json {
        page.json(&listed)?;
    } else {
        let rows: Vec<_> = unreadable.into_iter().chain(listed.iter().map(row)).collect();
        page.table(["SESSION", "STARTED", "LENGTH", "PRINCIPAL", "TARGET", "KIND", "ENCRYPTED", "WHAT"], &rows)?;
    }
    page.flush()?;
    match away {
        Some(exit) => Err(exit.after("only what lies here is listed, as the object store cannot be asked for the rest")),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// What is listed.
#[derive(Default)]
struct List {
    listed: Vec<Listed>,
    /// The rows of those that cannot be read.
    unreadable: Vec<[String; 8]>,
    /// Why what lies only in the object store is not among them.
    away: Option<Exit>,
}

fn asked(args: &Args) -> Listing {
    Listing {
        principal: args.user.clone(),
        target: args.target.clone(),
        kind: args.kind.clone(),
        verdict: args.verdict,
        since: args.since,
        until: args.until,
        text: args.text.clone(),
        limit: Some(args.limit.unwrap_or(10_000)),
    }
}

/// What lies here and in the object store.
fn here(common: &Common, args: &Args) -> Result<List, Exit> {
    let config = common.load()?;
    let root = &config.recordings.dir;
    let filter = Filter {
        user: args.user.clone(),
        target: args.target.clone(),
        kind: args.kind.clone(),
        since_us: args.since.map(Timestamp::as_microsecond),
        until_us: args.until.map(Timestamp::as_microsecond),
    };
    let holding = holding(common, args)?;
    let mut found = bartizan_recorder::list(root, &filter).map_err(|e| Exit::incomplete(format!("{}: {e}", root.display())))?;
    let mut away = None;
    if let Some(shelf) = Shelf::open(&config)? {
        let known = found.iter().map(|one| one.session.clone()).collect();
        match shelf.others(&filter, &known) {
            Ok(others) => found.extend(others),
            Err(exit) => away = Some(exit),
        }
    }
    let most = args.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let wanted = |found: &&Found| holding.as_ref().is_none_or(|holding| holding.contains(found.session.as_str()));
    let (mut listed, mut unreadable) = (Vec::new(), Vec::new());
    for one in found.iter().filter(wanted).take(most) {
        match &one.recording {
            Ok(recording) => listed.push(Listed::of(recording)),
            Err(error) => {
                let nothing = String::new;
                let session = one.session.as_str().to_owned();
                unreadable.push([session, nothing(), nothing(), nothing(), nothing(), "unreadable".into(), nothing(), error.to_string()]);
            }
        }
    }
    Ok(List { listed, unreadable, away })
}

/// The sessions in which the text was recorded, or that have an operation of the verdict; noted in the audit log as a search.
fn holding(common: &Common, args: &Args) -> Result<Option<HashSet<String>>, Exit> {
    if args.text.is_none() && args.verdict.is_none() {
        return Ok(None);
    }
    let local = Local::open(common)?;
    let verdict = args.verdict.map(|verdict| super::word(verdict).to_owned());
    let query = Query { text: args.text.clone(), verdict, limit: usize::MAX, per_session: 1, ..Query::default() };
    let config = common.load()?;
    let shelf = Shelf::open(&config)?;
    let mut ready = |recording| stored::ready(recording, shelf.as_ref(), &[]);
    let (hits, _) = index::look(&index::of_state(&config), &config.recordings.dir, &query, &mut ready)?;
    if let Some(text) = &args.text {
        let hits = u64::try_from(hits.len()).unwrap_or(u64::MAX);
        block_on(local.note(Entry::RecordingsSearched { text: text.clone(), hits, by: operator() }))?;
    }
    Ok(Some(hits.into_iter().map(|hit| hit.session.into()).collect()))
}

fn row(one: &Listed) -> [String; 8] {
    let length = one.duration_us.map_or_else(|| "live".to_owned(), |us| format!("{}s", us / 1_000_000));
    let login = one.login.as_ref().map(|login| format!("{login}@")).unwrap_or_default();
    let encrypted = if one.encrypted { "yes" } else { "no" }.to_owned();
    let what = cut(one.command.as_deref().unwrap_or_default(), 60);
    let target = format!("{login}{}", one.target);
    [one.id.clone(), one.started_at.clone(), length, one.principal.clone(), target, one.kind.clone(), encrypted, what]
}
