//! `bartizan ssh-config`: what goes into `~/.ssh/config` and `known_hosts`. The host authority is trusted for the bastion's
//! own name and its targets' names, never for every host. Writes no file.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use russh::keys::PublicKey;

use super::bastion::Bastion;
use super::print::Page;
use super::{Common, Exit};
use crate::config::{Config, TargetAccess};
use crate::model::Login;

/// Options of `bartizan ssh-config`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The bastion; without it, the one that the configuration file names
    #[arg(long, value_name = "HOST[:PORT]", env = "BARTIZAN_BASTION", hide_env_values = true)]
    bastion: Option<Bastion>,
    /// The host authority's public key, or a file with it; on the bastion itself it is found
    #[arg(long, value_name = "FILE|KEY")]
    host_ca: Option<String>,
    /// A target's name or pattern (`web-*`), with `LOGIN@` before it for --form login; on the bastion itself they are found
    #[arg(long = "target", value_name = "[LOGIN@]PATTERN")]
    targets: Vec<String>,
    /// How targets are reached: `ssh deploy@web-1` by a jump, or by the bastion's user name LOGIN@TARGET
    #[arg(long, value_enum, default_value_t = Form::Jump)]
    form: Form,
    /// Print only one of the two files' parts
    #[arg(long, value_enum)]
    part: Option<Part>,
    /// The key that `bartizan login` certifies
    #[arg(long, value_name = "FILE", default_value = "~/.ssh/id_bartizan")]
    key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Jump,
    Login,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Config,
    KnownHosts,
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let facts = Facts::gather(common, args)?;
    let mut page = Page::stdout();
    if args.part != Some(Part::KnownHosts) {
        heading(&mut page, args, "# This goes into ~/.ssh/config")?;
        facts.config(args).iter().try_for_each(|line| page.line(line))?;
    }
    if args.part != Some(Part::Config) {
        heading(&mut page, args, "\n# This goes into ~/.ssh/known_hosts")?;
        facts.known_hosts().iter().try_for_each(|line| page.line(line))?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn heading(page: &mut Page, args: &Args, text: &str) -> Result<(), Exit> {
    if args.part.is_none() { page.line(text) } else { Ok(()) }
}

/// A target's pattern and the logins that may be asked for there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reached {
    pattern: String,
    logins: Vec<Login>,
}

/// What the lines are made of.
#[derive(Debug)]
struct Facts {
    bastion: Bastion,
    targets: Vec<Reached>,
    authorities: Vec<String>,
}

impl Facts {
    fn gather(common: &Common, args: &Args) -> Result<Self, Exit> {
        // Beside a named bastion a configuration is of use only if it is that bastion's own; it need not be there.
        let config = match &args.bastion {
            None if !common.config.exists() => return Err(Exit::usage("which bastion? Name it with --bastion HOST[:PORT]")),
            None => Some(common.load()?),
            Some(named) => common.load().ok().filter(|config| config.server.name == named.host),
        };
        let bastion = match (&args.bastion, &config) {
            (Some(named), _) => named.clone(),
            (None, Some(config)) => Bastion::of(&config.server),
            (None, None) => return Err(Exit::usage("which bastion? Name it with --bastion HOST[:PORT]")),
        };
        let targets = match (&config, args.targets.is_empty()) {
            (Some(config), true) => configured(config),
            _ => args.targets.iter().map(|text| named(text)).collect::<Result<_, _>>()?,
        };
        let authorities = match (&args.host_ca, &config) {
            _ if args.part == Some(Part::Config) => Vec::new(),
            (Some(given), _) => authorities(given)?,
            (None, Some(config)) => authorities(&config.server.state_dir.join("ca/host.pub").to_string_lossy())?,
            (None, None) => {
                return Err(Exit::usage("give the bastion's host authority with --host-ca FILE or KEY, or ask for --part config"));
            }
        };
        Ok(Self { bastion, targets, authorities })
    }

    fn config(&self, args: &Args) -> Vec<String> {
        let host = &self.bastion.host;
        let mut lines = vec![format!("Host {host}")];
        lines.extend(self.reach());
        lines.extend([format!("    IdentityFile {}", args.key), format!("    CertificateFile {}-cert.pub", args.key)]);
        match args.form {
            _ if self.targets.is_empty() => {}
            Form::Jump => {
                let patterns: Vec<_> = self.targets.iter().map(|t| t.pattern.as_str()).collect();
                lines.extend([String::new(), format!("Host {}", patterns.join(" ")), format!("    ProxyJump {host}")]);
            }
            Form::Login => lines.extend(self.targets.iter().flat_map(|target| self.login_blocks(target, args))),
        }
        lines
    }

    fn reach(&self) -> Vec<String> {
        let port = self.bastion.port.map(|port| format!("    Port {port}"));
        let user = self.bastion.user.as_ref().map(|user| format!("    User {user}"));
        port.into_iter().chain(user).collect()
    }

    /// `Host web-1` logs in as its first login; the others have names of their own, `Host root.web-1`.
    fn login_blocks(&self, target: &Reached, args: &Args) -> Vec<String> {
        let pattern = &target.pattern;
        let mut lines = Vec::new();
        for (n, login) in target.logins.iter().enumerate() {
            let is_pattern = pattern.contains(['*', '?']);
            let name = if n == 0 { pattern.clone() } else { format!("{login}.{pattern}") };
            // ssh takes everything up to the last @ for the user; in User it stands as it is.
            let asked = if is_pattern { "%n" } else { pattern };
            lines.push(String::new());
            if is_pattern {
                lines.push("# %n in User needs OpenSSH 10 or later; before that, name each target".to_owned());
            }
            lines.extend([format!("Host {name}"), format!("    HostName {}", self.bastion.host)]);
            lines.extend(self.bastion.port.map(|port| format!("    Port {port}")));
            lines.push(format!("    User {login}@{asked}"));
            lines.extend([format!("    IdentityFile {}", args.key), format!("    CertificateFile {}-cert.pub", args.key)]);
        }
        lines
    }

    /// Lines of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".
    fn known_hosts(&self) -> Vec<String> {
        // Bare as well, for those who reach another port by HostKeyAlias.
        let (own, bare) = (self.bastion.known_host(), self.bastion.host.as_str());
        let hosts: Vec<_> = std::iter::once(own.as_str())
            .chain((own != bare).then_some(bare))
            .chain(self.targets.iter().map(|t| t.pattern.as_str()))
            .collect();
        self.authorities.iter().map(|key| format!("@cert-authority {} {key}", hosts.join(","))).collect()
    }
}

fn configured(config: &Config) -> Vec<Reached> {
    let ssh = config.targets.iter().filter_map(|target| match &target.access {
        TargetAccess::Ssh(access) => Some(Reached { pattern: target.name.to_string(), logins: access.logins.clone() }),
        _ => None,
    });
    ssh.collect()
}

/// A pattern may not be so wide that the authority would vouch for hosts of others.
fn named(text: &str) -> Result<Reached, Exit> {
    let (login, pattern) = text.split_once('@').map_or((None, text), |(login, pattern)| (Some(login), pattern));
    let plain = pattern.chars().all(|c| c.is_ascii_alphanumeric() || "-_.*?".contains(c)) && !pattern.starts_with('-');
    if !plain || !pattern.contains(|c: char| c.is_ascii_alphanumeric()) {
        return Err(Exit::usage(format!(
            "--target: `{}` is not a target's name or pattern, as web-1 or web-*",
            crate::model::Printable(text)
        )));
    }
    let login = login.map(str::parse).transpose().map_err(|e| Exit::usage(format!("--target: {e}")))?;
    Ok(Reached { pattern: pattern.to_owned(), logins: login.into_iter().collect() })
}

/// Public keys of a file, one in each line, or the key itself.
fn authorities(given: &str) -> Result<Vec<String>, Exit> {
    public_keys(given)?.iter().map(|key| key.to_openssh().map_err(|error| not_a_key(given, error))).collect()
}

/// The public keys that were given: one key itself, or a file of them.
pub(super) fn public_keys(given: &str) -> Result<Vec<PublicKey>, Exit> {
    let text = if given.contains(' ') { given.to_owned() } else { read(given)? };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Result<Vec<_>, _> = lines.map(PublicKey::from_openssh).collect();
    match keys {
        Ok(keys) if keys.is_empty() => Err(Exit::usage(format!("{given}: there is no public key in it"))),
        Ok(keys) => Ok(keys),
        Err(error) => Err(not_a_key(given, error)),
    }
}

fn not_a_key(given: &str, error: russh::keys::ssh_key::Error) -> Exit {
    Exit::usage(format!("{given}: not a public key: {error}"))
}

fn read(path: &str) -> Result<String, Exit> {
    let path = PathBuf::from(path);
    fs::read_to_string(&path).map_err(|e| Exit::usage(format!("{}: {e}", path.display())))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn lines(words: &[&str]) -> Result<String, Exit> {
        let always = ["x", "--host-ca", KEY];
        let args = Line::parse_from(always.iter().chain(words)).args;
        let facts = Facts::gather(&Common { config: PathBuf::from("/nowhere") }, &args)?;
        Ok(facts.config(&args).into_iter().chain(facts.known_hosts()).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn targets_are_reached_by_a_jump_through_the_bastion() {
        let text = lines(&["--bastion", "b.example.com:2222", "--target", "web-*", "--target", "db-1"]).unwrap();
        let expected = format!(
            "Host b.example.com\n    Port 2222\n    IdentityFile ~/.ssh/id_bartizan\n    CertificateFile ~/.ssh/id_bartizan-cert.pub\n\n\
             Host web-* db-1\n    ProxyJump b.example.com\n@cert-authority [b.example.com]:2222,b.example.com,web-*,db-1 {KEY}"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn or_by_the_name_that_asks_for_login_and_target() {
        let text = lines(&["--bastion", "b", "--form", "login", "--target", "deploy@web-1"]).unwrap();
        assert!(text.contains("Host web-1\n    HostName b\n    User deploy@web-1\n"), "{text}");
        assert!(text.ends_with(&format!("@cert-authority b,web-1 {KEY}")), "{text}");
    }

    #[test]
    fn the_authority_is_never_trusted_for_all_hosts() {
        for wide in ["*", "**", "?", "*.*", "-x", "a,b", "a b", "a\nHost *", "!x", "x#y"] {
            assert!(lines(&["--bastion", "b", &format!("--target={wide}")]).is_err(), "{wide:?} was taken");
        }
    }

    #[test]
    fn without_a_bastion_or_an_authority_it_is_asked_for() {
        assert!(lines(&[]).is_err());
        let args = Line::parse_from(["x", "--bastion", "b"]).args;
        assert!(Facts::gather(&Common { config: PathBuf::from("/nowhere") }, &args).is_err());
    }
}
