//! `bartizan login`: a certificate by way of the user's own `ssh`, which keeps checking host keys and reading
//! `~/.ssh/config`. By browser, with the redirect served here on loopback, or by device code shown in ssh's own prompt.
//! The identity provider's tokens never come here: the bastion alone talks to it.

mod answer;
pub(super) mod askpass;
mod browser;
mod callback;
mod certificate;
mod key;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use self::answer::{Questions, Redirected};
use self::callback::Callback;
use self::certificate::Fresh;
use self::key::Key;
use super::bastion::{Bastion, Way, judge};
use super::print::Page;
use super::{Common, Exit};
use crate::config::SecretSource;
use crate::model::{IssuerName, Printable, code_login};
use crate::secrets::read_local;

/// How long a login may take; the bastion and the identity provider give up sooner.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// The longest certificate that is read, in bytes.
const LONGEST_CERTIFICATE: u64 = 64 * 1024;

/// Options of `bartizan login`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    way: Way,
    /// Log in by device code, on any other device that has a browser
    #[arg(long)]
    device: bool,
    /// Log in with the workload token in this file, as a service
    #[arg(long, value_name = "FILE", conflicts_with_all = ["device", "issuer"])]
    token_file: Option<PathBuf>,
    /// The identity provider, where the bastion has more than one
    #[arg(long, value_name = "NAME")]
    issuer: Option<IssuerName>,
    /// The private key to certify, made if it is not there; without this option `~/.ssh/id_bartizan`
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Put key and certificate into the running ssh-agent until the certificate expires; without --key, nothing is left on disk
    #[arg(long, overrides_with = "no_agent")]
    agent: bool,
    /// Write key and certificate to files (this is what happens without --agent)
    #[arg(long, overrides_with = "agent")]
    no_agent: bool,
    /// Print the login page's address, and do not start a browser
    #[arg(long, conflicts_with = "device")]
    no_browser: bool,
    /// The loopback port at which the browser ends, for identity providers that want to know it beforehand
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true, conflicts_with = "device")]
    redirect_port: u16,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let bastion = args.way.bastion(common)?;
    if args.agent && std::env::var_os("SSH_AUTH_SOCK").is_none_or(|socket| socket.is_empty()) {
        return Err(Exit::usage("no ssh-agent is running here (SSH_AUTH_SOCK is not set); leave --agent away, or start one"));
    }
    let key = Key::prepare(args.key.as_deref(), args.agent)?;
    let fresh = Fresh::read(&fetch(args, &bastion, &key)?, &key)?;
    fresh.keep(&key)?;
    if args.agent {
        fresh.add_to_agent(&key)?;
    }
    tell(args, &bastion, &key, &fresh)
}

/// The bastion's answer. However this ends, signals included, nothing private is left behind.
fn fetch(args: &Args, bastion: &Bastion, key: &Key) -> Result<String, Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Exit::incomplete(format!("cannot start: {e}")))?;
    runtime.block_on(async {
        let login = async {
            let stdout = match &args.token_file {
                Some(file) => by_token(args, bastion, key, file).await,
                None if args.device => by_device(args, bastion, key).await,
                None => by_browser(args, bastion, key).await,
            };
            certificate_of(&stdout?)
        };
        tokio::select! {
            done = tokio::time::timeout(PATIENCE, Box::pin(login)) =>
                done.unwrap_or_else(|_| Err(Exit::incomplete("the login was not finished in time"))),
            stopped = stopped() => Err(stopped.map_or_else(|e| Exit::incomplete(e.to_string()), |()| Exit::incomplete("given up"))),
        }
    })
}

/// Returns once somebody wants us to end.
async fn stopped() -> std::io::Result<()> {
    let [mut interrupt, mut terminate, mut hangup] =
        [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

fn ssh(args: &Args, bastion: &Bastion, key: &Key, submethod: Option<String>) -> Result<Command, Exit> {
    let mut ssh = Command::new("ssh");
    ssh.args(args.way.ssh(bastion, &login_options(submethod), "cert"));
    ssh.stdin(key.public_on_stdin()?).stdout(Stdio::piped()).kill_on_drop(true);
    Ok(ssh)
}

/// ssh in front of the user: its own prompt shows the device code.
async fn by_device(args: &Args, bastion: &Bastion, key: &Key) -> Result<Vec<u8>, Exit> {
    let submethod = args.issuer.as_ref().map(|issuer| code_login::device_submethod(issuer.as_str()));
    finish(ssh(args, bastion, key, submethod)?).await
}

/// ssh behind the service: it asks us for the token, part by part.
async fn by_token(args: &Args, bastion: &Bastion, key: &Key, file: &Path) -> Result<Vec<u8>, Exit> {
    let token = read_local(&SecretSource::file(file)).await.map_err(|e| Exit::incomplete(format!("the token cannot be read: {e}")))?;
    let bastion = Bastion { user: Some(code_login::TOKEN_USER.to_owned()), ..bastion.clone() };
    let questions = Questions::listen()?;
    let mut ssh = ssh(args, &bastion, key, Some(code_login::TOKEN_SUBMETHOD.to_owned()))?;
    ssh.envs(questions.environment());
    let running = finish(ssh);
    tokio::pin!(running);
    let mut left = token.reveal().trim();
    let mut over = false;
    loop {
        let (part, rest) = left.split_at_checked(code_login::TOKEN_PART).unwrap_or((left, ""));
        tokio::select! {
            printed = &mut running => return printed,
            handed = questions.hand_over(part), if !over => handed?,
        }
        over = part.len() < code_login::TOKEN_PART;
        left = rest;
    }
}

/// Runs ssh to its end, and takes so much of what it prints.
async fn finish(mut ssh: Command) -> Result<Vec<u8>, Exit> {
    let mut child = ssh.spawn().map_err(no_ssh)?;
    let mut printed = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(LONGEST_CERTIFICATE).read_to_end(&mut printed).await.map_err(no_ssh)?;
    }
    judge(child.wait().await.map_err(no_ssh)?).map(|()| printed)
}

/// ssh behind the user: it asks us, and we send the browser.
async fn by_browser(args: &Args, bastion: &Bastion, key: &Key) -> Result<Vec<u8>, Exit> {
    let callback = Callback::listen(args.redirect_port).await?;
    let questions = Questions::listen()?;
    let submethod = code_login::submethod(callback.port(), args.issuer.as_ref().map(IssuerName::as_str));
    let mut ssh = ssh(args, bastion, key, Some(submethod))?;
    ssh.envs(questions.environment());
    let running = finish(ssh);
    tokio::pin!(running);
    let mut redirected = None;
    let printed = loop {
        tokio::select! {
            printed = &mut running => break printed,
            answered = questions.answer(&callback, args.no_browser), if redirected.is_none() => redirected = Some(answered?),
        }
    };
    match redirected {
        Some(Redirected::Denied) => Err(Exit::refused("the login was refused at the identity provider")),
        _ => printed,
    }
}

/// Nothing but a login proves who is there: no key, no password.
fn login_options(submethod: Option<String>) -> Vec<String> {
    let mut options: Vec<String> =
        ["PreferredAuthentications=keyboard-interactive", "KbdInteractiveAuthentication=yes", "PubkeyAuthentication=no"]
            .map(Into::into)
            .into();
    options.extend(["PasswordAuthentication=no", "BatchMode=no", "NumberOfPasswordPrompts=1"].map(Into::into));
    options.extend(submethod.map(|list| format!("KbdInteractiveDevices={list}")));
    options
}

fn certificate_of(stdout: &[u8]) -> Result<String, Exit> {
    let text = std::str::from_utf8(stdout).map_err(|_| Exit::incomplete("the bastion's answer is not a certificate"))?;
    Ok(text.trim().to_owned())
}

/// A folder that nobody else can look into, gone with its value. The library's own default would leave it to the umask.
fn private_folder() -> std::io::Result<TempDir> {
    tempfile::Builder::new().prefix("bartizan-").permissions(Permissions::from_mode(0o700)).tempdir()
}

fn no_ssh(error: std::io::Error) -> Exit {
    Exit::incomplete(format!("ssh cannot be run: {error}"))
}

fn tell(args: &Args, bastion: &Bastion, key: &Key, fresh: &Fresh) -> Result<ExitCode, Exit> {
    let mut page = Page::stdout();
    if args.json {
        page.json(&json!({
            "key": key.path(), "certificate": key.certificate_path(), "agent": args.agent, "key_id": fresh.key_id(),
            "serial": fresh.serial().to_string(), "valid_before": fresh.valid_before().to_string(),
        }))?;
    } else {
        page.line(&format!("Logged in as {} until {}.", Printable(fresh.key_id()), fresh.valid_before()))?;
        page.line(&match (key.path(), args.agent) {
            (_, true) => "The certificate is in your ssh-agent.".to_owned(),
            (Some(path), false) => {
                format!("Use it with: ssh -i {} {bastion}   (`bartizan ssh-config` makes that the default)", path.display())
            }
            (None, false) => String::new(),
        })?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}
