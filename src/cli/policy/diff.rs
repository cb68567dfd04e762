//! `bartizan policy diff`: what a change of policies would have changed, had it been in force. Asks both sets what the bastion
//! asked, as the audit log has it; the log is verified first. Changes nothing.

mod replay;
mod tally;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bartizan_policies::{Known, PolicySet};
use jiff::Timestamp;
use serde_json::json;

use super::files::{self, Texts};
use crate::audit::{self, Finding, Records};
use crate::cli::local::now;
use crate::cli::print::{Page, note};
use crate::cli::progress::bar;
use crate::cli::{Common, Exit};
use crate::config::Config;
use crate::model::Printable;
use replay::{Asks, Replay};
use tally::Tally;

pub(super) const EXAMPLES: &str = "\
Examples:
  bartizan policy diff policies/ new-policies/      what would change if the new ones were in force
  bartizan policy diff policies.before --days 7     from an older set to the configured one
  bartizan policy diff old.cedar new.cedar --json

Only what was recorded can be replayed: what nobody tried in these days does not show.";

/// Options of `bartizan policy diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policies as they are or were: a file, or a folder with *.cedar files
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The policies as they would be; without it, the configured folder
    #[arg(value_name = "NEW")]
    new: Option<PathBuf>,
    /// Replay what was recorded in so many days before now
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=36500))]
    days: u32,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let config = files::config(common)?;
    let new = args.new.clone().unwrap_or_else(|| config.policies.dir.clone());
    let (old_texts, new_texts) = (texts(&args.old)?, texts(&new)?);
    let asks = Asks::of(old_texts.iter().chain(&new_texts).map(|(_, text)| text.as_str()));
    let sets = [files::load(old_texts, &Known::default())?, files::load(new_texts, &Known::default())?];
    let since = now().checked_sub(jiff::SignedDuration::from_hours(i64::from(args.days) * 24)).unwrap_or(Timestamp::MIN);
    let verified = verify(&config)?;
    let tally = replay(&config, &sets, asks, since, verified)?;
    let mut page = Page::stdout();
    if args.json {
        page.json(&json!({
            "days": args.days,
            "since": since,
            "old": { "path": args.old.display().to_string(), "policies": sets[0].len(), "digest": sets[0].digest_hex() },
            "new": { "path": new.display().to_string(), "policies": sets[1].len(), "digest": sets[1].digest_hex() },
            "replayed": tally.replayed,
            "changed": tally.changed(),
            "principals": tally.as_json(),
            "not_replayed": tally.skipped_json(),
        }))?;
    } else {
        let [old_count, new_count] = [&sets[0], &sets[1]].map(PolicySet::len);
        let title = format!("{} ({old_count} policies) -> {} ({new_count} policies)", files::shown(&args.old), files::shown(&new));
        page.line(&page.strong(&title))?;
        tally.told(&mut page, args.days)?;
    }
    page.flush()?;
    Ok(ExitCode::from(u8::from(tally.changed() > 0)))
}

fn texts(path: &Path) -> Result<Texts, Exit> {
    files::policies(&[path.to_owned()])
}

/// How many lines of the log fit. One that was tampered with tells nothing.
fn verify(config: &Config) -> Result<u64, Exit> {
    let state_dir = &config.server.state_dir;
    let key = audit::read_public_key(&audit::public_key_file(state_dir)).map_err(|error| Exit::incomplete(shown(&error)))?;
    let report = audit::verify(&audit::folder(state_dir), &key).map_err(|error| Exit::incomplete(shown(&error)))?;
    match report.finding {
        Finding::Ok => {}
        Finding::Tampered { line, what } => {
            return Err(Exit::incomplete(format!("the audit log was tampered with at line {line}: {}", Printable(&what))));
        }
        Finding::Incomplete { what } if report.entries == 0 => {
            return Err(Exit::incomplete(format!("the audit log has nothing to replay: {}", Printable(&what))));
        }
        Finding::Incomplete { what } => note(&format!("the end of the audit log is not verified: {}", Printable(&what))),
    }
    Ok(report.entries)
}

/// Asks both sets about every decision since `since`, in the first `lines` of the log.
fn replay(config: &Config, sets: &[PolicySet; 2], asks: Asks, since: Timestamp, lines: u64) -> Result<Tally, Exit> {
    let failed = |error| Exit::incomplete(shown(&error));
    let records = Records::open(&audit::folder(&config.server.state_dir)).map_err(failed)?;
    let progress = bar(records.size().map_err(failed)?, "replaying");
    let mut replay = Replay::new(config, sets, asks);
    let mut bytes = 0;
    for record in records {
        let record = record.map_err(failed)?;
        if record.seq > lines {
            break;
        }
        bytes += record.line.len() as u64 + 1;
        if record.seq % 1024 == 0 {
            progress.set_position(bytes);
        }
        if record.kind == "decision" && record.time >= since {
            replay.take(record.time, record.entry);
        }
    }
    progress.finish_and_clear();
    Ok(replay.tally)
}

fn shown(error: &audit::AuditError) -> String {
    Printable(&error.to_string()).to_string()
}
