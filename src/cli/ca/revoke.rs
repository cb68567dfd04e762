//! `bartizan ca revoke`: takes trust away. Sessions that began with it end within a second.

use std::process::ExitCode;

use crate::audit::Entry;
use crate::cli::local::{Local, block_on, now, operator};
use crate::cli::print::Page;
use crate::cli::{Common, Exit};
use crate::model::{AuthorityKind, PrincipalId};
use crate::store::{NewRevocation, Revoked, Store};

/// Options of `bartizan ca revoke`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    what: What,
    /// Why; kept with the revocation and in the audit log
    #[arg(long, default_value = "")]
    reason: String,
    /// Print the revocation as JSON
    #[arg(long)]
    json: bool,
}

/// What is no longer trusted.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The user certificate of this serial, as `ssh-keygen -L` shows it
    #[arg(long, value_name = "SERIAL")]
    serial: Option<u64>,
    /// The key of this fingerprint, `SHA256:…`: whatever was or will be issued for it
    #[arg(long, value_name = "FINGERPRINT", value_parser = fingerprint)]
    key: Option<String>,
    /// Whatever this principal was issued until now, as ISSUER/NAME; a new login is trusted again
    #[arg(long, value_name = "PRINCIPAL")]
    principal: Option<PrincipalId>,
}

fn fingerprint(text: &str) -> Result<String, String> {
    let fits = text
        .strip_prefix("SHA256:")
        .is_some_and(|rest| rest.len() == 43 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b)));
    if fits { Ok(text.to_owned()) } else { Err("write it as `ssh-keygen -l` does: SHA256: and 43 characters".to_owned()) }
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let local = Local::open(common)?;
    block_on(revoke(&local, args))
}

async fn revoke(local: &Local, args: &Args) -> Result<ExitCode, Exit> {
    let at = now();
    let serial =
        args.what.serial.map(|serial| (Revoked::Certificate { authority: AuthorityKind::User, serial }, format!("certificate {serial}")));
    let key = args.what.key.clone().map(|key| (Revoked::Key(key.clone()), format!("key {key}")));
    let principal = args
        .what
        .principal
        .clone()
        .map(|id| (Revoked::IssuedBefore { principal: id.clone(), before: at }, format!("all issued to {id} before {at}")));
    let (what, told) = serial.or(key).or(principal).ok_or_else(|| Exit::usage("name what is to be revoked"))?;
    let new = NewRevocation { what, reason: args.reason.clone(), by: operator(), at };
    // The revocation first: should the audit log fail, somebody is kept out and the operator is told.
    let id = local.store.revoke(new.clone()).await?;
    let entry = Entry::TrustRevoked { what: told.clone(), reason: new.reason.clone(), by: new.by.clone() };
    local.note(entry).await.map_err(|exit| exit.after("it is revoked, but not in the audit log"))?;
    let mut page = Page::stdout();
    if args.json {
        page.json(&serde_json::json!({ "id": id, "revocation": new }))?;
    } else {
        page.line(&format!("{id}: {told} is revoked"))?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}
