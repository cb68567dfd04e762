//! The authorities' files, and every step of making and changing them. Blocks. In `state_dir/ca`, for the user authority:
//!
//! | file | what |
//! |---|---|
//! | `authorities.json` | the record: which keys there are; see `record` |
//! | `user` | the private key |
//! | `user.new` | the next private key, for the moment between "recorded" and "in its place" |
//! | `user.gone`, `waste` | the last private key, for the moment until it is overwritten |
//! | `user.pub`, `user.old-1.pub` | copies of what the record says, for people |
//!
//! The record decides. Each file is written under another name and renamed, and each step leaves files that [`settle`] finishes
//! or undoes, so that a crash costs nothing.

use std::time::Duration;

use jiff::Timestamp;
use rand::CryptoRng;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};

use crate::config::KeyHome;
use crate::identity::certificate::whole_second;
use crate::wire::agent::AgentError;

use super::files::PrivateDir;
use super::kind::Each;
use super::record::{self, AuthorityKeys, OldKey, Record};
use super::signer::Signer;
use super::{AuthorityError, AuthorityKind};

/// One authority, ready to sign.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) signer: Signer,
    pub(super) keys: AuthorityKeys,
}

/// Reads the record, or makes the keys and the record at the first start. `held` are the agents' keys.
pub(super) fn open(
    dir: &PrivateDir,
    homes: &Each<KeyHome>,
    held: &Each<Option<PublicKey>>,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<Each<Seat>, AuthorityError> {
    let (now, _lock) = (whole_second(now), dir.lock()?);
    let record = match record::read(dir)? {
        Some(record) => record,
        None => begin(dir, homes, held, now, rng)?,
    };
    Each::make(|kind| take_seat(dir, homes.of(kind), kind, record.of(kind)))
}

/// Reads again what another process may have changed.
pub(super) fn reopen(dir: &PrivateDir, homes: &Each<KeyHome>) -> Result<Each<Seat>, AuthorityError> {
    let _lock = dir.lock()?;
    let record = existing(dir)?;
    Each::make(|kind| take_seat(dir, homes.of(kind), kind, record.of(kind)))
}

/// The record, which must be there.
pub(super) fn existing(dir: &PrivateDir) -> Result<Record, AuthorityError> {
    record::read(dir)?.ok_or_else(|| AuthorityError::None(dir.path("")))
}

fn begin(
    dir: &PrivateDir,
    homes: &Each<KeyHome>,
    held: &Each<Option<PublicKey>>,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<Record, AuthorityError> {
    let record = Each::make(|kind| {
        let current = match dir.read_key(kind.as_str())? {
            // Somebody has put a key there before the first start, made with ssh-keygen or kept from an older CA.
            Some(key) if *homes.of(kind) == KeyHome::StateDir => own(kind, key.public_key().clone())?,
            _ => next_key(dir, homes.of(kind), held.of(kind).as_ref(), kind, rng)?,
        };
        Ok::<_, AuthorityError>(AuthorityKeys { current, since: now, old: Vec::new() })
    })?;
    record::write(dir, &record)?;
    Ok(record)
}

/// The public half of the key to use from now on: a new one in `KIND.new`, or the agent's.
fn next_key(
    dir: &PrivateDir,
    home: &KeyHome,
    held: Option<&PublicKey>,
    kind: AuthorityKind,
    rng: &mut impl CryptoRng,
) -> Result<PublicKey, AuthorityError> {
    match (home, held) {
        (KeyHome::StateDir, _) => {
            let mut key = PrivateKey::random(rng, Algorithm::Ed25519)?;
            key.set_comment(record::comment(kind.as_str()));
            dir.write_key(&new(kind), &key)?;
            Ok(key.public_key().clone())
        }
        (KeyHome::Agent { .. }, Some(key)) => own(kind, key.clone()),
        (KeyHome::Agent { socket, fingerprint }, None) => {
            Err(AgentError::Lacks { socket: socket.clone(), fingerprint: fingerprint.clone() }.into())
        }
    }
}

/// RSA is only ever verified, never signed with.
pub(super) fn own(kind: AuthorityKind, mut key: PublicKey) -> Result<PublicKey, AuthorityError> {
    match key.key_data() {
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) | KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => {
            key.set_comment(record::comment(kind.as_str()));
            Ok(key)
        }
        other => Err(AuthorityError::OwnKey { kind, algorithm: other.algorithm() }),
    }
}

/// Puts a new key in the place of the current one, which stays trusted for `overlap`. `held` is the agent's key.
pub(super) fn rotate(
    dir: &PrivateDir,
    kind: AuthorityKind,
    home: &KeyHome,
    held: Option<&PublicKey>,
    overlap: Duration,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<AuthorityKeys, AuthorityError> {
    let (now, _lock) = (whole_second(now), dir.lock()?);
    let mut record = existing(dir)?;
    settle(dir, home, kind, record.of(kind))?;
    let current = next_key(dir, home, held, kind, rng)?;
    let keys = record.of_mut(kind);
    if current.key_data() == keys.current.key_data() {
        return Err(AuthorityError::InAgent { kind });
    }
    let retired = retire(dir, kind, keys, overlap, now)?;
    let mut old = vec![retired];
    old.extend(keys.old.drain(..).filter(|old| now < old.trusted_until && old.key.key_data() != current.key_data()));
    *keys = AuthorityKeys { current, since: now, old };
    let keys = keys.clone();
    record::write(dir, &record)?;
    settle(dir, home, kind, &keys)?;
    Ok(keys)
}

fn retire(
    dir: &PrivateDir,
    kind: AuthorityKind,
    keys: &AuthorityKeys,
    overlap: Duration,
    now: Timestamp,
) -> Result<OldKey, AuthorityError> {
    let used = dir.names()?.iter().filter_map(|name| record::number(kind.as_str(), name)).max().unwrap_or(0);
    let file = record::old_file(kind, used.saturating_add(1));
    dir.replace(&file, line(&keys.current)?.as_bytes(), 0o644)?;
    let trusted_until = now.checked_add(overlap).unwrap_or(Timestamp::MAX);
    Ok(OldKey { key: keys.current.clone(), since: keys.since, trusted_until, file })
}

fn take_seat(dir: &PrivateDir, home: &KeyHome, kind: AuthorityKind, keys: &AuthorityKeys) -> Result<Seat, AuthorityError> {
    settle(dir, home, kind, keys)?;
    let fingerprint = keys.current.fingerprint(HashAlg::Sha256).to_string();
    let signer = match home {
        KeyHome::Agent { socket, fingerprint: configured } if *configured == fingerprint => {
            Signer::Agent { socket: socket.clone(), key: own(kind, keys.current.clone())? }
        }
        KeyHome::Agent { fingerprint: configured, .. } => {
            return Err(AuthorityError::Changed { kind, current: fingerprint, configured: configured.clone() });
        }
        KeyHome::StateDir => {
            let key = matching(dir, kind.as_str(), keys)?;
            let missing = || AuthorityError::Missing { kind, path: dir.path(kind.as_str()), fingerprint };
            Signer::Key(key.ok_or_else(missing)?.into())
        }
    };
    Ok(Seat { signer, keys: keys.clone() })
}

/// The private key in `file`, if it is the one the record names.
fn matching(dir: &PrivateDir, file: &str, keys: &AuthorityKeys) -> Result<Option<PrivateKey>, AuthorityError> {
    Ok(dir.read_key(file)?.filter(|key| key.public_key().key_data() == keys.current.key_data()))
}

/// Finishes what a crash has left half done, and undoes what was never recorded.
fn settle(dir: &PrivateDir, home: &KeyHome, kind: AuthorityKind, keys: &AuthorityKeys) -> Result<(), AuthorityError> {
    let (name, new, gone) = (kind.as_str(), new(kind), format!("{kind}.gone"));
    if *home == KeyHome::StateDir && matching(dir, &new, keys)?.is_some() {
        dir.link(name, &gone)?;
        dir.rename(&new, name)?;
    }
    dir.destroy(&new)?;
    let replaced = dir.read_key(name)?.is_some_and(|key| keys.old.iter().any(|old| old.key.key_data() == key.public_key().key_data()));
    if replaced {
        // An agent has taken over from the file.
        dir.destroy(name)?;
    } else if matching(dir, name, keys)?.is_some() {
        dir.destroy(&gone)?;
    }
    copy_for_people(dir, kind, keys)
}

fn copy_for_people(dir: &PrivateDir, kind: AuthorityKind, keys: &AuthorityKeys) -> Result<(), AuthorityError> {
    let current = (format!("{kind}.pub"), &keys.current);
    let old = keys.old.iter().map(|old| (old.file.clone(), &old.key));
    for (name, key) in std::iter::once(current).chain(old) {
        let line = line(key)?;
        // A copy that is spoiled is as good as none.
        if dir.read(&name).ok().flatten().is_none_or(|found| *found != line) {
            dir.replace(&name, line.as_bytes(), 0o644)?;
        }
    }
    for stray in dir.names()?.iter().filter(|name| record::number(kind.as_str(), name).is_some()) {
        if !keys.old.iter().any(|old| old.file == *stray) {
            dir.remove(stray)?;
        }
    }
    Ok(())
}

fn new(kind: AuthorityKind) -> String {
    format!("{kind}.new")
}

/// `TYPE BASE64 COMMENT` and a newline.
pub(super) fn line(key: &PublicKey) -> Result<String, AuthorityError> {
    Ok(format!("{}\n", key.to_openssh()?))
}
