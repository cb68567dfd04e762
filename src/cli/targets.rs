//! `bartizan targets`: the catalogue as the configuration has it.

use std::process::ExitCode;

use serde::Serialize;

use crate::config::{HostTrust, SshCredential, Target, TargetAccess};

use super::print::{json, out};
use super::{Common, Exit};

/// Options of `bartizan targets`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// A target as shown: never its credential, only of which kind that is.
#[derive(Serialize)]
struct Shown {
    name: String,
    kind: String,
    address: String,
    logins: Vec<String>,
    credential: &'static str,
    host: &'static str,
    tags: std::collections::BTreeMap<String, String>,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let shown: Vec<Shown> = common.load()?.targets.iter().map(show).collect();
    if args.json {
        json(&shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = shown.iter().map(|s| s.name.len()).max().unwrap_or(0).max(4);
    let mut text = format!("{:width$}  {:<10}  {:<24}  {:<12}  LOGINS\n", "NAME", "KIND", "ADDRESS", "CREDENTIAL");
    for target in shown {
        let line = format!(
            "{:width$}  {:<10}  {:<24}  {:<12}  {}",
            target.name,
            target.kind,
            target.address,
            target.credential,
            target.logins.join(", ")
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    out(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn show(target: &Target) -> Shown {
    let (address, logins, credential, host) = match &target.access {
        TargetAccess::Ssh(ssh) => {
            let credential = match ssh.credential {
                SshCredential::Certificate => "certificate",
                SshCredential::Key(_) => "key",
                SshCredential::Password(_) => "password",
            };
            let host = if matches!(ssh.host, HostTrust::Keys(_)) { "pinned key" } else { "host CA" };
            (ssh.address.clone(), ssh.logins.iter().map(ToString::to_string).collect(), credential, host)
        }
        TargetAccess::Postgres(postgres) => {
            (postgres.address.clone(), Vec::new(), "password", if postgres.verify_tls { "verify-full" } else { "not verified" })
        }
        TargetAccess::Kubernetes(kubernetes) => (kubernetes.server.clone(), Vec::new(), "token", "TLS"),
        TargetAccess::Http(http) => (http.upstream.clone(), Vec::new(), "headers", "TLS"),
    };
    Shown { name: target.name.to_string(), kind: target.kind().to_string(), address, logins, credential, host, tags: target.tags.clone() }
}
