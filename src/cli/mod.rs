//! The command line: one file per subcommand, and the only code that prints. Parses arguments, calls the rooms, shows
//! what they answer; decides nothing itself.

mod approvals;
mod audit;
mod bastion;
mod bundle;
mod ca;
mod cert;
mod check;
mod checks;
mod exit;
mod init;
mod kubeconfig;
mod least_privilege;
mod listing;
mod local;
mod lock;
mod log;
mod login;
mod manual;
mod policy;
mod postgres;
mod print;
mod progress;
mod prompt;
mod recordings;
mod remote;
mod secret;
mod serve;
mod sessions;
mod signing;
mod ssh_config;
mod targets;
mod tui;
mod tunnel;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;

pub(crate) use exit::Exit;

/// Where the configuration is, unless somebody says otherwise.
const CONFIG: &str = "/etc/bartizan/bartizan.toml";

/// A terminal-first SSH bastion and session recorder.
#[derive(Debug, Parser)]
#[command(name = "bartizan", version, propagate_version = true, arg_required_else_help = true)]
struct Line {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options that every subcommand takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Common {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "BARTIZAN_CONFIG",
        hide_env_values = true,
        default_value = CONFIG
    )]
    pub(crate) config: PathBuf,
}

impl Common {
    /// Reads the configuration, without its secrets.
    ///
    /// # Errors
    /// With every problem of the file, as a usage error (exit code 2).
    pub(crate) fn load(&self) -> Result<Config, Exit> {
        Config::load(&self.config).map_err(|problems| Exit::usage(problems.to_string()))
    }

    /// Reads the configuration and sees that its secrets are there.
    ///
    /// # Errors
    /// As [`Common::load`].
    pub(crate) fn load_whole(&self) -> Result<Config, Exit> {
        Config::load(&self.config).and_then(local::readable).map_err(|problems| Exit::usage(problems.to_string()))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the bastion
    Serve(serve::Args),
    /// Make a folder from which `serve` starts
    Init(init::Args),
    /// Find every problem of the configuration and policies without starting
    Check(check::Args),
    /// Write policies with confidence: check, test, explain, format and compare them
    Policy(policy::Args),
    /// What a PostgreSQL target and the policies say about each other
    Postgres(postgres::Args),
    /// List the targets of the configuration
    Targets(targets::Args),
    /// Log in at the identity provider and get a certificate, with your own ssh
    Login(login::Args),
    /// Print a certificate for the public key on standard input
    Cert(cert::Args),
    /// Print what goes into ~/.ssh/config and known_hosts
    SshConfig(ssh_config::Args),
    /// Write a file for kubectl with a context for each Kubernetes target
    Kubeconfig(kubeconfig::Args),
    /// Keep a service's way to its targets open: local ports and sockets, a certificate that renews itself
    Tunnel(tunnel::Args),
    /// Show who runs a session or ran one, or end one
    Sessions(sessions::Args),
    /// Show what waits for approval, or answer it
    Approvals(approvals::Args),
    /// Approvals, live sessions, recordings, targets and the audit log, in this terminal
    Tui(tui::Args),
    /// Keep a principal, group, target, certificate or address out, or show what is kept out
    Lock(lock::Args),
    /// Take a lock away
    Unlock(lock::UnlockArgs),
    /// Show the locks in force
    Locks(lock::ListArgs),
    /// Seal secrets for the configuration in the bastion's own store
    Secret(secret::Args),
    /// Show the certificate authorities or give one a new key
    Ca(ca::Args),
    /// Show, verify or export the audit log
    Audit(audit::Args),
    /// List, search, play, export and verify recordings
    Recordings(recordings::Args),
    /// What services and people are granted, and what they used of it
    LeastPrivilege(least_privilege::Args),
    /// Watch over the transparency logs of bastions, on another machine than theirs
    Witness(witness::Args),
    /// Write a completion script for a shell
    Completions(manual::CompletionsArgs),
    /// Write bartizan(1)
    Man,
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    if let Some(code) = login::askpass::run_if_asked() {
        return code;
    }
    let line = Line::parse();
    let done = match line.command {
        Command::Serve(args) => serve::run(&line.common, &args),
        Command::Init(args) => init::run(&line.common, &args),
        Command::Policy(args) => policy::run(&line.common, &args),
        Command::Postgres(args) => postgres::run(&line.common, &args),
        Command::Targets(args) => targets::run(&line.common, &args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man => manual::man(),
        Command::Check(args) => check::run(&line.common, &args),
        Command::Login(args) => login::run(&line.common, &args),
        Command::Cert(args) => cert::run(&line.common, &args),
        Command::SshConfig(args) => ssh_config::run(&line.common, &args),
        Command::Kubeconfig(args) => kubeconfig::run(&line.common, &args),
        Command::Tunnel(args) => tunnel::run(args),
        Command::Sessions(args) => sessions::run(&line.common, &args),
        Command::Approvals(args) => approvals::run(&line.common, &args),
        Command::Tui(args) => tui::run(&line.common, &args),
        Command::Lock(args) => lock::run(&line.common, &args),
        Command::Unlock(args) => lock::unlock(&line.common, &args),
        Command::Locks(args) => lock::locks(&line.common, &args),
        Command::Secret(args) => secret::run(&line.common, &args),
        Command::Ca(args) => ca::run(&line.common, &args),
        Command::Audit(args) => audit::run(&line.common, &args),
        Command::Recordings(args) => recordings::run(&line.common, &args),
        Command::LeastPrivilege(args) => least_privilege::run(&line.common, &args),
        Command::Witness(args) => witness::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(exit) => exit.report(),
    }
}
