//! Fetches secrets from where they live: the environment, files, programs, a Vault-compatible server, the bastion's own store. What it fetched is kept in memory
//! alone, for as long as the configuration says, and wiped after that. Never shows a secret; what cannot be fetched is an error that
//! names its place, and an old secret only where the configuration allows its age.

mod error;
mod local;
mod sealed;
mod slot;
mod vault;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::config::{self, Config, Problem, SecretPlace, SecretSource};
use crate::model::Secret;

pub use error::SecretError;
pub use local::read as read_local;
pub use sealed::{SealError, SealedStore};

use slot::{Kept, Slot};
use vault::{Lease, Vault};

/// How often it is looked what has to be renewed or wiped.
const BEAT: Duration = Duration::from_secs(1);

/// After a secret was fetched since a target refused it, this long no other refusal has it fetched.
const AGAIN: Duration = Duration::from_secs(2);

/// What a target is shown.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The account, where it comes with the secret.
    pub user: Option<String>,
    /// The secret.
    pub secret: Secret,
    lease: Option<Arc<Lease>>,
}

/// Keeps what was lent for as long as it is used: while one is held, the lease is renewed.
#[derive(Debug)]
pub struct Hold {
    _lease: Option<Arc<Lease>>,
}

impl Credential {
    fn plain(secret: Secret) -> Self {
        Self { user: None, secret, lease: None }
    }

    /// What says that it is in use.
    #[must_use]
    pub fn hold(&self) -> Hold {
        Hold { _lease: self.lease.clone() }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.user == other.user && self.secret == other.secret
    }
}

/// All secrets of one process.
pub struct Secrets {
    vault: Option<Vault>,
    sealed: Option<SealedStore>,
    slots: Mutex<HashMap<SecretSource, Arc<tokio::sync::Mutex<Slot>>>>,
}

impl Secrets {
    /// Secrets of this machine, of `vault` and of the bastion's own store. Fetches nothing yet.
    #[must_use]
    pub fn new(vault: Option<config::Vault>, sealed: Option<SealedStore>) -> Arc<Self> {
        Arc::new(Self { vault: vault.map(Vault::new), sealed, slots: Mutex::default() })
    }

    /// The secret at `source`.
    ///
    /// # Errors
    /// When it is not there now, empty, too long or not UTF-8.
    pub async fn get(&self, source: &SecretSource) -> Result<Secret, SecretError> {
        Ok(self.credential(source).await?.secret)
    }

    /// The same with the account that comes with it. Who asks while it is being fetched gets what is fetched then.
    ///
    /// # Errors
    /// As [`Secrets::get`].
    pub async fn credential(&self, source: &SecretSource) -> Result<Credential, SecretError> {
        let (slot, asked) = (self.slot(source), Instant::now());
        let mut slot = slot.lock().await;
        if let Some(credential) = slot.serve(source, asked)? {
            return Ok(credential);
        }
        self.fetch_into(&mut slot, source).await
    }

    /// For a target that refused `shown`: the secret as it is now, if it is another one.
    ///
    /// # Errors
    /// As [`Secrets::get`].
    pub async fn other_than(&self, shown: &Credential, source: &SecretSource) -> Result<Option<Credential>, SecretError> {
        let slot = self.slot(source);
        let mut slot = slot.lock().await;
        if let Some(kept) = slot.kept().filter(|kept| !kept.is_same(shown)) {
            return Ok(Some(kept));
        }
        if slot.forced.is_some_and(|at| at.elapsed() < AGAIN) {
            return Ok(None);
        }
        slot.forced = Some(Instant::now());
        slot.forget();
        let fetched = self.fetch_into(&mut slot, source).await?;
        let is_other = !fetched.is_same(shown);
        tracing::info!(secret = %source, is_other, "a secret that a target refused was fetched again");
        Ok(is_other.then_some(fetched))
    }

    /// What of the configuration cannot be fetched now, each told at its place.
    pub async fn unreadable(&self, config: &Config) -> Vec<Problem> {
        let each = config.secrets.iter().map(|placed| async move {
            let error = self.credential(&placed.source).await.err()?;
            Some(placed.problem(format!("the secret cannot be read: {error}"), error.mend()))
        });
        let mut problems: Vec<Problem> = join_all(each).await.into_iter().flatten().collect();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems
    }

    /// Renews what is lent and in use, gives back what is not, and wipes what was kept long enough; never returns.
    pub async fn tend(self: Arc<Self>) {
        if let Some(vault) = &self.vault {
            vault.begin().await;
        }
        loop {
            tokio::time::sleep(BEAT).await;
            let slots: Vec<_> = self.lock().iter().map(|(source, slot)| (source.clone(), Arc::clone(slot))).collect();
            for (source, slot) in slots {
                // One that is being fetched needs no tending.
                if let Ok(mut slot) = slot.try_lock() {
                    slot.wipe_old(&source);
                }
            }
            if let Some(vault) = &self.vault {
                vault.tend().await;
            }
        }
    }

    /// Forgets everything and gives back what was lent.
    pub async fn end(&self) {
        self.lock().clear();
        if let Some(vault) = &self.vault {
            vault.end().await;
        }
    }

    async fn fetch_into(&self, slot: &mut Slot, source: &SecretSource) -> Result<Credential, SecretError> {
        let begun = Instant::now();
        let fetched = self.fetch(source).await;
        let outcome = if fetched.is_ok() { "fetched" } else { "failed" };
        metrics::counter!("bartizan_secret_fetches_total", "kind" => source.place.kind(), "outcome" => outcome).increment(1);
        match fetched {
            Ok(credential) => {
                slot.keep(Kept::new(credential.clone()));
                Ok(credential)
            }
            Err(error) => slot.fail(source, error, begun.elapsed()),
        }
    }

    async fn fetch(&self, source: &SecretSource) -> Result<Credential, SecretError> {
        match &source.place {
            SecretPlace::Env(_) | SecretPlace::File(_) | SecretPlace::Exec { .. } => local::read(source).await.map(Credential::plain),
            SecretPlace::Vault { path, field, user } => {
                let nowhere = || SecretError::new(source, "there is no [vault]".to_owned());
                let vault = self.vault.as_ref().ok_or_else(nowhere)?;
                vault.fetch(path, field.as_deref(), user.as_deref()).await.map_err(|fault| SecretError::new(source, fault.to_string()))
            }
            SecretPlace::Sealed(name) => {
                let nowhere = || SecretError::new(source, "there is no store".to_owned());
                let sealed = self.sealed.as_ref().ok_or_else(nowhere)?;
                let opened = sealed.open(name).await.map_err(|error| SecretError::new(source, error.to_string()))?;
                Ok(Credential::plain(opened))
            }
        }
    }

    fn slot(&self, source: &SecretSource) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.lock();
        if let Some(slot) = slots.get(source) {
            return Arc::clone(slot);
        }
        Arc::clone(slots.entry(source.clone()).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SecretSource, Arc<tokio::sync::Mutex<Slot>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
