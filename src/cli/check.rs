//! `bartizan check`: every problem of the configuration and the policies at once, without starting anything.

use std::process::ExitCode;

use crate::config::{Config, Problems};
use crate::enforce::load_dir;

use super::print::{json, out};
use super::{Common, Exit};

/// Options of `bartizan check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let (problems, summary) = match Config::load(&common.config) {
        Ok(config) => match load_dir(&config) {
            Ok(set) => (Vec::new(), format!("{} issuers, {} targets, {} policies", config.issuers.len(), config.targets.len(), set.len())),
            Err(problems) => (problems, String::new()),
        },
        Err(Problems(problems)) => (problems.iter().map(ToString::to_string).collect(), String::new()),
    };
    if args.json {
        json(&serde_json::json!({ "ok": problems.is_empty(), "problems": problems }))?;
    }
    if problems.is_empty() {
        if !args.json {
            out(&format!("{}: good ({summary})\n", common.config.display()))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if args.json { Ok(ExitCode::from(2)) } else { Err(Exit::usage(format!("{} problems\n{}", problems.len(), problems.join("\n")))) }
}
