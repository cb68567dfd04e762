//! `bartizan cert`: `ssh BASTION cert`, with the user's own ssh. The public key comes in, the certificate goes out.

use std::io::{self, IsTerminal};
use std::process::{Command, ExitCode};

use super::bastion::{Way, judge};
use super::{Common, Exit};

/// Options of `bartizan cert`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    way: Way,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let bastion = args.way.bastion(common)?;
    if io::stdin().is_terminal() {
        return Err(Exit::usage("give a public key on standard input, as in: bartizan cert < ~/.ssh/id_ed25519.pub"));
    }
    let status = Command::new("ssh").args(args.way.ssh(&bastion, &[], "cert")).status();
    judge(status.map_err(|e| Exit::incomplete(format!("ssh cannot be run: {e}")))?)?;
    Ok(ExitCode::SUCCESS)
}
