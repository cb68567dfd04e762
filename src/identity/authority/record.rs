//! `ca/authorities.json`: which public key each authority has, since when, and which old ones are trusted until when. It is
//! the one truth: replacing it is what makes a rotation happen. Holds nothing secret.

use jiff::Timestamp;
use russh::keys::PublicKey;
use serde::{Deserialize, Serialize};

use crate::identity::certificate::read_key;

use super::files::PrivateDir;
use super::kind::Each;
use super::{AuthorityError, AuthorityKind};

/// The record's file name, in `state_dir/ca`.
pub(super) const FILE: &str = "authorities.json";
const VERSION: u32 = 1;

/// What is publicly known of one authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityKeys {
    /// The key that signs now.
    pub current: PublicKey,
    /// Since when.
    pub since: Timestamp,
    /// Keys that signed before, the newest first.
    pub old: Vec<OldKey>,
}

/// A key that signs no more, and whose certificates are still believed for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldKey {
    /// The key.
    pub key: PublicKey,
    /// Since when it signed.
    pub since: Timestamp,
    /// The first moment it is not trusted any more.
    pub trusted_until: Timestamp,
    /// Its copy in `state_dir/ca`, as `user.old-1.pub`.
    pub file: String,
}

impl AuthorityKeys {
    /// The keys to believe at `now`: the current one first.
    #[must_use]
    pub fn trusted(&self, now: Timestamp) -> Vec<PublicKey> {
        let old = self.old.iter().filter(|old| now < old.trusted_until).map(|old| old.key.clone());
        std::iter::once(self.current.clone()).chain(old).collect()
    }
}

/// The record of all three.
pub(super) type Record = Each<AuthorityKeys>;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    user: WrittenKeys,
    host: WrittenKeys,
    target: WrittenKeys,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKeys {
    key: String,
    since: String,
    old: Vec<WrittenOld>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOld {
    key: String,
    since: String,
    trusted_until: String,
    file: String,
}

/// Reads the record; `None` when there is none yet.
pub(super) fn read(dir: &PrivateDir) -> Result<Option<Record>, AuthorityError> {
    let path = dir.path(FILE);
    let bad = |why: String| AuthorityError::content(&path, format!("{why}; restore the file from a backup"));
    let Some(text) = dir.read(FILE)? else { return Ok(None) };
    let written: Written = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
    if written.version != VERSION {
        return Err(bad(format!("version {} is not known here", written.version)));
    }
    let Written { user, host, target, .. } = written;
    let record = || Ok::<_, String>(Each { user: keys("user", user)?, host: keys("host", host)?, target: keys("target", target)? });
    record().map(Some).map_err(bad)
}

fn keys(kind: &str, written: WrittenKeys) -> Result<AuthorityKeys, String> {
    let old = written.old.into_iter().map(|old| old_key(kind, old)).collect::<Result<_, _>>()?;
    Ok(AuthorityKeys { current: key(kind, &written.key)?, since: moment(&written.since)?, old })
}

fn old_key(kind: &str, old: WrittenOld) -> Result<OldKey, String> {
    // The name is given to `remove` one day: only one of ours.
    number(kind, &old.file).ok_or_else(|| format!("`{}` is not the name of an old key's file", old.file.escape_debug()))?;
    Ok(OldKey { key: key(kind, &old.key)?, since: moment(&old.since)?, trusted_until: moment(&old.trusted_until)?, file: old.file })
}

fn key(kind: &str, line: &str) -> Result<PublicKey, String> {
    let mut key = read_key(line).map_err(|e| e.to_string())?;
    key.set_comment(comment(kind));
    Ok(key)
}

fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| format!("`{}` is not a moment", text.escape_debug()))
}

/// What stands after an authority's key in one line.
pub(super) fn comment(kind: &str) -> String {
    format!("bartizan-{kind}-ca")
}

/// The name of the `n`-th old key's file.
pub(super) fn old_file(kind: AuthorityKind, n: u32) -> String {
    format!("{kind}.old-{n}.pub")
}

/// The inverse of [`old_file`].
pub(super) fn number(kind: &str, file: &str) -> Option<u32> {
    file.strip_prefix(kind)?.strip_prefix(".old-")?.strip_suffix(".pub")?.parse().ok()
}

/// Replaces the record in one step.
pub(super) fn write(dir: &PrivateDir, record: &Record) -> Result<(), AuthorityError> {
    let written =
        Written { version: VERSION, user: to_write(&record.user)?, host: to_write(&record.host)?, target: to_write(&record.target)? };
    let mut text = serde_json::to_string_pretty(&written).map_err(|e| AuthorityError::content(&dir.path(FILE), e))?;
    text.push('\n');
    dir.replace(FILE, text.as_bytes(), 0o600)
}

fn to_write(keys: &AuthorityKeys) -> Result<WrittenKeys, AuthorityError> {
    let old = keys.old.iter().map(old_to_write).collect::<Result<_, _>>()?;
    Ok(WrittenKeys { key: keys.current.to_openssh()?, since: keys.since.to_string(), old })
}

fn old_to_write(old: &OldKey) -> Result<WrittenOld, AuthorityError> {
    let key = old.key.to_openssh()?;
    Ok(WrittenOld { key, since: old.since.to_string(), trusted_until: old.trusted_until.to_string(), file: old.file.clone() })
}
