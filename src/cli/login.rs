//! `bartizan login`: a certificate by way of the user's own `ssh`, which keeps checking host keys and reading
//! `~/.ssh/config`. By browser, with the redirect served here on loopback, or by device code shown in ssh's own prompt.
//! The identity provider's tokens never come here: the bastion alone talks to it.

mod answer;
pub(super) mod askpass;
mod browser;
mod callback;
mod certificate;
mod key;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use serde_json::json;

use self::answer::{Questions, Redirected};
use self::callback::Callback;
use self::certificate::Fresh;
use self::key::Key;
use super::bastion::{Bastion, Way, judge};
use super::print::Page;
use super::{Common, Exit};
use crate::model::{IssuerName, Printable, code_login};

/// How long a login by browser may take.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// The longest certificate that is read, in bytes.
const LONGEST_CERTIFICATE: usize = 64 * 1024;

/// Options of `bartizan login`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    way: Way,
    /// Log in by device code, on any other device that has a browser
    #[arg(long)]
    device: bool,
    /// The identity provider, where the bastion has more than one
    #[arg(long, value_name = "NAME")]
    issuer: Option<IssuerName>,
    /// The private key to certify; without it `~/.ssh/id_bartizan`, which is made if it is not there
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
    let text = if args.device { by_device(args, &bastion, &key)? } else { by_browser(args, &bastion, &key)? };
    let fresh = Fresh::read(&text, &key)?;
    fresh.keep(&key)?;
    if args.agent {
        fresh.add_to_agent(&key)?;
    }
    tell(args, &bastion, &key, &fresh)
}

/// ssh in front of the user: its own prompt shows the device code.
fn by_device(args: &Args, bastion: &Bastion, key: &Key) -> Result<String, Exit> {
    let submethod = args.issuer.as_ref().map(|issuer| code_login::device_submethod(issuer.as_str()));
    let mut ssh = Command::new("ssh");
    ssh.args(args.way.ssh(bastion, &login_options(submethod), "cert")).stdin(key.public_on_stdin()?).stdout(Stdio::piped());
    let output = ssh.spawn().and_then(std::process::Child::wait_with_output).map_err(no_ssh)?;
    judge(output.status)?;
    certificate_of(&output.stdout)
}

/// ssh behind the user: it asks us, and we send the browser.
fn by_browser(args: &Args, bastion: &Bastion, key: &Key) -> Result<String, Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Exit::incomplete(format!("cannot start: {e}")))?;
    runtime.block_on(async {
        let work = Box::pin(browser_login(args, bastion, key));
        tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(Exit::incomplete("the login was not finished in time")))
    })
}

async fn browser_login(args: &Args, bastion: &Bastion, key: &Key) -> Result<String, Exit> {
    let callback = Callback::listen(args.redirect_port).await?;
    let questions = Questions::listen()?;
    let submethod = code_login::submethod(callback.port(), args.issuer.as_ref().map(IssuerName::as_str));
    let mut ssh = tokio::process::Command::new("ssh");
    ssh.args(args.way.ssh(bastion, &login_options(Some(submethod)), "cert"))
        .stdin(key.public_on_stdin()?)
        .stdout(Stdio::piped())
        .envs(questions.environment())
        .kill_on_drop(true);
    let running = ssh.spawn().map_err(no_ssh)?.wait_with_output();
    tokio::pin!(running);
    let mut redirected = None;
    let output = loop {
        tokio::select! {
            output = &mut running => break output.map_err(no_ssh)?,
            answered = questions.answer(&callback, args.no_browser), if redirected.is_none() => redirected = Some(answered?),
        }
    };
    if redirected == Some(Redirected::Denied) {
        return Err(Exit::refused("the login was refused at the identity provider"));
    }
    judge(output.status)?;
    certificate_of(&output.stdout)
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
    let text = stdout.get(..LONGEST_CERTIFICATE.min(stdout.len())).and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.map(|text| text.trim().to_owned()).ok_or_else(|| Exit::incomplete("the bastion's answer is not a certificate"))
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
