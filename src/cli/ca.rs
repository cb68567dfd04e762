//! `bartizan ca`: shows the certificate authorities and what to paste where, gives one a new key, and takes trust away. The bastion
//! decides the last two by policy and does them; where none runs on this machine, its state folder is written here.

mod revoke;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use russh::keys::{HashAlg, PublicKey};
use serde_json::{Value, json};

use crate::audit::{Entry, read_public_key};
use crate::config::Config;
use crate::control::protocol::RotateAuthority;
use crate::identity::authority::{self, AuthorityError, AuthorityKeys};
use crate::identity::{self, VOUCHER_KEY};
use crate::model::AuthorityKind;

use super::local::{Local, block_on, operator};
use super::remote::Remote;
use super::{Common, Exit};

/// Options of `bartizan ca`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the authorities' keys, and what to paste where
    Show {
        /// Only this one
        authority: Option<Authority>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the key that HTTP servers verify callers' identities with, as a JWK set
    Jwks,
    /// Give an authority a new key, now
    Rotate {
        /// Which one
        authority: Authority,
        /// How long certificates of the old key are still believed, such as 24h or 90m
        #[arg(long, default_value = "24h", value_parser = parse_overlap)]
        overlap: Duration,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take trust away from a certificate, a key, or all that a principal was issued so far; for good
    Revoke(revoke::Args),
}

/// The authorities by the names they have on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Authority {
    /// Signs users' and services' certificates
    User,
    /// Signs host certificates; users trust it
    Host,
    /// Signs what the bastion shows to targets; targets trust it
    Target,
}

impl From<Authority> for AuthorityKind {
    fn from(authority: Authority) -> Self {
        match authority {
            Authority::User => Self::User,
            Authority::Host => Self::Host,
            Authority::Target => Self::Target,
        }
    }
}

fn parse_overlap(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok());
    parsed
        .filter(|overlap| *overlap <= authority::LONGEST_OVERLAP)
        .ok_or_else(|| "write a time from 0s to 744h, as in 24h or 90m".to_owned())
}

pub(super) fn run(common: &Common, args: &Args) -> Result<ExitCode, Exit> {
    let config = common.load()?;
    match &args.command {
        Command::Revoke(args) => revoke::run(common, args),
        Command::Show { authority, json } => show(&config, authority.map(AuthorityKind::from), *json),
        Command::Jwks => jwks(&config),
        Command::Rotate { authority, overlap, json } => rotate(common, &config, (*authority).into(), *overlap, *json),
    }
}

fn show(config: &Config, only: Option<AuthorityKind>, as_json: bool) -> Result<ExitCode, Exit> {
    let found = authority::read_keys(&config.server.state_dir).map_err(exit)?;
    let found = found.into_iter().filter(|(kind, _)| only.is_none_or(|only| only == *kind));
    let now = Timestamp::now();
    if as_json {
        let list = found.map(|(kind, keys)| to_json(kind, &keys, now)).collect::<Result<Vec<_>, _>>()?;
        print(&format!("{:#}\n", Value::Array(list)));
        return Ok(ExitCode::SUCCESS);
    }
    let texts = found.map(|(kind, keys)| to_text(kind, &keys, now)).collect::<Result<Vec<_>, _>>()?;
    print(&texts.join("\n"));
    Ok(ExitCode::SUCCESS)
}

fn jwks(config: &Config) -> Result<ExitCode, Exit> {
    let path = config.server.state_dir.join("keys").join(VOUCHER_KEY).with_extension("pub");
    let key = read_public_key(&path).map_err(|e| Exit::incomplete(format!("{e}; the bastion makes this key when it starts")))?;
    print(&format!("{:#}\n", identity::jwks(&key)));
    Ok(ExitCode::SUCCESS)
}

fn rotate(common: &Common, config: &Config, kind: AuthorityKind, overlap: Duration, as_json: bool) -> Result<ExitCode, Exit> {
    let now = Timestamp::now();
    let keys = match Remote::here(common)? {
        Some(mut bastion) => {
            // A second that has begun counts.
            let overlap_seconds = overlap.as_secs() + u64::from(overlap.subsec_nanos() > 0);
            bastion.ask::<Value>("authority.rotate", &RotateAuthority { authority: kind, overlap_seconds })?;
            let found = authority::read_keys(&config.server.state_dir).map_err(exit)?.into_iter().find(|(found, _)| *found == kind);
            found.map(|(_, keys)| keys).ok_or_else(|| Exit::incomplete("the key was changed, and cannot be read"))?
        }
        None => block_on(rotate_here(&Local::instead(common)?, config, kind, overlap, now))?,
    };
    if as_json {
        print(&format!("{:#}\n", to_json(kind, &keys, now)?));
    } else {
        print(&format!("The {kind} authority has a new key. {}\n\n{}", advice(kind), to_text(kind, &keys, now)?));
    }
    Ok(ExitCode::SUCCESS)
}

async fn rotate_here(
    local: &Local,
    config: &Config,
    kind: AuthorityKind,
    overlap: Duration,
    now: Timestamp,
) -> Result<AuthorityKeys, Exit> {
    let rotated = authority::rotate(&config.server.state_dir, &config.authorities, kind, overlap, now, &mut rand::rng()).await;
    let keys = rotated.map_err(exit)?;
    let old = keys.old.first().map(|old| fingerprint(&old.key));
    let entry = Entry::CaRotated { authority: kind, old, new: fingerprint(&keys.current), by: operator() };
    local.note(entry).await.map_err(|e| e.after("the key was changed, but the audit log does not say so"))?;
    Ok(keys)
}

/// What is still to be done by hand.
fn advice(kind: AuthorityKind) -> &'static str {
    match kind {
        AuthorityKind::User => "Nothing more is to be done: the bastion follows by itself.",
        AuthorityKind::Host => "Give the lines below to the users now: without them, ssh does not know the bastion any more.",
        AuthorityKind::Target => "Put the lines below on every target now: until then, targets refuse new sessions.",
    }
}

/// The key lines as they are, all else as comments: `ca show target` can be written to a file that sshd reads.
fn to_text(kind: AuthorityKind, keys: &AuthorityKeys, now: Timestamp) -> Result<String, Exit> {
    let mut text = format!("# {kind} authority  {}  since {}\n", fingerprint(&keys.current), keys.since);
    for old in &keys.old {
        let state = if now < old.trusted_until { "trusted until" } else { "not trusted since" };
        text.push_str(&format!("# old key  {} {state} {}\n", fingerprint(&old.key), old.trusted_until));
    }
    text.push_str(&format!("# {}\n", place(kind)));
    if kind == AuthorityKind::Host {
        for line in paste(kind, keys, now)? {
            text.push_str(&format!("#   {line}\n"));
        }
    }
    for key in keys.trusted(now) {
        text.push_str(&format!("{}\n", line(&key)?));
    }
    Ok(text)
}

/// Where the lines of [`paste`] belong.
fn place(kind: AuthorityKind) -> &'static str {
    match kind {
        AuthorityKind::User => "for your records; only the bastion trusts it",
        AuthorityKind::Host => "in each user's ~/.ssh/known_hosts, or /etc/ssh/ssh_known_hosts:",
        AuthorityKind::Target => {
            "on each target, in /etc/ssh/bartizan_ca.pub, with `TrustedUserCAKeys /etc/ssh/bartizan_ca.pub` in /etc/ssh/sshd_config"
        }
    }
}

fn paste(kind: AuthorityKind, keys: &AuthorityKeys, now: Timestamp) -> Result<Vec<String>, Exit> {
    let mark = if kind == AuthorityKind::Host { "@cert-authority * " } else { "" };
    keys.trusted(now).iter().map(|key| Ok(format!("{mark}{}", line(key)?))).collect()
}

fn to_json(kind: AuthorityKind, keys: &AuthorityKeys, now: Timestamp) -> Result<Value, Exit> {
    let old = keys.old.iter().map(|old| {
        Ok::<_, Exit>(json!({
            "fingerprint": fingerprint(&old.key),
            "public_key": line(&old.key)?,
            "since": old.since.to_string(),
            "trusted_until": old.trusted_until.to_string(),
            "trusted": now < old.trusted_until,
        }))
    });
    Ok(json!({
        "authority": kind.as_str(),
        "fingerprint": fingerprint(&keys.current),
        "public_key": line(&keys.current)?,
        "since": keys.since.to_string(),
        "old": old.collect::<Result<Vec<_>, _>>()?,
        "paste": paste(kind, keys, now)?,
    }))
}

fn line(key: &PublicKey) -> Result<String, Exit> {
    key.to_openssh().map_err(|e| Exit::incomplete(e.to_string()))
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn exit(error: AuthorityError) -> Exit {
    if error.is_the_operators() { Exit::refused(error.to_string()) } else { Exit::incomplete(error.to_string()) }
}

#[expect(clippy::print_stdout, reason = "cli is the code that prints")]
fn print(text: &str) {
    print!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn keys() -> AuthorityKeys {
        let key = |end: &str| {
            PublicKey::from_openssh(&format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIe{end} ca"))
                .unwrap()
        };
        let (since, trusted_until) = (moment("2026-11-01T00:00:00Z"), moment("2026-11-24T00:00:00Z"));
        let old = authority::OldKey { key: key("ZJ"), since, trusted_until, file: "host.old-1.pub".into() };
        AuthorityKeys { current: key("ZK"), since: moment("2026-11-23T00:00:00Z"), old: vec![old] }
    }

    #[test]
    fn the_lines_to_paste_hold_old_keys_while_they_are_trusted() {
        let during = paste(AuthorityKind::Host, &keys(), moment("2026-11-23T23:59:59Z")).unwrap();
        assert_eq!(during.len(), 2);
        assert!(during[0].starts_with("@cert-authority * ssh-ed25519 AAAA") && during[0].contains("OIeZK"), "{during:?}");
        let after = paste(AuthorityKind::Target, &keys(), moment("2026-11-24T00:00:00Z")).unwrap();
        assert_eq!(after.len(), 1);
        assert!(after[0].starts_with("ssh-ed25519 ") && after[0].contains("OIeZK"), "{after:?}");
    }

    #[test]
    fn the_json_and_the_text_tell_the_same() {
        let now = moment("2026-11-23T12:00:00Z");
        let found = to_json(AuthorityKind::Host, &keys(), now).unwrap();
        let text = to_text(AuthorityKind::Host, &keys(), now).unwrap();
        assert_eq!((found["authority"].as_str(), found["old"][0]["trusted"].as_bool()), (Some("host"), Some(true)));
        for told in
            [&found["fingerprint"], &found["since"], &found["old"][0]["fingerprint"], &found["old"][0]["trusted_until"], &found["paste"][1]]
        {
            assert!(text.contains(told.as_str().unwrap()), "{told} is not in {text}");
        }
    }

    #[test]
    fn an_overlap_is_a_time_of_a_month_at_most() {
        assert_eq!(parse_overlap("24h"), Ok(Duration::from_secs(86_400)));
        assert_eq!(parse_overlap("90m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse_overlap("0s"), Ok(Duration::ZERO));
        for bad in ["", "24", "-1h", "745h", "soon"] {
            assert!(parse_overlap(bad).is_err(), "{bad}");
        }
    }
}
