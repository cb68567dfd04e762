//! The certificate authorities: makes, keeps, changes and uses the keys that sign for users, hosts and targets. Never
//! decides who gets a certificate, never numbers them, and never shows a private key.
//!
//! File operations here block for a few milliseconds: open before serving, reload and rotate off the async threads.

mod disk;
mod error;
mod files;
mod grant;
mod host_key;
mod kind;
mod record;
mod signer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use jiff::Timestamp;
use rand::CryptoRng;
use russh::keys::{Certificate, PublicKey};

use crate::config::{self, KeyHome};
use crate::wire::agent;

pub use error::AuthorityError;
pub use grant::{HostGrant, Stamp, TargetGrant, UserGrant};
pub use host_key::open_host_key;
pub use record::{AuthorityKeys, OldKey};

use disk::Seat;
use files::PrivateDir;
use kind::Each;

use crate::model::AuthorityKind;

/// The three authorities, ready to sign.
pub struct Authorities {
    dir: PrivateDir,
    homes: Each<KeyHome>,
    seats: ArcSwap<Each<Seat>>,
}

impl Authorities {
    /// Opens the authorities of `state_dir`, and makes their keys at the first start. An agent is asked for its key only then;
    /// later it may be away until it must sign.
    ///
    /// # Errors
    /// When a key is missing, unreadable, readable for others, or not the one that was in use.
    pub async fn open(
        state_dir: &Path,
        homes: &config::Authorities,
        now: Timestamp,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, AuthorityError> {
        let dir = PrivateDir::make(folder(state_dir))?;
        let homes = each_home(homes);
        let mut held = Each { user: None, host: None, target: None };
        if record::read(&dir)?.is_none() {
            for kind in AuthorityKind::ALL {
                *held.of_mut(kind) = held_key(homes.of(kind)).await?;
            }
        }
        let seats = disk::open(&dir, &homes, &held, now, rng)?;
        Ok(Self { dir, homes, seats: ArcSwap::from_pointee(seats) })
    }

    /// Reads the keys again: call it when [`record_path`] changes. On an error everything stays as it was.
    ///
    /// # Errors
    /// As [`Authorities::open`]; [`AuthorityError::Busy`] when a rotation is under way.
    pub fn reload(&self) -> Result<(), AuthorityError> {
        self.seats.store(disk::reopen(&self.dir, &self.homes)?.into());
        Ok(())
    }

    /// The keys whose certificates are to be believed at `now`: the current one first, then old ones in their overlap.
    #[must_use]
    pub fn public_keys(&self, kind: AuthorityKind, now: Timestamp) -> Vec<PublicKey> {
        self.seats.load().of(kind).keys.trusted(now)
    }

    /// A certificate for a user or service.
    ///
    /// # Errors
    /// When the key is not acceptable, the grant is out of bounds, or the agent does not sign.
    pub async fn issue_user(&self, grant: &UserGrant<'_>, stamp: &Stamp) -> Result<Certificate, AuthorityError> {
        self.signer(AuthorityKind::User).sign(|| grant.draft(stamp)).await
    }

    /// A certificate for the bastion as a host.
    ///
    /// # Errors
    /// As [`Authorities::issue_user`], and when a name is not a host name or there is none.
    pub async fn issue_host(&self, grant: &HostGrant<'_>, stamp: &Stamp) -> Result<Certificate, AuthorityError> {
        self.signer(AuthorityKind::Host).sign(|| grant.draft(stamp)).await
    }

    /// A certificate to show to a target.
    ///
    /// # Errors
    /// As [`Authorities::issue_user`].
    pub async fn issue_target(&self, grant: &TargetGrant<'_>, stamp: &Stamp) -> Result<Certificate, AuthorityError> {
        self.signer(AuthorityKind::Target).sign(|| grant.draft(stamp)).await
    }

    fn signer(&self, kind: AuthorityKind) -> signer::Signer {
        self.seats.load().of(kind).signer.clone()
    }
}

/// What is publicly known of each authority of `state_dir`. Needs no private key.
///
/// # Errors
/// [`AuthorityError::None`] before the first start; else when the record cannot be read.
pub fn read_keys(state_dir: &Path) -> Result<Vec<(AuthorityKind, AuthorityKeys)>, AuthorityError> {
    let path = folder(state_dir);
    if !path.exists() {
        return Err(AuthorityError::None(path));
    }
    let record = disk::existing(&PrivateDir::open(path)?)?;
    Ok(AuthorityKind::ALL.into_iter().map(|kind| (kind, record.of(kind).clone())).collect())
}

/// Gives an authority a new key. The old one signs no more and its private half is destroyed; its certificates are believed for
/// `overlap` more. Running daemons follow at [`Authorities::reload`]. A crash at any point leaves the old state or the new one.
///
/// With the key in an agent, it is the configuration that names the new one; this makes the change.
///
/// # Errors
/// When there is no new key to change to, or it cannot be written.
pub async fn rotate(
    state_dir: &Path,
    homes: &config::Authorities,
    kind: AuthorityKind,
    overlap: Duration,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<AuthorityKeys, AuthorityError> {
    let path = folder(state_dir);
    if !path.exists() {
        return Err(AuthorityError::None(path));
    }
    let dir = PrivateDir::open(path)?;
    let homes = each_home(homes);
    let held = held_key(homes.of(kind)).await?;
    disk::rotate(&dir, kind, homes.of(kind), held.as_ref(), overlap, now, rng)
}

/// The authorities whose key an agent should hold and does not, or holds and is not one that a bastion signs with.
pub async fn unusable(homes: &config::Authorities) -> Vec<(AuthorityKind, AuthorityError)> {
    let homes = each_home(homes);
    let asked = join_all(AuthorityKind::ALL.map(|kind| usable(kind, homes.of(kind)))).await;
    AuthorityKind::ALL.into_iter().zip(asked).filter_map(|(kind, found)| Some((kind, found.err()?))).collect()
}

/// How long what an old key signed may be believed still: a month.
pub const LONGEST_OVERLAP: Duration = Duration::from_secs(31 * 24 * 3600);

/// The file that changes whenever an authority's keys do.
#[must_use]
pub fn record_path(state_dir: &Path) -> PathBuf {
    folder(state_dir).join(record::FILE)
}

fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("ca")
}

fn each_home(homes: &config::Authorities) -> Each<KeyHome> {
    Each { user: homes.user.clone(), host: homes.host.clone(), target: homes.target.clone() }
}

async fn held_key(home: &KeyHome) -> Result<Option<PublicKey>, AuthorityError> {
    match home {
        KeyHome::StateDir => Ok(None),
        KeyHome::Agent { socket, fingerprint } => Ok(Some(agent::find(socket, fingerprint).await?)),
    }
}

async fn usable(kind: AuthorityKind, home: &KeyHome) -> Result<(), AuthorityError> {
    held_key(home).await?.map_or(Ok(()), |key| disk::own(kind, key).map(drop))
}

#[cfg(test)]
mod tests;
