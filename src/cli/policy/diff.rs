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
use crate::cli::local::{now, past};
use crate::cli::log;
use crate::cli::print::Page;
use crate::cli::{Common, Exit};
use crate::config::Config;
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
    /// The same by a moment or a span: 2026-11-22, 12h
    #[arg(long, value_name = "WHEN", value_parser = past, conflicts_with = "days")]
    since: Option<Timestamp>,
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
    let (since, when) = args.when();
    let tally = replay(&config, &sets, asks, since)?;
    let mut page = Page::stdout();
    if args.json {
        page.json(&json!({
            "days": args.since.is_none().then_some(args.days),
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
        tally.told(&mut page, &when)?;
    }
    page.flush()?;
    Ok(ExitCode::from(u8::from(tally.changed() > 0)))
}

fn texts(path: &Path) -> Result<Texts, Exit> {
    files::policies(&[path.to_owned()])
}

impl Args {
    /// Since when, and how that is said.
    fn when(&self) -> (Timestamp, String) {
        match self.since {
            Some(since) => (since, format!("since {since:.0}")),
            None => {
                let ago = jiff::SignedDuration::from_hours(i64::from(self.days) * 24);
                let days = super::check::count(usize::try_from(self.days).unwrap_or(usize::MAX), "day");
                (now().checked_sub(ago).unwrap_or(Timestamp::MIN), format!("of the last {days}"))
            }
        }
    }
}

/// Asks both sets about every decision since `since`. A log that was tampered with tells nothing.
fn replay(config: &Config, sets: &[PolicySet; 2], asks: Asks, since: Timestamp) -> Result<Tally, Exit> {
    let mut replay = Replay::new(config, sets, asks);
    log::read(config, "replaying", &mut |time, entry| {
        if time >= since && log::kind(&entry) == "decision" {
            replay.take(time, entry);
        }
    })?;
    Ok(replay.tally)
}
