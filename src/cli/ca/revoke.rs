//! `bartizan ca revoke`: takes trust away. Sessions that began with it end within a second. The bastion decides by policy and does it;
//! where none runs on this machine, its store is written here.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::audit::Entry;
use crate::cli::bastion::Way;
use crate::cli::local::{Local, block_on, now, operator};
use crate::cli::print::Page;
use crate::cli::remote::Remote;
use crate::cli::{Common, Exit};
use crate::control::protocol::{RevokeTrust, fingerprint};
use crate::model::{PrincipalId, Printable};
use crate::store::{NewRevocation, Store};

/// Options of `bartizan ca revoke`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    what: What,
    /// Why; kept with the revocation and in the audit log
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    way: Way,
    /// Print the revocation as JSON
    #[arg(long)]
    json: bool,
}

/// What is no longer trusted.
#[derive(Debug, Clone, clap::Args)]
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

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let What { serial, key, principal } = args.what.clone();
    let request = RevokeTrust { serial, key, principal, reason: args.reason.clone() };
    let done = match Remote::reach(common, &args.way)? {
        Some(mut link) => link.ask("trust.revoke", &request)?,
        None => block_on(revoke(&Local::instead(common)?, request))?,
    };
    let mut page = Page::stdout();
    if args.json {
        page.json(&done)?;
    } else {
        let what = done.get("what").and_then(Value::as_str).unwrap_or_default();
        page.line(&format!("{}: {} is revoked", done.get("id").unwrap_or(&Value::Null), Printable(what)))?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn revoke(local: &Local, request: RevokeTrust) -> Result<Value, Exit> {
    let at = now();
    let (what, told) = request.what(at).map_err(Exit::usage)?;
    let new = NewRevocation { what, reason: request.reason, by: operator(), at };
    // The revocation first: should the audit log fail, somebody is kept out and the operator is told.
    let id = local.store.revoke(new.clone()).await?;
    let entry = Entry::TrustRevoked { what: told.clone(), reason: new.reason.clone(), by: new.by.clone() };
    local.note(entry).await.map_err(|exit| exit.after("it is revoked, but not in the audit log"))?;
    Ok(json!({ "id": id, "what": told, "revocation": new }))
}
