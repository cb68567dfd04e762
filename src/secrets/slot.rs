//! What is known of one secret: the last that was fetched, and the last failure.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::SecretSource;

use super::{Credential, SecretError};

/// A secret that was fetched.
pub(super) struct Kept {
    credential: Credential,
    at: Instant,
}

impl Kept {
    pub(super) fn new(credential: Credential) -> Self {
        Self { credential, at: Instant::now() }
    }

    /// Whether it may be used as it is.
    fn is_fresh(&self, source: &SecretSource) -> bool {
        match &self.credential.lease {
            Some(lease) => lease.serves(),
            None => self.at.elapsed() < source.keep,
        }
    }

    /// Whether it may be used while another cannot be fetched.
    fn may_be_stale(&self, source: &SecretSource) -> bool {
        match &self.credential.lease {
            Some(lease) => !source.stale.is_zero() && lease.holds(),
            None => self.at.elapsed() < source.keep + source.stale,
        }
    }
}

/// A fetch that failed, and until when it stands for those who ask.
struct Failure {
    at: Instant,
    until: Instant,
    error: SecretError,
}

/// A failure that took longer than this is not tried again for as long: those who wait in a row would each wait for it.
const SLOW: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(2);

/// One secret's place in memory.
#[derive(Default)]
pub(super) struct Slot {
    kept: Option<Kept>,
    failed: Option<Failure>,
    fetched: Option<Instant>,
    /// When it was last fetched since a target refused it.
    pub(super) forced: Option<Instant>,
}

impl Slot {
    /// What serves who asked at `asked`, if anything does without a fetch: what is fresh, what was fetched after the question, and a
    /// failure after the question or just before it, if that took long.
    pub(super) fn serve(&self, source: &SecretSource, asked: Instant) -> Result<Option<Credential>, SecretError> {
        if let Some(failure) = &self.failed
            && (failure.at >= asked || failure.until > Instant::now())
        {
            return self.stale(source).map(Some).ok_or_else(|| failure.error.clone());
        }
        let fits = |kept: &&Kept| kept.is_fresh(source) || (kept.at >= asked && kept.credential.lease.is_none());
        let credential = self.kept.as_ref().filter(fits).map(|kept| kept.credential.clone());
        if let Some(lease) = credential.as_ref().and_then(|credential| credential.lease.as_ref()) {
            lease.ask_for();
        }
        Ok(credential)
    }

    pub(super) fn kept(&self) -> Option<Credential> {
        self.kept.as_ref().map(|kept| kept.credential.clone())
    }

    pub(super) fn keep(&mut self, kept: Kept) {
        self.fetched = Some(kept.at);
        self.failed = None;
        self.kept = Some(kept);
    }

    /// What to do when it could not be fetched, which took so long: with what is kept, if that may be so old; else without.
    pub(super) fn fail(&mut self, source: &SecretSource, error: SecretError, took: Duration) -> Result<Credential, SecretError> {
        tracing::error!(secret = %source, %error, alert = true, "a secret cannot be fetched");
        let at = Instant::now();
        let until = at + if took > SLOW { took.min(LONGEST) } else { Duration::ZERO };
        self.failed = Some(Failure { at, until, error: error.clone() });
        match self.stale(source) {
            Some(credential) => {
                tracing::warn!(secret = %source, "the last one is used, as the configuration allows");
                Ok(credential)
            }
            None => {
                self.kept = None;
                Err(error)
            }
        }
    }

    fn stale(&self, source: &SecretSource) -> Option<Credential> {
        let kept = self.kept.as_ref().filter(|kept| kept.may_be_stale(source))?;
        metrics::counter!("bartizan_secret_stale_total", "kind" => source.place.kind()).increment(1);
        Some(kept.credential.clone())
    }

    /// The target does not take it: it is not to be used again.
    pub(super) fn forget(&mut self) {
        self.kept = None;
    }

    /// Wipes what nobody may use any more, and says how old it is.
    pub(super) fn wipe_old(&mut self, source: &SecretSource) {
        if self.kept.as_ref().is_some_and(|kept| !kept.is_fresh(source) && !kept.may_be_stale(source)) {
            self.kept = None;
        }
        if self.kept.as_ref().and_then(|kept| kept.credential.lease.as_ref()).is_some_and(|lease| lease.is_idle()) {
            self.kept = None;
        }
        if let Some(fetched) = self.fetched {
            metrics::gauge!("bartizan_secret_age_seconds", "secret" => source.to_string()).set(fetched.elapsed().as_secs_f64());
        }
    }
}
