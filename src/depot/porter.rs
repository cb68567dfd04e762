//! Goes round over all recordings and has each carried on. One that fails waits longer and longer, never blocks another, and is
//! never given up. Blocks on files: it works on a thread of its own.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bartizan_recorder::{Filter, directories};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use super::carrier::{Carrier, Step};
use super::{Bucket, DepotError};
use crate::model::SessionId;

/// Recordings that are carried at once.
const AT_ONCE: usize = 4;
/// Steps of one recording in one round.
const STEPS: usize = 32;
/// The shortest and longest wait after a failure.
const WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How often all recordings are looked through, and not only those of the last days.
const LOOK_AT_ALL: Duration = Duration::from_secs(3_600);

/// Where the porter asks and tells. `daemon` implements it.
pub trait Desk: Send + Sync {
    /// Whether the recording of `session` may be closed in the store: its session has ended, and it was ours.
    fn may_close(&self, session: SessionId) -> BoxFuture<'_, Result<bool, DepotError>>;

    /// Writes that a recording is in the store whole; its channel file here is removed after that.
    fn stored(&self, session: SessionId, facts: StoredFacts) -> BoxFuture<'_, Result<(), DepotError>>;
}

/// What is told of a recording that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFacts {
    /// Bytes of its channel file.
    pub bytes: u64,
    /// Objects that it is made of.
    pub objects: u64,
    /// SHA-256 of its channel file, hex.
    pub sha256: String,
    /// Its place behind the prefix.
    pub place: String,
}

/// What a round did, and what is left.
#[derive(Debug, Default)]
pub struct Tally {
    /// Bytes that went up.
    pub sent: u64,
    /// Recordings that are whole in the store now.
    pub stored: u64,
    /// Steps that failed, and why.
    pub failed: Vec<(PathBuf, DepotError)>,
    /// Final bytes that are not in the store, and the recordings they are of.
    pub waiting_bytes: u64,
    /// Recordings that are not whole in the store and do not live.
    pub waiting: u64,
}

struct Load {
    carrier: Carrier,
    failures: u32,
    due: Instant,
}

/// The porter.
pub struct Porter {
    bucket: Bucket,
    root: PathBuf,
    every: Duration,
    /// A number from 0 to 1, for waits that must not come together.
    jitter: fn() -> f64,
    loads: HashMap<PathBuf, Load>,
    looked_at_all: Option<Instant>,
    /// Whether the store failed in the round before.
    away: bool,
}

impl Porter {
    /// A porter of the recordings below `root`. What is final goes up at least so often.
    #[must_use]
    pub fn new(bucket: Bucket, root: PathBuf, every: Duration, jitter: fn() -> f64) -> Self {
        Self { bucket, root, every, jitter, loads: HashMap::new(), looked_at_all: None, away: false }
    }

    /// One round at `now`. Each recording goes on as far as it can.
    pub async fn round(&mut self, now: Timestamp, desk: &dyn Desk) -> Tally {
        let mut tally = Tally::default();
        if let Err(error) = self.look(now) {
            tally.failed.push((self.root.clone(), DepotError::file(&self.root)(error)));
        }
        match self.reached().await {
            Ok(()) => self.carry_all(desk, &mut tally).await,
            Err(error) => tally.failed.push((self.root.clone(), error)),
        }
        self.loads.retain(|dir, _| !Carrier::is_stored(dir) && dir.exists());
        tally.waiting_bytes = self.loads.values().map(|load| load.carrier.waiting).sum();
        tally.waiting = self.loads.keys().filter(|dir| dir.join("seal.json").exists()).count() as u64;
        self.away = tally.failed.iter().any(|(_, error)| matches!(error, DepotError::Store(_)));
        tally
    }

    /// After a round in which the store failed, one question tells whether it is back; not one of each recording.
    async fn reached(&self) -> Result<(), DepotError> {
        if self.away { self.bucket.probe().await } else { Ok(()) }
    }

    async fn carry_all(&mut self, desk: &dyn Desk, tally: &mut Tally) {
        let (bucket, every, jitter) = (&self.bucket, self.every, self.jitter);
        let due = self.loads.values_mut().filter(|load| load.due <= Instant::now());
        let work = futures_util::stream::iter(due).map(|load| load.carry(bucket, every, jitter, desk));
        let done: Vec<_> = work.buffer_unordered(AT_ONCE).collect().await;
        for (sent, stored, failed) in done {
            tally.sent += sent;
            tally.stored += u64::from(stored);
            tally.failed.extend(failed);
        }
    }

    /// Finds recordings that are not whole in the store.
    fn look(&mut self, now: Timestamp) -> std::io::Result<()> {
        let all = self.looked_at_all.is_none_or(|when| when.elapsed() >= LOOK_AT_ALL);
        // A session is put under the day that it began on.
        let since = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(now);
        let filter = Filter { since_us: (!all).then(|| since.as_microsecond()), ..Filter::default() };
        let mut seen = HashSet::new();
        for (dir, session) in directories(&self.root, &filter)? {
            if self.loads.contains_key(&dir) || Carrier::is_stored(&dir) || !seen.insert(dir.clone()) {
                continue;
            }
            if let Some(carrier) = Carrier::new(&self.root, dir.clone(), session) {
                self.loads.insert(dir, Load { carrier, failures: 0, due: Instant::now() });
            }
        }
        if all {
            self.looked_at_all = Some(Instant::now());
        }
        Ok(())
    }
}

impl Load {
    /// Goes on until nothing is due or something fails; what is left of a flood is for the next round.
    async fn carry(
        &mut self,
        bucket: &Bucket,
        every: Duration,
        jitter: fn() -> f64,
        desk: &dyn Desk,
    ) -> (u64, bool, Option<(PathBuf, DepotError)>) {
        let mut sent = 0;
        for _ in 0..STEPS {
            match self.carrier.step(bucket, every, desk).await {
                Ok(Step::Sent(bytes)) => {
                    sent += bytes;
                    self.failures = 0;
                }
                Ok(Step::Rests) => return (sent, false, None),
                Ok(Step::Stored) => return (sent, true, None),
                Err(error) => {
                    self.due = Instant::now() + wait(self.failures, jitter());
                    self.failures = self.failures.saturating_add(1);
                    self.carrier.forget();
                    return (sent, false, Some((self.carrier.dir().to_owned(), error)));
                }
            }
        }
        (sent, false, None)
    }
}

/// Longer after each failure, and never the same for all: from half of it to the whole.
fn wait(failures: u32, jitter: f64) -> Duration {
    let longest = WAIT.saturating_mul(1 << failures.min(16)).min(LONGEST_WAIT);
    longest.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
