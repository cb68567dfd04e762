//! Checks as lines and as JSON, and what examines the transparency log, for every command that verifies.

use std::path::{Path, PathBuf};

use bartizan_recorder::tlog::NoteKey;
use bartizan_recorder::{Check, Files, InLog, Outcome, Report};

use super::local::now;
use super::print::Page;
use super::progress::bar;
use super::{Common, Exit};
use crate::audit::{self, Lines};
use crate::config::Config;
use crate::ledger::{self, Examined, Examiner};
use crate::model::Printable;

/// Which transparency log is compared with.
#[derive(Debug, clap::Args)]
pub(super) struct LogArgs {
    /// A folder with a copy of the transparency log; else `tlog` in the state folder
    #[arg(long, value_name = "DIR", requires = "log_key")]
    log: Option<PathBuf>,
    /// The log's public key, as in keys/tlog.vkey, or a file with it
    #[arg(long, value_name = "KEY")]
    log_key: Option<String>,
    /// The public key of a witness, or a file with it; else those of the configuration
    #[arg(long, value_name = "KEY")]
    witness_key: Vec<String>,
    /// A checkpoint of this log that comes from elsewhere, from a witness or kept from another day: the log must go on from it
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
}

/// A log that can be examined.
pub(super) struct Log {
    dir: PathBuf,
    /// None where it is not there.
    key: Option<NoteKey>,
    witnesses: Vec<NoteKey>,
    known: Vec<String>,
}

impl LogArgs {
    /// The keys that were given.
    pub(super) fn keys(&self) -> Result<(Option<NoteKey>, Vec<NoteKey>), Exit> {
        let witnesses = self.witness_key.iter().map(|text| key_of(text)).collect::<Result<_, _>>()?;
        Ok((self.log_key.as_deref().map(key_of).transpose()?, witnesses))
    }

    /// The log that was named, or that of the configuration; `None` without either.
    pub(super) fn log(&self, config: Option<&Config>) -> Result<Option<Log>, Exit> {
        let state_dir = config.map(|config| &config.server.state_dir);
        let Some(dir) = self.log.clone().or_else(|| state_dir.map(|dir| ledger::folder(dir))) else { return Ok(None) };
        let key = match (&self.log_key, state_dir) {
            (Some(text), _) => Some(key_of(text)?),
            (None, Some(state_dir)) => {
                let path = ledger::public_key_file(state_dir);
                let there = !matches!(path.try_exists(), Ok(false));
                // Before the first entry of the audit log there is no log.
                if !there && Lines::open(&audit::folder(state_dir))?.is_none_or(|mut lines| lines.next().is_none()) {
                    return Ok(None);
                }
                if there { Some(ledger::read_public_key(&path)?) } else { None }
            }
            (None, None) => return Ok(None),
        };
        let named = self.witness_key.iter().map(|text| key_of(text)).collect::<Result<Vec<_>, _>>()?;
        let configured = || config.map(|config| config.witnesses.iter().map(|witness| witness.key.clone()).collect()).unwrap_or_default();
        let witnesses = if named.is_empty() { configured() } else { named };
        let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(|e| Exit::incomplete(format!("{}: {e}", path.display())));
        let known = self.checkpoint.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Some(Log { dir, key, witnesses, known }))
    }
}

impl Log {
    /// The log of a bastion.
    pub(super) fn of(config: &Config) -> Result<Option<Self>, Exit> {
        LogArgs { log: None, log_key: None, witness_key: Vec::new(), checkpoint: Vec::new() }.log(Some(config))
    }

    /// Its folder, its key, and those of its witnesses.
    pub(super) fn parts(&self) -> Option<(&Path, &NoteKey, &[NoteKey])> {
        Some((&self.dir, self.key.as_ref()?, &self.witnesses))
    }

    /// Examines it, with a bar for whoever watches; compares it with the entries of an audit log.
    pub(super) fn examine(&self, entries: Option<Lines>) -> Examined {
        let Some((dir, key, witnesses)) = self.parts() else {
            let mut found = Examined::default();
            let why = "there is an audit log, but no transparency log and no key of it: the next start begins one, or it was removed";
            found.report.add("checkpoint", Outcome::Incomplete, why);
            return found;
        };
        let examiner = Examiner { dir, key, witnesses, known: &self.known, now: now() };
        let bar = super::progress::counter("reading the transparency log");
        let found = examiner.examine(entries, &mut |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        found
    }
}

/// A key, or a file that holds one.
pub(super) fn key_of(text: &str) -> Result<NoteKey, Exit> {
    if let Ok(key) = NoteKey::parse(text.trim()) {
        return Ok(key);
    }
    ledger::read_public_key(Path::new(text)).map_err(|error| Exit::usage(Printable(&error.to_string()).to_string()))
}

/// The configuration, if there is one.
pub(super) fn config_if_any(common: &Common) -> Result<Option<Config>, Exit> {
    if matches!(common.config.try_exists(), Ok(false)) { Ok(None) } else { common.load().map(Some) }
}

/// The exit code of a verification.
pub(super) fn code(worst: Outcome) -> std::process::ExitCode {
    std::process::ExitCode::from(match worst {
        Outcome::Good => 0,
        Outcome::Tampered => 1,
        Outcome::Incomplete => 3,
    })
}

/// One check as a line.
pub(super) fn line(check: &Check) -> String {
    format!("  {:<10} {:<10} {}", check.outcome.to_string(), check.name, Printable(&check.detail))
}

/// A whole report below its title.
pub(super) fn print(page: &mut Page, title: &str, report: &Report) -> Result<(), Exit> {
    let head = format!("{} {}", Printable(title), report.outcome());
    let head = if report.outcome() == Outcome::Tampered { page.alarming(&head) } else { page.strong(&head) };
    page.line(&head)?;
    report.checks.iter().try_for_each(|check| page.line(&line(check)))
}

/// A whole report as JSON.
pub(super) fn json(title: &str, report: &Report) -> serde_json::Value {
    serde_json::json!({ "id": title, "outcome": report.outcome().to_string(), "checks": checks_json(report) })
}

/// Its checks alone.
pub(super) fn checks_json(report: &Report) -> Vec<serde_json::Value> {
    let one = |c: &Check| serde_json::json!({"check": c.name, "outcome": c.outcome.to_string(), "detail": c.detail});
    report.checks.iter().map(one).collect()
}

/// Verifies a recording with a bar, comparing it with the log if there is one; `is_part` where it is a copy without what was typed.
pub(super) fn recording(dir: &Path, keys: &[ed25519_dalek::VerifyingKey], log: Option<&Examined>, is_part: bool) -> Report {
    let total = std::fs::metadata(dir.join("c0.brec")).map_or(0, |m| m.len());
    let verify = if is_part { bartizan_recorder::verify_without_input } else { bartizan_recorder::verify_logged };
    watched(total, log, &mut |log, progress| verify(dir, keys, log, progress))
}

/// The same for one whose files lie elsewhere.
pub(super) fn files(files: &dyn Files, total: u64, keys: &[ed25519_dalek::VerifyingKey], log: Option<&Examined>) -> Report {
    watched(total, log, &mut |log, progress| bartizan_recorder::verify_files(files, keys, log, progress))
}

type Verifying<'a> = dyn FnMut(Option<&InLog<'_>>, &mut dyn FnMut(u64)) -> Report + 'a;

fn watched(total: u64, log: Option<&Examined>, verify: &mut Verifying<'_>) -> Report {
    let bar = bar(total, "verifying");
    let now_us = now().as_microsecond();
    let log = log.map(|found| InLog { sessions: &found.sessions, now_us });
    let report = verify(log.as_ref(), &mut |at| bar.set_position(at));
    bar.finish_and_clear();
    report
}
