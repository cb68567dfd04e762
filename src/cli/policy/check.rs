//! `bartizan policy check`: every mistake in policies at once, each at its place. Changes nothing.

use std::path::PathBuf;
use std::process::ExitCode;

use bartizan_policies::{Gravity, PolicySet, Problem};
use serde::Serialize;

use super::files::{self, Chosen};
use super::point;
use crate::cli::print::{Page, note};
use crate::cli::{Common, Exit};

pub(super) const EXAMPLES: &str = "\
Examples:
  bartizan policy check                          the policies of the configuration
  bartizan policy check policies/ --json         for a machine, without a configuration if there is none
  bartizan policy check new.cedar --deny-warnings";

/// Options of `bartizan policy check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files, or folders with *.cedar files; without any, the configured folder
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Take a warning for a mistake: exit code 1
    #[arg(long)]
    deny_warnings: bool,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Findings {
    ok: bool,
    policies: usize,
    files: Vec<String>,
    errors: usize,
    warnings: usize,
    /// Whether names of issuers, targets and tags were compared with a configuration.
    names_checked: bool,
    problems: Vec<Problem>,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let chosen = Chosen::new(common, &args.paths)?;
    let texts = files::policies(&chosen.paths)?;
    let names = texts.iter().map(|(name, _)| name.clone()).collect();
    let (policies, problems) = match PolicySet::load(texts, &chosen.known()) {
        Ok(set) => (set.len(), set.warnings().to_vec()),
        Err(problems) => (0, problems),
    };
    let errors = problems.iter().filter(|problem| problem.gravity == Gravity::Error).count();
    let warnings = problems.len() - errors;
    let ok = errors == 0 && (warnings == 0 || !args.deny_warnings);
    let findings = Findings { ok, policies, files: names, errors, warnings, names_checked: chosen.config.is_some(), problems };
    let mut page = Page::stdout();
    if args.json {
        page.json(&findings)?
    } else {
        told(&mut page, &findings)?
    }
    page.flush()?;
    Ok(ExitCode::from(u8::from(!ok)))
}

fn told(page: &mut Page, findings: &Findings) -> Result<(), Exit> {
    for problem in &findings.problems {
        let text = point::at(problem, Some(page));
        page.line(&text)?;
    }
    if !findings.names_checked {
        note("there is no configuration, so names of issuers, targets and tags were not checked; give one with --config");
    }
    let files = count(findings.files.len(), "file");
    let policies = if findings.errors == 0 { format!("{} in {files}", count(findings.policies, "policy")) } else { files };
    let verdict = match (findings.errors, findings.warnings) {
        (0, 0) => page.pleasing("good"),
        (0, warnings) => page.warning(&count(warnings, "warning")),
        (errors, 0) => page.alarming(&count(errors, "error")),
        (errors, warnings) => format!("{}, {}", page.alarming(&count(errors, "error")), count(warnings, "warning")),
    };
    page.line(&format!("{policies}: {verdict}"))
}

/// `1 policy`, `2 policies`, `3 files`.
pub(in crate::cli) fn count(n: usize, what: &str) -> String {
    match (n, what.strip_suffix("cy")) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{n} {stem}cies"),
        (_, None) => format!("{n} {what}s"),
    }
}
