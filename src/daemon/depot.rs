//! Lets the porter and the mirror of the audit log work, on a thread of their own, and tells what became of it: in the audit
//! log, the metrics and the log.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::audit::{self, AuditLog, Entry};
use crate::config::Config;
use crate::depot::{AuditMirror, Bucket, DepotError, Desk, LogMirror, Porter, StoredFacts, Tally};
use crate::ledger;
use crate::model::{Clock, Printable, SessionId};
use crate::secrets::Secrets;
use crate::store::Store;

use super::metrics;

/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(2);
/// For the last round, when the bastion stops: what is left then goes up at the next start.
const LAST: Duration = Duration::from_secs(10);
/// Rounds that fail one after another before somebody is woken.
const PATIENCE: u32 = 3;
/// Complaints that are remembered, so as to be made once.
const COMPLAINTS: usize = 1_000;

/// The thread, until it is told to stop.
pub(super) struct Depot {
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

impl Depot {
    /// Begins to work, where the configuration names a bucket.
    pub(super) fn start(
        config: &Config,
        secrets: &Arc<Secrets>,
        store: &Arc<dyn Store>,
        audit: &Arc<AuditLog>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>, String> {
        let Some(settings) = &config.recordings.bucket else { return Ok(None) };
        let bucket = Bucket::open(settings, secrets).map_err(|error| error.to_string())?;
        let (node, every) = (config.server.name.clone(), settings.upload_every);
        let stop = CancellationToken::new();
        let keeper = Keeper {
            porter: Porter::new(bucket.clone(), config.recordings.dir.clone(), every, rand::random),
            mirror: AuditMirror::new(audit::folder(&config.server.state_dir), &node),
            log: LogMirror::new(ledger::folder(&config.server.state_dir), &node),
            desk: Writing { store: Arc::clone(store), audit: Arc::clone(audit), clock: Arc::clone(clock), node },
            bucket,
            every,
            failing: 0,
            away_since: None,
            complained: HashSet::new(),
        };
        let (runtime, until) = (tokio::runtime::Handle::current(), stop.clone());
        let work = move || runtime.block_on(keeper.keep(until));
        let thread = std::thread::Builder::new().name("depot".to_owned()).spawn(work).map_err(|error| error.to_string())?;
        Ok(Some(Self { stop, thread }))
    }

    /// Stops after one more round.
    pub(super) async fn end(self) {
        self.stop.cancel();
        let joined = tokio::task::spawn_blocking(move || self.thread.join());
        // A disk that hangs must not keep the bastion from ending.
        if tokio::time::timeout(LAST + LAST, joined).await.is_err() {
            tracing::warn!("the depot did not stop in time; what is left goes up at the next start");
        }
    }
}

struct Keeper {
    porter: Porter,
    mirror: AuditMirror,
    log: LogMirror,
    desk: Writing,
    bucket: Bucket,
    every: Duration,
    /// Rounds one after another in which the store failed.
    failing: u32,
    /// Since when that is known to somebody.
    away_since: Option<Timestamp>,
    complained: HashSet<String>,
}

impl Keeper {
    async fn keep(mut self, stop: CancellationToken) {
        loop {
            self.round(false).await;
            tokio::select! {
                () = tokio::time::sleep(PAUSE.mul_f64(0.5 + rand::random::<f64>())) => {}
                () = stop.cancelled() => break,
            }
        }
        drop(tokio::time::timeout(LAST, self.round(true)).await);
    }

    async fn round(&mut self, last: bool) {
        let now = self.desk.clock.now();
        let mut tally = self.porter.round(now, &self.desk).await;
        match self.mirror.step(&self.bucket, self.every, last).await {
            Ok(sent) => tally.sent += sent,
            Err(error) => tally.failed.push(("the audit log".into(), error)),
        }
        match self.log.step(&self.bucket, self.every, last).await {
            Ok(sent) => tally.sent += sent,
            Err(error) => tally.failed.push(("the transparency log".into(), error)),
        }
        metrics::depot(&tally);
        self.tell(&tally, now).await;
    }

    async fn tell(&mut self, tally: &Tally, now: Timestamp) {
        let mut away = None;
        for (what, error) in &tally.failed {
            let what = Printable(&what.display().to_string()).to_string();
            let detail = Printable(&error.to_string()).to_string();
            if error.is_alarming() {
                self.complain(what, detail, now).await;
            } else {
                tracing::warn!(what, detail, "the object store failed; it is tried again");
                away.get_or_insert(detail);
            }
        }
        let Some(detail) = away else { return self.back(now).await };
        self.failing = self.failing.saturating_add(1);
        if self.failing == PATIENCE {
            self.away_since = Some(now);
            let what = self.bucket.shown().to_owned();
            self.desk.write(Entry::DepotFailed { what, detail, waiting_bytes: tally.waiting_bytes }, now).await;
        }
    }

    async fn back(&mut self, now: Timestamp) {
        self.failing = 0;
        if let Some(since) = self.away_since.take() {
            let what = self.bucket.shown().to_owned();
            self.desk.write(Entry::DepotRecovered { what, since }, now).await;
        }
    }

    /// Wakes somebody, once for each thing that is wrong.
    async fn complain(&mut self, what: String, detail: String, now: Timestamp) {
        if self.complained.len() >= COMPLAINTS {
            self.complained.clear();
        }
        if self.complained.insert(format!("{what}\n{detail}")) {
            tracing::error!(what, detail, alert = true, "evidence in the object store is not as it should be");
            self.desk.write(Entry::DepotFailed { what, detail, waiting_bytes: 0 }, now).await;
        }
    }
}

/// Asks the store of sessions, and writes to the audit log.
struct Writing {
    store: Arc<dyn Store>,
    audit: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
    node: String,
}

impl Writing {
    async fn write(&self, entry: Entry, now: Timestamp) {
        if let Err(error) = self.audit.append(entry, now).await {
            tracing::error!(%error, alert = true, "what became of the object store could not be audited");
        }
    }
}

impl Desk for Writing {
    fn may_close(&self, session: SessionId) -> BoxFuture<'_, Result<bool, DepotError>> {
        Box::pin(async move {
            let found = self.store.session(session).await.map_err(|error| DepotError::Store(format!("the store of sessions: {error}")))?;
            // One that the store does not know nobody holds a lease of; and only one closing is ever made, whoever tries.
            Ok(found.is_none_or(|session| session.opening.node == self.node && !session.is_live()))
        })
    }

    fn stored(&self, session: SessionId, facts: StoredFacts) -> BoxFuture<'_, Result<(), DepotError>> {
        let StoredFacts { bytes, objects, sha256, place } = facts;
        Box::pin(async move {
            let entry = Entry::RecordingStored { session, bytes, objects, sha256, place };
            let written = self.audit.append(entry, self.clock.now()).await;
            written.map(drop).map_err(|error| DepotError::Store(format!("the audit log: {error}")))
        })
    }
}
