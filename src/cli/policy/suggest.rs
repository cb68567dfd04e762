//! `bartizan policy suggest`: the narrowest policies that would have permitted what a principal did, shown to permit that and nothing
//! else that is known. Prints them; changes nothing.

use std::process::ExitCode;

use jiff::Timestamp;

use super::check::count;
use super::format::formatted;
use super::ground::Ground;
use crate::cli::local::{now, on_a_big_stack, past};
use crate::cli::print::{Page, note};
use crate::cli::{Common, Exit};
use crate::model::{PrincipalId, Printable};
use crate::privilege::{Suggestion, suggest};

pub(super) const EXAMPLES: &str = "\
Examples:
  bartizan policy suggest ci/orders                        from what it did in the last 30 days
  bartizan policy suggest ci/orders --since 7d --target orders
  bartizan policy suggest ci/orders --permits-only > policies/ci-orders.cedar
  bartizan policy suggest ci/orders --json

They take the place of what permits the principal today. The forbids that matter to it are copied, so that these policies alone never
permit more than the present ones; with --permits-only the forbids are left where they are.";

/// Options of `bartizan policy suggest`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// For whom
    #[arg(value_name = "ISSUER/NAME")]
    principal: PrincipalId,
    /// From what was done since this moment, or this long ago
    #[arg(long, value_name = "WHEN", default_value = "30d", value_parser = past)]
    since: Timestamp,
    /// From what was done on this target alone; certificates are part of it
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Leave out the forbids of today, which stay in force
    #[arg(long)]
    permits_only: bool,
    /// Print the policies and what was found about them as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let ground = Ground::read(common, args.since)?;
    let id = args.principal.as_str();
    let asked = (id, args.target.as_deref(), now());
    // Commands and patterns are parsed.
    let found = on_a_big_stack(|| suggest((&ground.config, &ground.set, &ground.databases), args.permits_only, &ground.usage, asked))?;
    let found = found.map_err(|problems| {
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Exit::incomplete(format!("the suggestion is not valid, which is a fault in bartizan; please report it: {}", told.join("; ")))
    })?;
    let Some(found) = found else {
        return Err(Exit::refused(format!("the audit log has nothing that {} was permitted since {:.0}", Printable(id), args.since)));
    };
    let text = format!("{}{}", head(&found, &ground, args), formatted("the suggestion", &found.text)?);
    let mut page = Page::stdout();
    if args.json {
        let mut value = serde_json::to_value(&found).map_err(|error| Exit::incomplete(error.to_string()))?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("text".into(), text.into());
            fields.insert("since".into(), args.since.to_string().into());
            fields.insert("exact".into(), (found.beyond.is_empty() && found.missing.is_empty()).into());
        }
        page.json(&value)?;
    } else {
        text.lines().try_for_each(|line| page.line(line))?;
    }
    page.flush()?;
    tell(&found);
    Ok(ExitCode::from(if found.missing.is_empty() { 0 } else { 3 }))
}

/// What the file says of itself.
fn head(found: &Suggestion, ground: &Ground, args: &Args) -> String {
    let on = args.target.as_deref().map(|target| format!(" on {}", Printable(target))).unwrap_or_default();
    let forbids =
        if args.permits_only { "// The forbids that were in force stay where they are; these policies count on them.\n" } else { "" };
    format!(
        "// What {} did{on} since {:.0}, and nothing else: {} of {}.\n\
         // Made from {} entries of the audit log, up to {}.\n{forbids}\n",
        Printable(&found.principal),
        args.since,
        count(usize::try_from(found.operations).unwrap_or(usize::MAX), "operation"),
        count(usize::try_from(found.kinds).unwrap_or(usize::MAX), "kind"),
        ground.log.entries,
        ground.log.head,
    )
}

fn tell(found: &Suggestion) {
    let allowed = if found.missing.is_empty() { "all are permitted, or held where they were" } else { "not all are permitted" };
    note(&format!("asked about {} operations of {} kinds that were recorded: {allowed}", found.operations, found.kinds));
    if found.by_body > 0 {
        note(&format!("{} more are permitted by their route, and depend on bodies, which are not kept", found.by_body));
    }
    match found.beyond.len() {
        0 => note(&format!("asked about {} others that are known or could be: none is permitted", found.others)),
        n => note(&format!("asked about {} others that are known or could be: these are permitted too, {n} or more:", found.others)),
    }
    found.beyond.iter().for_each(|one| note(&format!("  {}", Printable(one))));
    found.missing.iter().for_each(|one| note(&format!("  not permitted: {}", Printable(one))));
    for (why, count) in &found.left_out {
        note(&format!("left out: {count} operations: {}", Printable(why)));
    }
}
