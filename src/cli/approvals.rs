//! `bartizan approvals`: what waits or waited, from the store on this machine; and answers, which go to the bastion by the
//! user's own ssh, since who may answer is a person whom an issuer knows, not an account of the machine.

use std::process::{Command, ExitCode};

use clap::Subcommand;

use super::bastion::Way;
use super::local::{Local, block_on};
use super::print::{Page, cut};
use super::{Common, Exit};
use crate::model::{ApprovalId, PrincipalId};
use crate::store::{Approval, ApprovalFilter, Store};

/// Options of `bartizan approvals`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the operations that wait for approval, or all, newest first
    List(List),
    /// Let a held operation go on
    Approve(Approve),
    /// Refuse a held operation
    Deny(Answer),
    /// Take an approval back: what it allowed ends
    Revoke(Answer),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Those that were answered or ended, too
    #[arg(long)]
    all: bool,
    /// Only what this principal asked for, as ISSUER/NAME
    #[arg(long)]
    principal: Option<PrincipalId>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Answer {
    /// The approval's id, as `approvals list` shows it
    id: ApprovalId,
    /// Why; the caller is told
    #[arg(long, value_name = "TEXT", value_parser = one_line)]
    reason: Option<String>,
    #[command(flatten)]
    way: Way,
}

#[derive(Debug, clap::Args)]
struct Approve {
    #[command(flatten)]
    answer: Answer,
    /// For no longer than this, if policy allows longer (10m, 1h)
    #[arg(long = "for", value_name = "TIME", value_parser = word)]
    valid: Option<String>,
}

/// The bastion reads words; what could begin an option there, or is more than a line, is not a reason.
fn one_line(text: &str) -> Result<String, String> {
    if text.starts_with('-') || text.chars().any(char::is_control) {
        return Err("write one line that does not begin with `-`".to_owned());
    }
    Ok(text.to_owned())
}

fn word(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err("write a number and s, m or h, as in \"10m\"".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    match &args.what {
        What::List(args) => {
            let local = Local::open(common)?;
            block_on(list(&local, args))
        }
        What::Approve(args) => {
            let valid = args.valid.as_ref().map(|valid| format!(" --for {valid}")).unwrap_or_default();
            say(common, &args.answer, "approve", &valid)
        }
        What::Deny(args) => say(common, args, "deny", ""),
        What::Revoke(args) => say(common, args, "revoke", ""),
    }
}

fn say(common: &Common, args: &Answer, word: &str, options: &str) -> Result<ExitCode, Exit> {
    let bastion = args.way.bastion(common)?;
    let reason = args.reason.as_ref().map(|reason| format!(" {reason}")).unwrap_or_default();
    let command = format!("{word} {}{options}{reason}", args.id);
    let status = Command::new("ssh").args(args.way.ssh(&bastion, &[], &command)).status();
    let status = status.map_err(|error| Exit::incomplete(format!("ssh cannot be run: {error}")))?;
    match status.code() {
        Some(0) => Ok(ExitCode::SUCCESS),
        Some(255) | None => Err(Exit::incomplete("the bastion could not be reached or did not let you in")),
        // The bastion has said why.
        Some(code) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(3))),
    }
}

async fn list(local: &Local, args: &List) -> Result<ExitCode, Exit> {
    let filter = ApprovalFilter { waiting: !args.all, principal: args.principal.clone(), limit: args.limit, ..ApprovalFilter::default() };
    let approvals = local.store.approvals(filter).await?;
    let mut page = Page::stdout();
    if args.json {
        page.json(&approvals)?;
    } else {
        let heads = ["APPROVAL", "PRINCIPAL", "TARGET", "STATE", "ASKED", "GROUPS", "OPERATION"];
        page.table(heads, &approvals.iter().map(row).collect::<Vec<_>>())?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn row(approval: &Approval) -> [String; 7] {
    let asked = &approval.asked;
    let login = asked.login.as_ref().map(|login| format!("{login}@")).unwrap_or_default();
    let by: Vec<String> = approval.reviews.iter().map(|review| review.by.id.to_string()).collect();
    let state = if by.is_empty() { approval.state.to_string() } else { format!("{} by {}", approval.state, by.join(", ")) };
    [
        asked.id.to_string(),
        asked.principal.id.to_string(),
        format!("{login}{}", asked.target),
        state,
        format!("{:.0}", asked.asked_at),
        asked.groups().join(" "),
        cut(&asked.operation, 60),
    ]
}
