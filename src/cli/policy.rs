//! `bartizan policy`: what the people who write policies need before these are in force. Reads policies, the configuration and the
//! audit log; connects to nothing, and changes no file but those that `format` is given.

mod check;
mod diff;
mod explain;
mod files;
mod format;
mod ground;
mod point;
mod suggest;
mod test;

use std::process::ExitCode;

use clap::Subcommand;

pub(super) use check::count;
pub(super) use ground::Ground;

use super::print::out;
use super::{Common, Exit};

/// Options of `bartizan policy`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Find every mistake in policies: exit code 0 none, 1 some, 3 they cannot be read
    #[command(after_help = check::EXAMPLES)]
    Check(check::Args),
    /// Run the cases beside the policies (*.test.toml): exit code 0 all hold, 1 some do not, 3 they cannot be run
    #[command(after_help = test::EXAMPLES)]
    Test(test::Args),
    /// Show what policy would say, and why: exit code 0 allow, 1 deny, 4 held, 3 it cannot be told
    #[command(after_help = explain::EXAMPLES)]
    Explain(Box<explain::Args>),
    /// Write policies in the one form, meaning and comments unchanged: exit code 0 done, 1 with --check where a file would change
    #[command(after_help = format::EXAMPLES)]
    Format(format::Args),
    /// Replay the recorded operations through two sets of policies: exit code 0 nothing would change, 1 something would, 3 the log
    /// or the policies cannot be read or were tampered with
    #[command(after_help = diff::EXAMPLES)]
    Diff(diff::Args),
    /// Write the narrowest policies that permit what a principal did, from the audit log: exit code 0 done, 1 it did nothing, 3 they
    /// cannot be told, or would not permit all of it
    #[command(after_help = suggest::EXAMPLES)]
    Suggest(suggest::Args),
    /// Print the Cedar schema that policies are checked against, for editors
    Schema,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    match &args.what {
        What::Check(args) => check::run(common, args),
        What::Test(args) => test::run(common, args),
        What::Explain(args) => explain::run(common, args),
        What::Format(args) => format::run(common, args),
        What::Diff(args) => diff::run(common, args),
        What::Suggest(args) => suggest::run(common, args),
        What::Schema => {
            out(bartizan_policies::SCHEMA)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
