//! `bartizan lock`, `unlock` and `locks`: keep somebody or something out, from the next moment on, running sessions included. The
//! bastion decides by policy and does it; where none runs on this machine, its store is written here.

use std::process::ExitCode;

use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::bastion::Way;
use super::listing::Listing;
use super::local::{Local, block_on, from_now, now, operator};
use super::print::Page;
use super::remote::Remote;
use super::{Common, Exit};
use crate::audit::Entry;
use crate::control::protocol::{AddLock, network};
use crate::model::{GroupName, PrincipalId, PrincipalKind, TargetName};
use crate::store::{Lock, NewLock, Store};

/// Options of `bartizan lock`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("subject").required(true))]
pub(super) struct Args {
    /// A person or a program, as ISSUER/NAME; the configuration knows which its issuer names
    #[arg(group = "subject", value_name = "PRINCIPAL")]
    principal: Option<PrincipalId>,
    /// A person, as ISSUER/NAME
    #[arg(long, group = "subject", value_name = "PRINCIPAL")]
    user: Option<PrincipalId>,
    /// A program, as ISSUER/NAME
    #[arg(long, group = "subject", value_name = "PRINCIPAL")]
    service: Option<PrincipalId>,
    /// Everybody in a group, as ISSUER/GROUP; only on the bastion's own machine
    #[arg(long, group = "subject")]
    group: Option<GroupName>,
    /// Everybody's way to a target
    #[arg(long, group = "subject")]
    target: Option<TargetName>,
    /// Who comes with the certificate of this serial
    #[arg(long, group = "subject", value_name = "SERIAL")]
    certificate: Option<u64>,
    /// Who comes from this address or network; only on the bastion's own machine
    #[arg(long, group = "subject", value_name = "CIDR", value_parser = network)]
    source: Option<IpNet>,
    /// Show the locks in force instead, as `locks` does
    #[arg(long, group = "subject", conflicts_with_all = ["reason", "for"])]
    list: bool,
    /// Why; kept with the lock and in the audit log
    #[arg(long, default_value = "")]
    reason: String,
    /// For how long, as in 2h; without it, until `bartizan unlock`
    #[arg(long = "for", id = "for", value_name = "SPAN", value_parser = from_now)]
    until: Option<Timestamp>,
    #[command(flatten)]
    way: Way,
    /// Print the lock, or the list, as JSON
    #[arg(long)]
    json: bool,
}

/// Options of `bartizan unlock`.
#[derive(Debug, clap::Args)]
pub(super) struct UnlockArgs {
    /// The lock's id, as `lock` printed it and `locks` shows it
    id: u64,
    #[command(flatten)]
    way: Way,
    /// Print the lock that was taken away as JSON
    #[arg(long)]
    json: bool,
}

/// Options of `bartizan locks`.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    way: Way,
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    /// What the bastion is asked for.
    fn request(&self) -> AddLock {
        // A second that has begun counts.
        let seconds = |until: Timestamp| until.duration_since(now()).saturating_add(SignedDuration::from_millis(999)).as_secs().max(1);
        AddLock {
            principal: self.principal.clone(),
            user: self.user.clone(),
            service: self.service.clone(),
            group: self.group.clone(),
            target: self.target.clone(),
            certificate: self.certificate,
            source: self.source.map(|source| source.to_string()),
            reason: self.reason.clone(),
            for_seconds: self.until.map(|until| seconds(until).unsigned_abs()),
        }
    }
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    if args.list {
        return list(common, &args.way, args.json);
    }
    let lock = match Remote::reach(common, &args.way)? {
        Some(mut link) => link.ask("lock", &args.request())?,
        None => block_on(add(&Local::instead(common)?, args))?,
    };
    show(&lock, args.json, |lock| lock.id.to_string())
}

pub(super) fn unlock(common: &Common, args: &UnlockArgs) -> Result<ExitCode, Exit> {
    let lock = match Remote::reach(common, &args.way)? {
        Some(mut link) => link.ask("unlock", &json!({ "lock": args.id }))?,
        None => block_on(remove(&Local::instead(common)?, args.id))?,
    };
    show(&lock, args.json, |lock| format!("unlocked {}", lock.lock.subject))
}

pub(super) fn locks(common: &Common, args: &ListArgs) -> Result<ExitCode, Exit> {
    list(common, &args.way, args.json)
}

fn show(lock: &Lock, json: bool, told: impl FnOnce(&Lock) -> String) -> Result<ExitCode, Exit> {
    let mut page = Page::stdout();
    if json {
        page.json(lock)?;
    } else {
        page.line(&told(lock))?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn list(common: &Common, way: &Way, json: bool) -> Result<ExitCode, Exit> {
    let heads = ["ID", "SUBJECT", "SINCE", "UNTIL", "BY", "REASON"];
    let stored = || block_on(async { Ok(Local::instead(common)?.store.locks(now()).await?) });
    Listing { what: "locks", with: json!({}), json, heads }.print(Remote::reach(common, way)?, stored, row)
}

fn row(Lock { id, lock }: &Lock) -> [String; 6] {
    let until = lock.expires_at.map_or_else(|| "unlocked".into(), |until| format!("{until:.0}"));
    [id.to_string(), lock.subject.to_string(), format!("{:.0}", lock.created_at), until, lock.by.clone(), lock.reason.clone()]
}

async fn add(local: &Local, args: &Args) -> Result<Lock, Exit> {
    let kind_of = |id: &PrincipalId| if local.names_services(id.issuer()) { PrincipalKind::Service } else { PrincipalKind::User };
    let subject = args.request().subject(kind_of).map_err(Exit::usage)?;
    let (reason, by) = (args.reason.clone(), operator());
    let new = NewLock { subject, reason, by, created_at: now(), expires_at: args.until };
    // The lock first: should the audit log fail, somebody is kept out and the operator is told.
    let id = local.store.add_lock(new.clone()).await?;
    let entry = Entry::LockAdded {
        lock: id,
        subject: new.subject.to_string(),
        reason: new.reason.clone(),
        by: new.by.clone(),
        expires_at: new.expires_at,
    };
    local.note(entry).await.map_err(|exit| exit.after(&format!("lock {id} is in force, but not in the audit log")))?;
    Ok(Lock { id, lock: new })
}

async fn remove(local: &Local, id: u64) -> Result<Lock, Exit> {
    let locks = local.store.locks(now()).await?;
    let Some(lock) = locks.into_iter().find(|lock| lock.id == id) else {
        return Err(Exit::refused(format!("there is no lock {id}; `bartizan locks` shows those in force")));
    };
    // The audit log first: nobody is let in again unseen.
    local.note(Entry::LockRemoved { lock: lock.id, subject: lock.lock.subject.to_string(), by: operator() }).await?;
    local.store.remove_lock(lock.id).await?;
    Ok(lock)
}
