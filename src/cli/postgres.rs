//! `bartizan postgres`: what a PostgreSQL target and the policies say about each other. Reads the server's catalogs with the bastion's
//! own credential; changes nothing there.

mod grants;
mod script;

use std::process::ExitCode;

use bartizan_policies::sql::{Needs, Reach};
use bartizan_policies::{PolicySet, Target};
use clap::Subcommand;

use super::local::on_a_big_stack;
use super::{Common, Exit};
use crate::upstream::Survey;

/// Options of `bartizan postgres`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the grants, column by column, that the policies need of the role that the bastion logs in as
    #[command(after_help = grants::EXAMPLES)]
    Grants(grants::Args),
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    match &args.what {
        What::Grants(args) => grants::run(common, args),
    }
}

/// What the policies need of a database, and what policies with a mask name that it does not have.
pub(super) fn needs(set: &PolicySet, target: &Target, survey: &Survey) -> Result<(Needs, Vec<(String, String)>), Exit> {
    on_a_big_stack(|| {
        let reach = Reach::new(set, target, &survey.catalog);
        (reach.needs(), reach.absent())
    })
}
