//! `bartizan targets`: the catalogue as the configuration has it, who publishes what is published, and what clients of a database want
//! to be given.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::config::{HostTrust, SshCredential, Target, TargetAccess};
use crate::control::{Published, Publisher};
use crate::model::TargetName;

use super::print::{json as print_json, note, out};
use super::remote::Remote;
use super::{Common, Exit};

/// Options of `bartizan targets`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this target
    #[arg(value_name = "TARGET")]
    name: Option<TargetName>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    /// Print what clients want to be given: a forward to open, and variables and addresses to paste
    #[arg(long, requires = "name", conflicts_with = "json")]
    env: bool,
    /// With --env, the port of this machine that the forward listens on
    #[arg(long, value_name = "PORT", default_value_t = 5432, requires = "env")]
    port: u16,
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
    tags: BTreeMap<String, String>,
    /// Who publishes it, as far as the bastion that runs tells; none where it is not reached through publishers, or nobody tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<Published>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    publishers: Vec<Publisher>,
}

/// What the bastion that runs knows of publishers.
#[derive(Default, Deserialize)]
struct Known {
    targets: BTreeMap<String, Published>,
    publishers: Vec<Publisher>,
}

/// Asks the bastion on this machine, if one runs.
fn ask(common: &Common, chosen: &[&Target]) -> Result<Option<Known>, Exit> {
    if !chosen.iter().any(|target| target.is_published()) {
        return Ok(None);
    }
    match Remote::here(common)? {
        Some(mut bastion) => bastion.ask("published", &json!({})).map(Some),
        None => {
            note("no bastion runs on this machine that could tell who publishes targets");
            Ok(None)
        }
    }
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let config = common.load()?;
    let wanted = |target: &&Target| args.name.as_ref().is_none_or(|name| *name == target.name);
    let chosen: Vec<&Target> = config.targets.iter().filter(wanted).collect();
    if let (Some(name), []) = (&args.name, chosen.as_slice()) {
        return Err(Exit::refused(format!("there is no target {name}; `bartizan targets` lists all")));
    }
    if args.env {
        for target in chosen {
            out(&environment(&config.server.name, target, args.port)?)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let known = ask(common, &chosen)?.unwrap_or_default();
    let shown: Vec<Shown> = chosen.into_iter().map(|target| show(target, &known)).collect();
    if args.json {
        print_json(&shown)?;
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
        if let Some(published) = target.published {
            text.push_str(&format!("{:width$}  {published}\n", ""));
        }
        for publisher in &target.publishers {
            let Publisher { principal, source, since, streams, .. } = publisher;
            text.push_str(&format!("{:width$}  by {principal} from {source}, since {since:.0}, {streams} streams\n", ""));
        }
    }
    out(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What is pasted into a shell and into the settings of clients.
fn environment(bastion: &str, target: &Target, port: u16) -> Result<String, Exit> {
    let TargetAccess::Postgres(postgres) = &target.access else {
        return Err(Exit::refused(format!("{} is a {} target; --env is for databases", target.name, target.kind())));
    };
    let (user, database) = match (postgres.users.first(), postgres.databases.first()) {
        (Some(user), Some(database)) => (user.name.as_str(), database.as_str()),
        _ => return Err(Exit::refused(format!("{} offers no role or no database", target.name))),
    };
    let name = &target.name;
    let path = percent(database);
    Ok(format!(
        "# Open the forward and leave it open: ssh -N -L {port}:{name}:5432 {bastion}\n\
         # No password is asked for: SSH tells who you are. TLS is not needed: the tunnel is encrypted.\n\
         export PGHOST=127.0.0.1 PGPORT={port} PGUSER={quoted_user} PGDATABASE={quoted_database} PGSSLMODE=disable\n\
         # DSN   postgresql://{user_path}@127.0.0.1:{port}/{path}?sslmode=disable\n\
         # JDBC  jdbc:postgresql://127.0.0.1:{port}/{path}?user={user_path}&sslmode=disable\n\
         # Without a forward of its own: ssh -s {bastion} postgres:{name}; by a socket: ssh -N -L DIR/.s.PGSQL.5432:/postgres/{name} {bastion}\n",
        quoted_user = shell(user),
        quoted_database = shell(database),
        user_path = percent(user),
    ))
}

fn shell(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| String::from("''"), std::borrow::Cow::into_owned)
}

/// As a part of a URL.
fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn show(target: &Target, known: &Known) -> Shown {
    let (address, logins, credential, host) = match &target.access {
        TargetAccess::Ssh(ssh) => {
            let credential = match ssh.credential {
                SshCredential::Certificate => "certificate",
                SshCredential::Key(_) => "key",
                SshCredential::Password(_) => "password",
            };
            let host = if matches!(ssh.host, HostTrust::Keys(_)) { "pinned key" } else { "host CA" };
            (ssh.route.shown(), ssh.logins.iter().map(ToString::to_string).collect(), credential, host)
        }
        TargetAccess::Postgres(postgres) => {
            let users = postgres.users.iter().map(|user| user.name.to_string()).collect();
            let credential = if postgres.users.iter().any(|user| user.password.is_some()) { "password" } else { "certificate" };
            (postgres.route.shown(), users, credential, postgres.tls.word())
        }
        TargetAccess::Kubernetes(kubernetes) => {
            let http = &kubernetes.http;
            let credential = match (&kubernetes.token, &http.certificate) {
                (Some(_), _) => "token",
                (None, Some(_)) => "certificate",
                (None, None) => "none",
            };
            (http.upstream.as_str(), Vec::new(), credential, if http.tls { "TLS" } else { "plain" })
        }
        TargetAccess::Http(http) => (http.upstream.as_str(), Vec::new(), "headers", if http.tls { "TLS" } else { "plain" }),
    };
    let address = if target.is_published() { target.route().shown() } else { address }.to_owned();
    Shown {
        name: target.name.to_string(),
        kind: target.kind().to_string(),
        address,
        logins,
        credential,
        host,
        tags: target.tags.clone(),
        published: known.targets.get(target.name.as_str()).copied(),
        publishers: known.publishers.iter().filter(|one| one.target == target.name).cloned().collect(),
    }
}
