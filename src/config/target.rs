//! `[[target]]`: a named downstream and how the bastion reaches it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::model::{Login, TargetKind, TargetName};

use super::http::HttpTarget;
use super::kubernetes::KubernetesTarget;
use super::postgres::PostgresTarget;
use super::reader::Section;
use super::route::{Route, RouteKind, Way, read_address};
use super::{SecretSource, defaults, http, kubernetes, postgres, secret};

/// One target.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name, the only thing a visitor may ask for.
    pub name: TargetName,
    /// Labels for policy and display.
    pub tags: BTreeMap<String, String>,
    /// How to reach it.
    pub access: TargetAccess,
}

impl Target {
    /// The kind, which decides the gateway.
    #[must_use]
    pub fn kind(&self) -> TargetKind {
        match self.access {
            TargetAccess::Ssh(_) => TargetKind::Ssh,
            TargetAccess::Postgres(_) => TargetKind::Postgres,
            TargetAccess::Kubernetes(_) => TargetKind::Kubernetes,
            TargetAccess::Http(_) => TargetKind::Http,
        }
    }

    /// The way to it.
    #[must_use]
    pub fn route(&self) -> &Route {
        match &self.access {
            TargetAccess::Ssh(ssh) => &ssh.route,
            TargetAccess::Postgres(postgres) => &postgres.route,
            TargetAccess::Kubernetes(kubernetes) => &kubernetes.http.route,
            TargetAccess::Http(http) => &http.route,
        }
    }

    /// Whether it is reached through whoever publishes it.
    #[must_use]
    pub fn is_published(&self) -> bool {
        matches!(self.route(), Route::Reverse(_))
    }
}

/// What each kind needs.
#[derive(Debug, Clone)]
pub enum TargetAccess {
    /// An SSH server.
    Ssh(SshTarget),
    /// A PostgreSQL server.
    Postgres(PostgresTarget),
    /// A Kubernetes API server.
    Kubernetes(KubernetesTarget),
    /// An HTTP server.
    Http(HttpTarget),
}

/// An SSH server.
#[derive(Debug, Clone)]
pub struct SshTarget {
    /// The way to it.
    pub route: Route,
    /// Its host, which its certificate may name.
    pub named: String,
    /// Accounts that may be asked for.
    pub logins: Vec<Login>,
    /// How its host key is known.
    pub host: HostTrust,
    /// How the bastion logs in.
    pub credential: SshCredential,
}

/// How a target's host key is known. There is no trust on first use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostTrust {
    /// These public keys, each in OpenSSH's one-line form.
    Keys(Vec<String>),
    /// Host certificates of this authority, whose principals hold the target's name or address.
    Authority(String),
}

/// How the bastion logs in at an SSH target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshCredential {
    /// A certificate of the target CA, for an ephemeral key, made for each session.
    Certificate,
    /// A private key in OpenSSH's form.
    Key(SecretSource),
    /// A password.
    Password(SecretSource),
}

pub(super) fn read_all(root: &Section<'_>, home: &Path) -> Option<Vec<Target>> {
    let sections = root.sections("target");
    let read: Vec<_> = sections.iter().map(|section| read_one(section, home)).collect();
    let mut targets: Vec<Target> = Vec::new();
    for (section, target) in sections.iter().zip(read) {
        let target = target?;
        if targets.iter().any(|known| known.name == target.name) {
            section.problem(&section.whole(), format!("a second target is named `{}`", target.name), "give each its own name");
            return None;
        }
        targets.push(target);
    }
    Some(targets)
}

fn read_one(section: &Section<'_>, home: &Path) -> Option<Target> {
    let name = section.need_parsed::<TargetName>("name", "a short name, as in \"web-1\"");
    let tags = section.section("tags").map(|s| s.string_pairs().into_iter().map(|(k, p)| (k, p.value)).collect()).unwrap_or_default();
    let kinds =
        [("ssh", TargetKind::Ssh), ("postgres", TargetKind::Postgres), ("kubernetes", TargetKind::Kubernetes), ("http", TargetKind::Http)];
    if !section.has("kind") {
        section.missing("kind", "one of \"ssh\", \"postgres\", \"kubernetes\", \"http\"");
        return None;
    }
    let route = section.choice("route", &RouteKind::WORDS, defaults::ROUTE);
    let way = Way { name: name.as_ref().map(|name| &name.value), route: route.unwrap_or(defaults::ROUTE) };
    let access = match section.choice("kind", &kinds, TargetKind::Ssh)? {
        TargetKind::Ssh => read_ssh(section, home, way).map(TargetAccess::Ssh),
        TargetKind::Postgres => postgres::read(section, home, way).map(TargetAccess::Postgres),
        TargetKind::Kubernetes => kubernetes::read(section, home, way).map(TargetAccess::Kubernetes),
        TargetKind::Http => http::read(section, home, way).map(TargetAccess::Http),
    };
    section.finish();
    route?;
    Some(Target { name: name?.value, tags, access: access? })
}

fn read_ssh(section: &Section<'_>, home: &Path, way: Way<'_>) -> Option<SshTarget> {
    let address = read_address(section, 22, way);
    let logins = read_logins(section);
    let host = read_host_trust(section);
    let credential = read_credential(section, home);
    let (route, named) = address?;
    Some(SshTarget { route, named, logins: logins?, host: host?, credential: credential? })
}

fn read_logins(section: &Section<'_>) -> Option<Vec<Login>> {
    let found = section.strings("logins")?;
    if found.is_empty() {
        section.missing("logins", "the accounts that may be asked for, as in [\"deploy\"]");
        return None;
    }
    let mut logins = Vec::new();
    for placed in found {
        match placed.value.parse() {
            Ok(login) => logins.push(login),
            Err(error) => {
                section.problem(&placed, format!("{error}"), "an account name of the target");
                return None;
            }
        }
    }
    Some(logins)
}

fn read_host_trust(section: &Section<'_>) -> Option<HostTrust> {
    let keys = if section.has("host_keys") { section.strings("host_keys")? } else { section.string("host_key").into_iter().collect() };
    let authority = section.string("host_ca");
    let mend = "host_key = \"ssh-ed25519 AAAA…\" (from the target's /etc/ssh/ssh_host_ed25519_key.pub), or host_ca";
    for placed in keys.iter().chain(&authority) {
        if let Err(error) = russh::keys::PublicKey::from_openssh(&placed.value) {
            section.problem(placed, format!("is not a public key: {error}"), mend);
            return None;
        }
    }
    match (keys.is_empty(), authority) {
        (false, None) => Some(HostTrust::Keys(keys.into_iter().map(|p| p.value).collect())),
        (true, Some(key)) => Some(HostTrust::Authority(key.value)),
        (true, None) => {
            section.missing("host_key", mend);
            None
        }
        (false, Some(key)) => {
            section.problem(&key, "stands beside host_key", "keep one of the two");
            None
        }
    }
}

fn read_credential(section: &Section<'_>, home: &Path) -> Option<SshCredential> {
    let mend = "\"certificate\", { key = { file = \"PATH\" } } or { password = { env = \"NAME\" } }";
    if !section.has("credential") {
        section.missing("credential", mend);
        return None;
    }
    if let Some(inner) = section.table_if("credential") {
        let key = inner.has("key").then(|| secret::read(&inner, "key", home));
        let password = inner.has("password").then(|| secret::read(&inner, "password", home));
        inner.finish();
        return match (key, password) {
            (Some(key), None) => key.map(SshCredential::Key),
            (None, Some(password)) => password.map(SshCredential::Password),
            _ => {
                inner.problem(&inner.whole(), "is not one credential", mend);
                None
            }
        };
    }
    let placed = section.string("credential")?;
    if placed.value != "certificate" {
        section.problem(&placed, "is not a credential", mend);
        return None;
    }
    Some(SshCredential::Certificate)
}
