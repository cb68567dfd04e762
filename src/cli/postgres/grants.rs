//! `bartizan postgres grants`: a script for psql that leaves the role with what the policies need, and no more. It is printed; who
//! owns the tables reads it and runs it.

use std::process::ExitCode;

use serde_json::json;

use super::script::Script;
use crate::cli::local::{block_on, secrets};
use crate::cli::print::{json as print_json, note, out};
use crate::cli::{Common, Exit};
use crate::config::TargetAccess;
use crate::enforce::{as_target, load_dir};
use crate::model::{Login, Printable, TargetName};
use crate::upstream::Survey;

pub(super) const EXAMPLES: &str = "\
Examples:
  bartizan postgres grants orders > grants.sql              and then, as the tables' owner: psql -d orders -f grants.sql
  bartizan postgres grants orders --database audit --login app_ro
  bartizan postgres grants orders --with-masked             what everybody has masked stays readable, to be shown masked";

/// Options of `bartizan postgres grants`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The target
    #[arg(value_name = "TARGET")]
    name: TargetName,
    /// The database; the target's first if it is not given
    #[arg(long)]
    database: Option<String>,
    /// The role; the target's first if it is not given
    #[arg(long, value_name = "ROLE")]
    login: Option<Login>,
    /// Grant columns that everybody has masked as well: without them a statement that names one is refused by the server
    #[arg(long)]
    with_masked: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let config = common.load_whole()?;
    let found = config.targets.iter().find(|target| target.name == args.name);
    let target = found.ok_or_else(|| Exit::refused(format!("there is no target {}; `bartizan targets` lists all", args.name)))?;
    let TargetAccess::Postgres(postgres) = &target.access else {
        return Err(Exit::refused(format!("{} is a {} target; grants are for databases", target.name, target.kind())));
    };
    if target.is_published() {
        return Err(Exit::refused(format!(
            "{} is reached through whoever publishes it to the bastion that runs, and cannot be asked from here; run this where its server can be dialled",
            target.name
        )));
    }
    let database = match &args.database {
        Some(name) if !postgres.databases.contains(name) => {
            return Err(Exit::refused(format!(
                "{} offers no database {}; it has {}",
                target.name,
                Printable(name),
                postgres.databases.join(", ")
            )));
        }
        Some(name) => Some(name),
        None => postgres.databases.first(),
    };
    let user = match &args.login {
        Some(login) => postgres.user(login),
        None => postgres.users.first(),
    };
    let (Some(database), Some(user)) = (database, user) else {
        let roles: Vec<&str> = postgres.users.iter().map(|user| user.name.as_str()).collect();
        return Err(Exit::refused(format!("{} offers no such role; it has {}", target.name, roles.join(", "))));
    };
    let set = load_dir(&config).map_err(|problems| Exit::usage(problems.join("\n")))?;
    let taken = block_on(async { Ok(Survey::take(&secrets(&config), &target.name, postgres, user, database).await) })?;
    let survey = taken.map_err(|refusal| Exit::incomplete(Printable(&refusal.sentence).to_string()))?;
    let (needs, _) = super::needs(&set, &as_target(target), &survey)?;
    let script = Script::new(&needs, &survey, args.with_masked);
    if args.json {
        let masked: Vec<_> = script.masked.iter().map(|column| json!({
            "table": column.table, "column": column.column, "policies": column.policies, "granted": args.with_masked, "still": column.still,
        })).collect();
        let role = &survey.role;
        print_json(&json!({
            "target": target.name.as_str(), "database": database, "role": role, "major": survey.catalog.rows().major,
            "statements": script.statements, "masked": masked, "notes": script.notes,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    out(&script.text(target.name.as_str(), database, &survey))?;
    let left = script.masked.iter().filter(|column| column.still.is_some() && !args.with_masked).count();
    if left > 0 {
        note(&format!("{left} of the columns that everybody has masked stay readable after this; the script says why"));
    }
    Ok(ExitCode::SUCCESS)
}
