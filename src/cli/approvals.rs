//! `bartizan approvals`: what waits or waited, and answers. The bastion is asked, by its socket on this machine or by the user's own
//! ssh, and decides by policy; where none runs here, its store can still be read.

mod sign;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;

use serde_json::json;

use super::bastion::Way;
use super::listing::Listing;
use super::local::{Local, block_on};
use super::print::{Page, cut};
use super::remote::Remote;
use super::{Common, Exit};
use crate::control::outlined;
use crate::model::{ApprovalId, PrincipalId, Printable};
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
    /// Show one whole, with what it does
    Show(Show),
    /// Let a held operation go on
    Approve(Approve),
    /// Refuse a held operation
    Deny(Answer),
    /// Take an approval back: what it allowed ends
    Revoke(Answer),
    /// Take your own request back
    Withdraw(Answer),
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
    #[command(flatten)]
    way: Way,
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The approval's id, as `approvals list` shows it
    id: ApprovalId,
    #[command(flatten)]
    way: Way,
    /// Print the approval as JSON
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
    /// Sign the answer with this SSH key; without it, with the one that you log in with, if its file is at hand
    #[arg(long, value_name = "FILE", conflicts_with = "unsigned")]
    key: Option<PathBuf>,
    /// Do not sign the answer
    #[arg(long)]
    unsigned: bool,
    /// Print the approval as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Approve {
    #[command(flatten)]
    answer: Answer,
    /// For no longer than this, if policy allows longer (10m, 1h)
    #[arg(long = "for", value_name = "TIME", value_parser = span)]
    valid: Option<Duration>,
}

/// What could begin an option of the bastion's own commands, or is more than a line, is not a reason.
fn one_line(text: &str) -> Result<String, String> {
    if text.starts_with('-') || text.chars().any(char::is_control) {
        return Err("write one line that does not begin with `-`".to_owned());
    }
    Ok(text.to_owned())
}

fn span(text: &str) -> Result<Duration, String> {
    let span: Option<jiff::SignedDuration> = text.parse().ok().filter(|span: &jiff::SignedDuration| span.is_positive());
    span.and_then(|span| Duration::try_from(span).ok()).ok_or_else(|| "write a number and s, m or h, as in \"10m\"".to_owned())
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    match &args.what {
        What::List(args) => list(common, args),
        What::Show(args) => show(common, args),
        What::Approve(args) => say(common, &args.answer, "approve", args.valid),
        What::Deny(args) => say(common, args, "deny", None),
        What::Revoke(args) => say(common, args, "revoke", None),
        What::Withdraw(args) => say(common, args, "withdraw", None),
    }
}

fn say(common: &Common, args: &Answer, word: &'static str, valid: Option<Duration>) -> Result<ExitCode, Exit> {
    let answer = sign::Answer {
        id: args.id,
        word,
        reason: args.reason.as_deref().unwrap_or_default(),
        for_seconds: valid.map(|valid| valid.as_secs()),
        key: args.key.as_deref(),
        unsigned: args.unsigned,
    };
    let approval = sign::say(common, &args.way, &answer)?;
    let mut page = Page::stdout();
    if args.json {
        page.json(&approval)?;
    } else {
        let text = |key: &str| approval.get(key).and_then(serde_json::Value::as_str);
        let state = Printable(text("state").unwrap_or("answered")).to_string();
        let until = text("until").map(|until| format!(", until {}", Printable(until))).unwrap_or_default();
        page.line(&format!("{} is {state}{until}", args.id))?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn list(common: &Common, args: &List) -> Result<ExitCode, Exit> {
    let with = json!({ "all": args.all, "others": true, "principal": args.principal, "limit": args.limit });
    let heads = ["APPROVAL", "PRINCIPAL", "TARGET", "STATE", "ASKED", "GROUPS", "OPERATION"];
    let listing = Listing { what: "approvals", with, json: args.json, heads };
    listing.print(Remote::reach(common, &args.way)?, || block_on(stored(common, args)), row)
}

/// How far back one is looked for.
const LOOKED_AT: u32 = 1_000;

fn show(common: &Common, args: &Show) -> Result<ExitCode, Exit> {
    let list = List { all: true, principal: None, limit: LOOKED_AT, way: args.way.clone(), json: args.json };
    let all: Vec<Approval> = match Remote::reach(common, &args.way)? {
        Some(mut link) => link.ask("approvals", &json!({ "all": true, "others": true, "limit": LOOKED_AT }))?,
        None => block_on(stored(common, &list))?,
    };
    let found = all.iter().find(|approval| approval.asked.id == args.id);
    let approval = found.ok_or_else(|| Exit::refused(format!("there is no approval {} that you may see", args.id)))?;
    let mut page = Page::stdout();
    if args.json {
        page.json(approval)?;
    } else {
        for line in whole(approval) {
            page.line(&line)?;
        }
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// All of an approval, in lines.
fn whole(approval: &Approval) -> Vec<String> {
    let asked = &approval.asked;
    let [id, principal, target, state, at, groups, _] = row(approval);
    let mut lines =
        vec![format!("{id}  {state}"), format!("{principal} wants {} on {target}, asked {at} from {}", asked.action, asked.source)];
    lines.extend(asked.operation.lines().map(|line| format!("    {}", Printable(line))));
    lines.extend(asked.outline.iter().flat_map(outlined));
    lines.extend(asked.reason.iter().map(|reason| format!("reason: {}", Printable(reason))));
    lines.push(format!("asks: {groups}"));
    lines.push(format!("bound to: {}", asked.digest));
    lines
}

async fn stored(common: &Common, args: &List) -> Result<Vec<Approval>, Exit> {
    let filter = ApprovalFilter { waiting: !args.all, principal: args.principal.clone(), limit: args.limit, ..ApprovalFilter::default() };
    Ok(Local::instead(common)?.store.approvals(filter).await?)
}

fn row(approval: &Approval) -> [String; 7] {
    let asked = &approval.asked;
    let login = asked.login.as_ref().map(|login| format!("{login}@")).unwrap_or_default();
    let signed = |review: &crate::store::Review| if review.signed.is_some() { " (signed)" } else { "" };
    let by: Vec<String> = approval.reviews.iter().map(|review| format!("{}{}", review.by.id, signed(review))).collect();
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
