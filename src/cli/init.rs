//! `bartizan init`: makes a folder from which `serve` starts.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::model::IssuerName;

use super::print::out;
use super::{Common, Exit};

/// Options of `bartizan init`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder to make
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The name users know the bastion by
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    name: String,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = crate::config::defaults::LISTEN)]
    listen: std::net::SocketAddr,
    /// The OpenID Connect provider's issuer URL
    #[arg(long, value_name = "URL", requires = "client_id")]
    issuer: Option<String>,
    /// Our client id there
    #[arg(long, value_name = "ID", requires = "issuer")]
    client_id: Option<String>,
    /// Our short name of the provider
    #[arg(long, value_name = "NAME", default_value = "corp")]
    issuer_name: IssuerName,
}

pub(super) fn run(_common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let (config, policies) = (args.dir.join("bartizan.toml"), args.dir.join("policies"));
    for dir in [&args.dir, &policies] {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|e| Exit::incomplete(format!("{}: cannot be made: {e}", dir.display())))?;
    }
    write_new(&config, &config_text(args))?;
    write_new(&policies.join("starter.cedar"), &policies_text(args))?;
    let shown = config.display();
    out(&format!(
        "{shown} and its policies are made.\n\
         next:  edit {shown}: an issuer, and your targets\n\
         then:  bartizan check --config {shown}\n\
         then:  bartizan serve --config {shown}\n"
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a file that must not be there yet: what an operator wrote is never lost.
fn write_new(path: &Path, text: &str) -> Result<(), Exit> {
    let write = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes());
    write().map_err(|e: std::io::Error| {
        let mend = if e.kind() == std::io::ErrorKind::AlreadyExists { "; choose another folder, or move the old file away" } else { "" };
        Exit::refused(format!("{}: cannot be written: {e}{mend}", path.display()))
    })
}

fn config_text(args: &Args) -> String {
    let (name, listen) = (&args.name, args.listen);
    let mut text = format!(
        "# The bastion's configuration; `man bartizan.toml` lists every key. Check changes with `bartizan check`.\n\n\
         [server]\nname      = {name:?}\nlisten    = [\"{listen}\"]\nstate_dir = \"state\"\n\n"
    );
    let comment = if args.issuer.is_some() { "" } else { "# " };
    let url = args.issuer.as_deref().unwrap_or("https://idp.example.com");
    let client = args.client_id.as_deref().unwrap_or("bartizan");
    let keys = [("name", args.issuer_name.as_str()), ("url", url), ("client_id", client)];
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{comment}[[issuer]]");
    for (key, value) in keys {
        let _ = writeln!(text, "{comment}{key:<9} = {value:?}");
    }
    text.push_str(EXAMPLE_TARGET);
    text
}

const EXAMPLE_TARGET: &str = r#"
# [[target]]
# name       = "web-1"
# kind       = "ssh"
# address    = "10.0.0.5:22"
# logins     = ["deploy"]
# host_key   = "ssh-ed25519 AAAA…"       # the target's /etc/ssh/ssh_host_ed25519_key.pub
# credential = "certificate"            # the target trusts: bartizan ca show target
"#;

/// The starter policies; while no issuer is configured, those that name one are comments, so that all is valid.
fn policies_text(args: &Args) -> String {
    let text = bartizan_policies::STARTER.replace("ISSUER/", &format!("{}/", args.issuer_name));
    if args.issuer.is_some() {
        return text;
    }
    let named = format!("{}/admins", args.issuer_name);
    let blocks =
        text.split("\n\n").map(|block| if block.contains(&format!("Group::\"{named}")) { commented(block) } else { block.to_owned() });
    blocks.collect::<Vec<_>>().join("\n\n")
}

fn commented(block: &str) -> String {
    block.lines().map(|line| if line.starts_with("//") { line.to_owned() } else { format!("// {line}") }).collect::<Vec<_>>().join("\n")
}
