//! `bartizan serve`: runs the bastion until SIGTERM.

use std::process::ExitCode;

use crate::daemon;

use super::{Common, Exit};

/// Options of `bartizan serve`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(common: &Common, _args: &Args) -> Result<ExitCode, Exit> {
    let config = common.load_whole()?;
    daemon::set_up_logs();
    let runtime = daemon::runtime().map_err(|e| Exit::incomplete(format!("the runtime does not start: {e}")))?;
    runtime.block_on(daemon::serve(config)).map_err(|e| Exit::incomplete(format!("cannot serve: {e}")))?;
    Ok(ExitCode::SUCCESS)
}
