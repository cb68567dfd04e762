//! How old the credentials are that a principal's access stands on: its certificates, the secrets with which the bastion logs in at
//! targets, the bastion's own authorities. Tells ages and places; reads no secret.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::usage::{Certificates, Usage};
use crate::config::{Config, SecretPlace, SecretSource, SshCredential, Target, TargetAccess};
use crate::model::AuthorityKind;

/// One credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// What it is.
    pub what: String,
    /// Where it comes from, and what else is known of it.
    pub detail: String,
    /// Since when it is what it is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How old it is, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<i64>,
}

impl Credential {
    fn new(what: &str, detail: String, since: Option<Timestamp>, now: Timestamp) -> Self {
        let age_seconds = since.map(|since| now.duration_since(since).as_secs());
        Self { what: what.to_owned(), detail, since, age_seconds }
    }
}

/// Certificates of a principal.
pub(super) fn certificates(found: &Certificates, now: Timestamp) -> Vec<Credential> {
    if found.issued == 0 {
        return Vec::new();
    }
    let lives = found.valid_until.is_some_and(|until| until > now);
    let detail = format!(
        "{} issued, each for at most {}; {}",
        found.issued,
        lifetime(found.longest),
        if lives { "the last is still valid" } else { "none is still valid" }
    );
    vec![Credential::new("certificate", detail, found.last, now)]
}

fn lifetime(longest: SignedDuration) -> String {
    // The clock is read twice between the two moments.
    let minutes = (longest.as_secs() + 30) / 60;
    if minutes < 1 { format!("{} s", longest.as_secs()) } else { format!("{minutes} min") }
}

/// The secrets with which the bastion logs in at a target.
pub(super) fn secrets(target: &Target, now: Timestamp) -> Vec<Credential> {
    let one = |what: &str, source: &SecretSource| {
        let (detail, since) = match &source.place {
            SecretPlace::File(path) => (source.to_string(), changed(path)),
            SecretPlace::Env(_) | SecretPlace::Sealed(_) => (format!("{source}: its age is not known"), None),
            SecretPlace::Exec { .. } | SecretPlace::Vault { .. } => {
                (format!("{source}: fetched when it is needed, kept for {} s", source.keep.as_secs()), None)
            }
        };
        Credential::new(what, detail, since, now)
    };
    let pair = |certificate: &Option<(std::path::PathBuf, std::path::PathBuf)>| {
        let file = |(_, key): &(std::path::PathBuf, std::path::PathBuf)| {
            Credential::new("client key", format!("file {}", key.display()), changed(key), now)
        };
        certificate.as_ref().map(file)
    };
    match &target.access {
        TargetAccess::Ssh(ssh) => match &ssh.credential {
            SshCredential::Certificate => {
                vec![Credential::new("certificate", "a new key and certificate for each session".to_owned(), None, now)]
            }
            SshCredential::Key(source) => vec![one("key", source)],
            SshCredential::Password(source) => vec![one("password", source)],
        },
        TargetAccess::Postgres(access) => {
            let users = access.users.iter().filter_map(|user| Some(one(&format!("password of {}", user.name), user.password.as_ref()?)));
            users.chain(pair(&access.certificate)).collect()
        }
        TargetAccess::Http(access) => {
            let headers = access.headers.iter().map(|(name, source)| one(&format!("header {name}"), source));
            headers.chain(pair(&access.certificate)).collect()
        }
        TargetAccess::Kubernetes(access) => {
            let token = access.token.iter().map(|source| one("token", source));
            token.chain(pair(&access.http.certificate)).collect()
        }
    }
}

/// The bastion's authorities, by the file of their public key.
pub(super) fn authorities(config: &Config, usage: &Usage, now: Timestamp) -> Vec<Credential> {
    let one = |kind: AuthorityKind| {
        let file = config.server.state_dir.join("ca").join(format!("{kind}.pub"));
        let since = usage.rotated.get(&kind).copied().or_else(|| changed(&file));
        since.map(|since| Credential::new(&format!("{kind} authority"), "signs certificates".to_owned(), Some(since), now))
    };
    AuthorityKind::ALL.into_iter().filter_map(one).collect()
}

/// When a file was changed.
fn changed(path: &Path) -> Option<Timestamp> {
    Timestamp::try_from(std::fs::metadata(path).ok()?.modified().ok()?).ok().map(|at| at.round(jiff::Unit::Second).unwrap_or(at))
}
