//! `bartizan lock` and `unlock`: keep somebody or something out, from the next moment on, running sessions included.

use std::net::IpAddr;
use std::process::ExitCode;

use ipnet::IpNet;
use jiff::Timestamp;

use super::local::{Local, block_on, from_now, now, operator};
use super::print::Page;
use super::{Common, Exit};
use crate::audit::Entry;
use crate::model::{GroupName, PrincipalId, TargetName};
use crate::store::{Lock, LockSubject, NewLock, Store};

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
    /// Everybody in a group, as ISSUER/GROUP
    #[arg(long, group = "subject")]
    group: Option<GroupName>,
    /// Everybody's way to a target
    #[arg(long, group = "subject")]
    target: Option<TargetName>,
    /// Who comes with the certificate of this serial
    #[arg(long, group = "subject", value_name = "SERIAL")]
    certificate: Option<u64>,
    /// Who comes from this address or network
    #[arg(long, group = "subject", value_name = "CIDR", value_parser = network)]
    source: Option<IpNet>,
    /// Show the locks in force instead
    #[arg(long, group = "subject", conflicts_with_all = ["reason", "for"])]
    list: bool,
    /// Why; kept with the lock and in the audit log
    #[arg(long, default_value = "")]
    reason: String,
    /// For how long, as in 2h; without it, until `bartizan unlock`
    #[arg(long = "for", id = "for", value_name = "SPAN", value_parser = from_now)]
    until: Option<Timestamp>,
    /// Print the lock, or the list, as JSON
    #[arg(long)]
    json: bool,
}

/// Options of `bartizan unlock`.
#[derive(Debug, clap::Args)]
pub(super) struct UnlockArgs {
    /// The lock's id, as `lock` printed it and `lock --list` shows it
    id: u64,
    /// Print the lock that was taken away as JSON
    #[arg(long)]
    json: bool,
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let network = network.map_err(|_| "write an address or a network, as in 203.0.113.7 or 203.0.113.0/24".to_owned())?;
    match network {
        IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some() => Err("write the IPv4 address or network itself".into()),
        other => Ok(other.trunc()),
    }
}

impl Args {
    /// The one that clap made sure of; none with `--list`.
    fn subject(&self, local: &Local) -> Option<LockSubject> {
        let principal = self
            .principal
            .clone()
            .map(|id| if local.names_services(id.issuer()) { LockSubject::Service(id) } else { LockSubject::User(id) });
        let user = self.user.clone().map(LockSubject::User);
        principal
            .or(user)
            .or_else(|| self.service.clone().map(LockSubject::Service))
            .or_else(|| self.group.clone().map(LockSubject::Group))
            .or_else(|| self.target.clone().map(LockSubject::Target))
            .or_else(|| self.certificate.map(LockSubject::Certificate))
            .or_else(|| self.source.map(LockSubject::Source))
    }
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let local = Local::open(common)?;
    match args.subject(&local) {
        Some(subject) => block_on(add(&local, args, subject)),
        None => block_on(list(&local, args.json)),
    }
}

async fn add(local: &Local, args: &Args, subject: LockSubject) -> Result<ExitCode, Exit> {
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
    let mut page = Page::stdout();
    if args.json {
        page.json(&Lock { id, lock: new })?;
    } else {
        page.line(&id.to_string())?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn list(local: &Local, json: bool) -> Result<ExitCode, Exit> {
    let locks = local.store.locks(now()).await?;
    let mut page = Page::stdout();
    if json {
        page.json(&locks)?;
    } else {
        page.table(["ID", "SUBJECT", "SINCE", "UNTIL", "BY", "REASON"], &locks.iter().map(row).collect::<Vec<_>>())?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn row(Lock { id, lock }: &Lock) -> [String; 6] {
    let until = lock.expires_at.map_or_else(|| "unlocked".into(), |until| format!("{until:.0}"));
    [id.to_string(), lock.subject.to_string(), format!("{:.0}", lock.created_at), until, lock.by.clone(), lock.reason.clone()]
}

pub(super) fn unlock(common: &Common, args: &UnlockArgs) -> Result<ExitCode, Exit> {
    let local = Local::open(common)?;
    block_on(remove(&local, args))
}

async fn remove(local: &Local, args: &UnlockArgs) -> Result<ExitCode, Exit> {
    let locks = local.store.locks(now()).await?;
    let Some(lock) = locks.into_iter().find(|lock| lock.id == args.id) else {
        return Err(Exit::refused(format!("there is no lock {}; `bartizan lock --list` shows those in force", args.id)));
    };
    // The audit log first: nobody is let in again unseen.
    local.note(Entry::LockRemoved { lock: lock.id, subject: lock.lock.subject.to_string(), by: operator() }).await?;
    local.store.remove_lock(lock.id).await?;
    let mut page = Page::stdout();
    if args.json {
        page.json(&lock)?;
    } else {
        page.line(&format!("unlocked {}", lock.lock.subject))?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}
