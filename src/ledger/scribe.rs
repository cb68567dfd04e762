//! The one thread that appends to the log: all that came together at once, so that many sessions share one flush.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bartizan_recorder::tlog::{Leaf, LogError, LogFiles, NoteKey};
use metrics::{counter, histogram};
use tokio::sync::{mpsc, oneshot};

use super::keeper::{Beginning, Keeper};
use super::{LedgerError, opened_among};
use crate::audit::Receipt;

/// Requests that may wait for the thread.
const QUEUE: usize = 1_024;

/// How long an entry that nobody waits for may be without its leaf.
const TICK: Duration = Duration::from_secs(1);

/// How often, at a start, it is tried to open a log that another process has.
const TRIES: u32 = 100;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// How long somebody waits for a leaf.
const PATIENCE: Duration = Duration::from_secs(10);

enum Job {
    /// Answer when this entry of the audit log is in the log.
    Holds(u64, oneshot::Sender<Result<(), String>>),
    /// How far recordings are.
    Commits(Vec<Leaf>),
}

/// The log, for those who need to know that something is in it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger(mpsc::Sender<Job>);

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Holds(seq, _) => write!(f, "Holds({seq})"),
            Self::Commits(leaves) => write!(f, "Commits({})", leaves.len()),
        }
    }
}

impl Ledger {
    /// Tells whether the log is still in use, without keeping it.
    pub fn in_use(&self) -> impl Fn() -> bool + Send + 'static {
        let weak = self.0.downgrade();
        move || weak.upgrade().is_some()
    }

    /// Waits until the entry with this receipt, and with it all its leaves, is in the log, on disk and under a signed
    /// checkpoint.
    ///
    /// # Errors
    /// When that did not happen: what depends on it must not happen either.
    pub async fn holds(&self, receipt: &Receipt) -> Result<(), LedgerError> {
        let (reply, answer) = oneshot::channel();
        let asking = async {
            self.0.send(Job::Holds(receipt.seq, reply)).await.map_err(|_| LedgerError::Stopped)?;
            answer.await.map_err(|_| LedgerError::Stopped)?.map_err(LedgerError::Unwritten)
        };
        tokio::time::timeout(PATIENCE, asking).await.map_err(|_| LedgerError::Slow(PATIENCE.as_secs()))?
    }

    /// Tells how far recordings are. Never waits: whoever is not heard tells again later, and later commits cover earlier ones.
    pub fn commits(&self, leaves: Vec<Leaf>) {
        if !leaves.is_empty() {
            let _told_again = self.0.try_send(Job::Commits(leaves));
        }
    }
}

/// A command on the machine may have the log for a moment.
fn open_patiently(state_dir: &Path, beginning: &Beginning) -> Result<Keeper, LedgerError> {
    for _ in 0..TRIES {
        match Keeper::open(state_dir, beginning) {
            Err(LedgerError::Log { error: LogError::InUse, .. }) => std::thread::sleep(BETWEEN_TRIES),
            opened => return opened,
        }
    }
    Keeper::open(state_dir, beginning)
}

/// The thread's work, to be run by `daemon`.
pub struct Scribe {
    jobs: mpsc::Receiver<Job>,
    state_dir: PathBuf,
    beginning: Beginning,
    keeper: Option<Keeper>,
    commits: Vec<Leaf>,
    waiting: Vec<(u64, oneshot::Sender<Result<(), String>>)>,
    failed: Option<String>,
}

impl Scribe {
    /// Opens the log below `state_dir`, or begins it, and puts in what is missing. Blocks.
    ///
    /// # Errors
    /// [`LedgerError`]: then the bastion does not start.
    pub fn open(state_dir: PathBuf, beginning: Beginning) -> Result<(Ledger, Self), LedgerError> {
        let mut keeper = open_patiently(&state_dir, &beginning)?;
        keeper.advance(&[])?;
        let (sender, jobs) = mpsc::channel(QUEUE);
        let scribe = Self { jobs, state_dir, beginning, keeper: Some(keeper), commits: Vec::new(), waiting: Vec::new(), failed: None };
        Ok((Ledger(sender), scribe))
    }

    /// The public key, to be given to witnesses and auditors.
    #[must_use]
    pub fn public_key(&self) -> Option<NoteKey> {
        self.keeper.as_ref()?.public_key().ok()
    }

    /// The log as it is now.
    #[must_use]
    pub fn files(&self) -> Option<LogFiles> {
        self.keeper.as_ref().map(Keeper::files)
    }

    /// See [`opened_among`].
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn opened_among(&self, numbers: &std::collections::HashSet<u64>) -> Result<std::collections::HashSet<u64>, LedgerError> {
        opened_among(&self.files().ok_or(LedgerError::Stopped)?, numbers)
    }

    /// Works until every [`Ledger`] is gone. Blocks; `runtime` lends its timer.
    pub fn run(mut self, runtime: &tokio::runtime::Handle) {
        let mut last = Instant::now();
        loop {
            let next = runtime.block_on(async { tokio::time::timeout(TICK, self.jobs.recv()).await });
            match next {
                Ok(Some(job)) => self.take(job),
                Ok(None) => return self.write(),
                Err(_) => {}
            }
            while let Ok(job) = self.jobs.try_recv() {
                self.take(job);
            }
            if !self.waiting.is_empty() || last.elapsed() >= TICK {
                self.write();
                last = Instant::now();
            }
        }
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Holds(seq, reply) => self.waiting.push((seq, reply)),
            Job::Commits(leaves) if self.commits.len() < QUEUE * 16 => self.commits.extend(leaves),
            Job::Commits(_) => {}
        }
    }

    /// Appends what there is, and answers who waits.
    fn write(&mut self) {
        let begun = Instant::now();
        let commits = std::mem::take(&mut self.commits);
        match self.advance(&commits) {
            Ok((written, entries)) => {
                if written > 0 {
                    counter!("bartizan_log_leaves_total").increment(written as u64);
                    histogram!("bartizan_log_append_seconds").record(begun.elapsed().as_secs_f64());
                }
                if self.failed.take().is_some() {
                    tracing::info!("the transparency log is written again");
                }
                self.answer(entries);
            }
            Err(error) => self.fail(&error.to_string()),
        }
    }

    fn advance(&mut self, commits: &[Leaf]) -> Result<(usize, u64), LedgerError> {
        let mut keeper = match self.keeper.take() {
            Some(keeper) => keeper,
            None => Keeper::open(&self.state_dir, &self.beginning)?,
        };
        let written = keeper.advance(commits)?;
        let entries = keeper.entries();
        // After an error it is opened anew the next time.
        self.keeper = Some(keeper);
        Ok((written, entries))
    }

    /// Each waiter's entry was on disk before it asked; whoever's is not in the log yet goes on waiting.
    fn answer(&mut self, entries: u64) {
        let (logged, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|(seq, _)| *seq <= entries);
        self.waiting = waiting;
        for (_, reply) in logged {
            let _gone = reply.send(Ok(()));
        }
        self.waiting.retain(|(_, reply)| !reply.is_closed());
    }

    fn fail(&mut self, why: &str) {
        counter!("bartizan_log_failures_total").increment(1);
        if self.failed.as_deref() != Some(why) {
            tracing::error!(error = why, alert = true, "the transparency log cannot be written; it is tried again every second");
            self.failed = Some(why.to_owned());
        }
        for (_, reply) in self.waiting.drain(..) {
            let _gone = reply.send(Err(why.to_owned()));
        }
    }
}
