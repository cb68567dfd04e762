//! `bartizan sessions`: who is where, who was, and an order to one of them to end, or to go on after a guard rail froze it. The bastion
//! is asked, by its socket on this machine or by the user's own ssh, and decides by policy; where none runs here, its store is used.

mod watch;

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::bastion::Way;
use super::listing::Listing;
use super::local::{Local, block_on, now, operator, past};
use super::print::{Page, cut};
use super::remote::Remote;
use super::{Common, Exit};
use crate::audit::Entry;
use crate::model::{PrincipalId, Printable, SessionId, TargetName};
use crate::store::{Frozen, NewOrder, OrderKind, Session, SessionFilter, Store, StoreError};

/// How long an order waits to see what came of it, and how often it looks. The server acts on orders within one second.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(100);

/// Options of `bartizan sessions`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the sessions that run, or all, newest first
    List(List),
    /// Watch a running session: its screen as it is, and what happens on it
    Watch(watch::Args),
    /// End a running session
    End(End),
    /// Let a session go on that a guard rail froze
    Resume(Resume),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Those that have ended, too
    #[arg(long, conflicts_with = "live")]
    all: bool,
    /// Only those that run; this is what happens without --all and --since
    #[arg(long)]
    live: bool,
    /// Only of this principal, as ISSUER/NAME
    #[arg(long)]
    principal: Option<PrincipalId>,
    /// Only at this target
    #[arg(long)]
    target: Option<TargetName>,
    /// Only those that ran at this moment or later, or this long ago (2h, 7d, 2026-11-22)
    #[arg(long, value_name = "WHEN", value_parser = past)]
    since: Option<Timestamp>,
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
struct End {
    /// The session's id, as `sessions list` shows it
    id: SessionId,
    /// Why; the session's user is told
    #[arg(long, default_value = "ended by the operator")]
    reason: String,
    #[command(flatten)]
    way: Way,
    /// Print the session as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Resume {
    /// The session's id, as `sessions list` shows it
    id: SessionId,
    /// Why; it stands in the audit log
    #[arg(long, default_value = "resumed by the operator")]
    reason: String,
    #[command(flatten)]
    way: Way,
    /// Print the session as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    match &args.what {
        What::List(args) => list(common, args),
        What::Watch(args) => watch::run(common, args),
        What::End(args) => end(common, args),
        What::Resume(args) => resume(common, args),
    }
}

fn list(common: &Common, args: &List) -> Result<ExitCode, Exit> {
    let List { principal, target, since, limit, json, .. } = args;
    let live = args.live || !(args.all || since.is_some());
    let with = json!({ "all": !live, "principal": principal, "target": target, "since": since, "limit": limit });
    let heads = ["NO", "SESSION", "PRINCIPAL", "TARGET", "FROM", "STARTED", "STATE", "WISH"];
    let listing = Listing { what: "sessions", with, json: *json, heads };
    listing.print(Remote::reach(common, &args.way)?, || block_on(stored(common, args, live)), row)
}

async fn stored(common: &Common, args: &List, live: bool) -> Result<Vec<Session>, Exit> {
    let (principal, target) = (args.principal.clone(), args.target.clone());
    let filter = SessionFilter { principal, target, since: args.since, live, limit: args.limit, ..SessionFilter::default() };
    Ok(Local::instead(common)?.store.sessions(filter).await?)
}

fn row(session: &Session) -> [String; 8] {
    let opening = &session.opening;
    let login = opening.login.as_ref().map(|login| format!("{login}@")).unwrap_or_default();
    let ended = session.end.as_ref().map(|end| format!("ended {:.0} {}", end.at, cut(&end.reason, 30)));
    [
        session.lease.number.to_string(),
        opening.id.to_string(),
        opening.principal.id.to_string(),
        format!("{login}{}", opening.target),
        opening.source.to_string(),
        format!("{:.0}", opening.started_at),
        ended.or_else(|| session.state()).unwrap_or_default(),
        cut(&opening.wish, 40),
    ]
}

fn end(common: &Common, args: &End) -> Result<ExitCode, Exit> {
    let session = match Remote::reach(common, &args.way)? {
        Some(mut link) => end_there(&mut link, args)?,
        None => block_on(async { end_here(&Local::instead(common)?, args).await })?,
    };
    let mut page = Page::stdout();
    if args.json {
        page.json(&session)?;
    } else if !session.is_live() {
        page.line(&format!("session {} ended", args.id))?;
    }
    page.flush()?;
    if session.is_live() {
        let seconds = PATIENCE.as_secs();
        return Err(Exit::incomplete(format!(
            "session {} was ordered to end and is still open after {seconds} s; is the server running? It acts on the order when it starts",
            args.id
        )));
    }
    Ok(ExitCode::SUCCESS)
}

async fn end_here(local: &Local, args: &End) -> Result<Session, Exit> {
    let session = find(local, args.id).await?;
    if !session.is_live() {
        return Err(StoreError::Ended(args.id).into());
    }
    let (reason, by) = (args.reason.clone(), operator());
    local.note(Entry::SessionEndOrdered { session: args.id, reason: reason.clone(), by: by.clone() }).await?;
    local.store.give_order(NewOrder { kind: OrderKind::End, session: args.id, by, reason, at: now() }).await?;
    wait(local, args.id, |session| !session.is_live()).await
}

/// Has the bastion end it, and looks until it has ended or patience has run out.
fn end_there(link: &mut Remote, args: &End) -> Result<Session, Exit> {
    link.ask::<Value>("session.end", &json!({ "session": args.id, "reason": args.reason }))?;
    wait_there(link, args.id, |session| !session.is_live())
}

/// Looks until `done` or patience has run out.
fn wait_there(link: &mut Remote, id: SessionId, done: impl Fn(&Session) -> bool) -> Result<Session, Exit> {
    let mut waited = Duration::ZERO;
    loop {
        let session = find_there(link, id)?;
        if done(&session) || waited >= PATIENCE {
            return Ok(session);
        }
        std::thread::sleep(LOOK);
        waited += LOOK;
    }
}

fn find_there(link: &mut Remote, id: SessionId) -> Result<Session, Exit> {
    let found: Vec<Session> = link.ask("sessions", &json!({ "session": id }))?;
    found.into_iter().next().ok_or_else(|| no_such(id))
}

/// Has the bastion let it go on; gives since when it was frozen, and how it is then.
fn resume_there(link: &mut Remote, args: &Resume) -> Result<(Option<Frozen>, Session), Exit> {
    let since = find_there(link, args.id)?.frozen;
    link.ask::<Value>("session.resume", &json!({ "session": args.id, "reason": args.reason }))?;
    // What comes next may trigger a guard rail again, so another freeze is none of this one.
    let session = wait_there(link, args.id, |session| session.frozen != since)?;
    Ok((since, session))
}

async fn resume_here(local: &Local, args: &Resume) -> Result<(Option<Frozen>, Session), Exit> {
    let session = find(local, args.id).await?;
    if !session.is_live() {
        return Err(StoreError::Ended(args.id).into());
    }
    if session.frozen.is_none() {
        return Err(StoreError::NotFrozen(args.id).into());
    }
    let (reason, by) = (args.reason.clone(), operator());
    local.note(Entry::SessionResumeOrdered { session: args.id, reason: reason.clone(), by: by.clone() }).await?;
    local.store.give_order(NewOrder { kind: OrderKind::Resume, session: args.id, by, reason, at: now() }).await?;
    let since = session.frozen;
    let session = wait(local, args.id, |session| session.frozen != since).await?;
    Ok((since, session))
}

fn resume(common: &Common, args: &Resume) -> Result<ExitCode, Exit> {
    let (since, session) = match Remote::reach(common, &args.way)? {
        Some(mut link) => resume_there(&mut link, args)?,
        None => block_on(async { resume_here(&Local::instead(common)?, args).await })?,
    };
    let goes_on = session.frozen != since;
    let mut page = Page::stdout();
    if args.json {
        page.json(&session)?;
    } else if goes_on {
        // It may have ended by itself in the meantime.
        let ended = session.end.as_ref().map(|end| format!("ended ({})", Printable(&end.reason)));
        page.line(&format!("session {} resumed; now {}", args.id, session.state().or(ended).unwrap_or_default()))?;
    }
    page.flush()?;
    if goes_on {
        return Ok(ExitCode::SUCCESS);
    }
    let seconds = PATIENCE.as_secs();
    Err(Exit::incomplete(format!("session {} is still frozen after {seconds} s; is the server running?", args.id)))
}

/// Looks until `done` or patience has run out.
async fn wait(local: &Local, id: SessionId, done: impl Fn(&Session) -> bool) -> Result<Session, Exit> {
    let mut waited = Duration::ZERO;
    loop {
        let session = find(local, id).await?;
        if done(&session) || waited >= PATIENCE {
            return Ok(session);
        }
        tokio::time::sleep(LOOK).await;
        waited += LOOK;
    }
}

async fn find(local: &Local, id: SessionId) -> Result<Session, Exit> {
    local.store.session(id).await?.ok_or_else(|| no_such(id))
}

fn no_such(id: SessionId) -> Exit {
    Exit::refused(format!("there is no session {id}; `bartizan sessions list` shows them"))
}
