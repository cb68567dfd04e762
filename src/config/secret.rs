//! Where a secret comes from: `{ env = "NAME" }`, `{ file = "PATH" }`, `{ exec = ["PROGRAM", "ARGUMENT"…] }`, `{ vault = "PATH" }` or
//! `{ sealed = "NAME" }`. Never a plain string, so that a configuration file can be shown and kept under version control. Fetches
//! nothing: that is for the room `secrets`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::Printable;

use super::defaults;
use super::problem::Problem;
use super::reader::Section;

/// A secret's place, and for how long it counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretSource {
    /// Where it is.
    pub place: SecretPlace,
    /// How long it is used before it is fetched again.
    pub keep: Duration,
    /// How much longer the last one may be used while it cannot be fetched.
    pub stale: Duration,
}

/// A place that holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretPlace {
    /// An environment variable of the bastion's process.
    Env(String),
    /// A file; one trailing newline is dropped.
    File(PathBuf),
    /// The standard output of a program, started without a shell; one trailing newline is dropped.
    Exec {
        /// The program and its arguments.
        words: Vec<String>,
        /// How long it may take.
        timeout: Duration,
    },
    /// A Vault-compatible server.
    Vault {
        /// The path of its API, as in `secret/data/orders`.
        path: String,
        /// Which field of the answer; none: the only one.
        field: Option<String>,
        /// Which field names the account, where it comes with the secret.
        user: Option<String>,
    },
    /// The bastion's own store.
    Sealed(String),
}

impl SecretSource {
    /// A file that is read each time.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self::fresh(SecretPlace::File(path.to_owned()))
    }

    /// A place that is asked each time.
    #[must_use]
    pub fn fresh(place: SecretPlace) -> Self {
        Self { place, keep: Duration::ZERO, stale: Duration::ZERO }
    }
}

impl SecretPlace {
    /// One word for its kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Env(_) => "env",
            Self::File(_) => "file",
            Self::Exec { .. } => "exec",
            Self::Vault { .. } => "vault",
            Self::Sealed(_) => "sealed",
        }
    }
}

/// The kind and the name. Of a program only the program: its arguments are nobody else's business.
impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.place {
            SecretPlace::Env(name) | SecretPlace::Sealed(name) => name.clone(),
            SecretPlace::File(path) => path.display().to_string(),
            SecretPlace::Exec { words, .. } => words.first().cloned().unwrap_or_default(),
            SecretPlace::Vault { path, .. } => path.clone(),
        };
        write!(f, "{} {}", self.place.kind(), Printable(&name))
    }
}

/// A secret's source and where in the configuration it stands.
#[derive(Debug, Clone)]
pub struct PlacedSecret {
    /// The source.
    pub source: SecretSource,
    /// Its place; says nothing yet of what is wrong.
    pub(super) place: Problem,
}

impl PlacedSecret {
    /// What is wrong with it, told at its place.
    #[must_use]
    pub fn problem(&self, what: impl Into<String>, mend: impl Into<String>) -> Problem {
        Problem { what: what.into(), mend: mend.into(), ..self.place.clone() }
    }
}

/// Which places will do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// All.
    Any,
    /// All, and the account may come from there too.
    Login,
    /// Those of this machine: what opens the others.
    Local,
}

/// Reads the secret source under `key`.
pub(super) fn read(section: &Section<'_>, key: &'static str, home: &Path) -> Option<SecretSource> {
    read_source(&section.section(key)?, home)
}

pub(super) fn read_source(inner: &Section<'_>, home: &Path) -> Option<SecretSource> {
    read_from(inner, home, Taken::Any)
}

/// The same for an account's password: both may come from one place.
pub(super) fn read_login(inner: &Section<'_>, home: &Path) -> Option<SecretSource> {
    read_from(inner, home, Taken::Login)
}

/// The same for what opens the other places.
pub(super) fn read_local(section: &Section<'_>, key: &'static str, home: &Path) -> Option<SecretSource> {
    read_from(&section.section(key)?, home, Taken::Local)
}

fn read_from(inner: &Section<'_>, home: &Path, taken: Taken) -> Option<SecretSource> {
    let env = inner.string("env").map(|placed| SecretPlace::Env(placed.value));
    let file = inner.string("file").map(|placed| SecretPlace::File(home.join(placed.value)));
    let words = inner.strings("exec")?;
    let timeout = inner.duration("timeout", Duration::from_secs(1)..=Duration::from_secs(60), defaults::EXEC_TIMEOUT)?;
    let words: Vec<String> = words.into_iter().map(|word| word.value).collect();
    let exec = (!words.is_empty()).then_some(SecretPlace::Exec { words, timeout });
    let vault = read_vault(inner, taken)?;
    let sealed = read_sealed(inner)?;
    let mut found: Vec<_> = [env, file, exec, vault, sealed].into_iter().flatten().collect();
    if found.len() != 1 {
        inner.finish();
        let mend = "one of { env = \"NAME\" }, { file = \"PATH\" }, { exec = [\"PROGRAM\"] }, { vault = \"PATH\" }, { sealed = \"NAME\" }";
        inner.problem(&inner.whole(), "does not name one place of the secret", mend);
        return None;
    }
    let place = found.pop()?;
    if taken == Taken::Local && matches!(place, SecretPlace::Vault { .. } | SecretPlace::Sealed(_)) {
        inner.problem(
            &inner.whole(),
            "opens the vault, so it cannot be in one",
            "one of { env = \"NAME\" }, { file = \"PATH\" }, { exec = [\"PROGRAM\"] }",
        );
        return None;
    }
    let fetched_anew = matches!(place, SecretPlace::Env(_) | SecretPlace::File(_) | SecretPlace::Sealed(_));
    let keep = inner.duration("keep", Duration::ZERO..=Duration::from_secs(24 * 3600), defaults::SECRET_KEEP)?;
    let stale = inner.duration("stale", Duration::ZERO..=Duration::from_secs(24 * 3600), Duration::ZERO)?;
    inner.finish();
    let meant = [
        ("timeout", matches!(place, SecretPlace::Exec { .. })),
        ("field", matches!(place, SecretPlace::Vault { .. })),
        ("user", taken == Taken::Login && matches!(place, SecretPlace::Vault { .. })),
        ("keep", !fetched_anew),
        ("stale", !matches!(place, SecretPlace::Env(_))),
    ];
    for (key, _) in meant.into_iter().filter(|(_, is_meant)| !is_meant) {
        if let Some(placed) = inner.place(key) {
            inner.problem(&placed, format!("means nothing for {} here", place.kind()), "leave it out");
            return None;
        }
    }
    let source = SecretSource { place, keep: if fetched_anew { Duration::ZERO } else { keep }, stale };
    inner.found_secret(source.clone());
    Some(source)
}

fn read_vault(inner: &Section<'_>, taken: Taken) -> Option<Option<SecretPlace>> {
    let (field, user) = (inner.string("field"), inner.string("user"));
    let Some(placed) = inner.string("vault") else { return Some(None) };
    let path = placed.value.trim_matches('/').to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@:+".contains(c);
    if path.is_empty() || path.len() > 512 || !path.chars().all(plain) || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        let mend = "the path of its API: \"secret/data/orders\" for KV version 2, \"database/creds/orders\" for lent accounts";
        inner.problem(&placed, format!("`{}` is not a path of a vault", Printable(&placed.value)), mend);
        return None;
    }
    // What lends accounts names them so.
    let lends = taken == Taken::Login && ["creds", "static-creds"].iter().any(|part| path.split('/').any(|known| known == *part));
    let or = |given: Option<super::reader::Placed<String>>, usual: &str| given.map(|g| g.value).or_else(|| lends.then(|| usual.to_owned()));
    Some(Some(SecretPlace::Vault { path, field: or(field, "password"), user: or(user, "username") }))
}

fn read_sealed(inner: &Section<'_>) -> Option<Option<SecretPlace>> {
    let Some(placed) = inner.string("sealed") else { return Some(None) };
    if !is_sealed_name(&placed.value) {
        inner.problem(
            &placed,
            "is not the name of a sealed secret",
            "letters, digits, `-`, `_` and `.`, at most 64; `bartizan secret list` shows them",
        );
        return None;
    }
    Some(Some(SecretPlace::Sealed(placed.value)))
}

/// Whether `name` may be that of a sealed secret.
#[must_use]
pub fn is_sealed_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 64 && name.chars().all(plain)
}
