//! Reads statements on threads with big stacks, since their grammar is read by recursion, and keeps what was understood of a text for
//! as long as names mean the same. A caller waits only so long.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bartizan_policies::sql::{self, Cache, Catalog, Likeness, Limits, Refused, STACK, Script, State};
use tokio::sync::{mpsc, oneshot};

/// Texts that may wait for one thread.
const QUEUE: usize = 64;

/// How long a caller waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much that is asked of policy is known again.
const LIKES: usize = 4_096;

/// Bytes of what was understood that are kept.
const KEPT: usize = 32 << 20;

/// Kinds that mean the same wherever names do; what refers to a prepared statement or a cursor does not.
const STEADY: &[&str] =
    &["select", "insert", "update", "delete", "merge", "values", "table", "begin", "start transaction", "commit", "rollback"];

/// What was understood of a text, with a number that no other has.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) id: u64,
    /// The number that all have which policy is asked the same about, with the same catalog.
    pub(super) like: u64,
    pub(super) script: Arc<Script>,
}

impl AsRef<Script> for Reading {
    fn as_ref(&self) -> &Script {
        &self.script
    }
}

type Outcome = Result<Arc<Reading>, Refused>;

struct Job {
    text: Arc<str>,
    catalog: Arc<Catalog>,
    state: Arc<State>,
    reply: oneshot::Sender<Outcome>,
}

/// What is known to be asked of policy, by the number of a catalog.
type Likes = HashMap<(u64, Vec<Likeness>), u64>;

/// Hands texts to the threads. Cheap to clone.
#[derive(Clone)]
pub struct Analysts {
    lanes: Arc<[mpsc::Sender<Job>]>,
    next: Arc<AtomicU64>,
    kept: Arc<Mutex<Cache<Reading>>>,
}

/// One thread's work, to be run by `daemon` on a thread with [`Worker::STACK`] bytes of stack.
pub struct Worker {
    jobs: mpsc::Receiver<Job>,
    numbers: Arc<AtomicU64>,
    likes: Arc<Mutex<Likes>>,
}

impl Worker {
    /// The stack that it needs.
    pub const STACK: usize = STACK;

    /// Works until nobody has anything more to read. Blocks.
    pub fn run(mut self) {
        while let Some(job) = self.jobs.blocking_recv() {
            // A thread that ended would take the statements of others with it.
            let reading = || sql::analyse(job.text.as_bytes(), &job.catalog, &job.state, &Limits::default());
            let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(reading)).unwrap_or_else(|_| Err(unreadable()));
            let outcome = read.map(|script| Arc::new(self.numbered(script, job.catalog.number())));
            // Who asked may have gone.
            let _ = job.reply.send(outcome);
        }
    }

    fn numbered(&self, script: Script, catalog: u64) -> Reading {
        let id = self.numbers.fetch_add(1, Ordering::Relaxed);
        let like = script.likeness().map_or(id, |likeness| {
            let mut likes = self.likes.lock().unwrap_or_else(PoisonError::into_inner);
            if likes.len() >= LIKES {
                likes.clear();
            }
            *likes.entry((catalog, likeness)).or_insert(id)
        });
        Reading { id, like, script: Arc::new(script) }
    }
}

impl Analysts {
    /// `count` threads' work, and what hands it to them.
    #[must_use]
    pub fn new(count: usize) -> (Self, Vec<Worker>) {
        let (numbers, likes) = (Arc::new(AtomicU64::new(1)), Arc::<Mutex<Likes>>::default());
        let (lanes, workers): (Vec<_>, Vec<_>) = (0..count.max(1))
            .map(|_| {
                let (lane, jobs) = mpsc::channel(QUEUE);
                (lane, Worker { jobs, numbers: Arc::clone(&numbers), likes: Arc::clone(&likes) })
            })
            .unzip();
        (Self { lanes: lanes.into(), next: Arc::default(), kept: Arc::new(Mutex::new(Cache::new(KEPT))) }, workers)
    }

    /// Reads `text`.
    pub(super) async fn read(&self, text: &Arc<str>, catalog: &Arc<Catalog>, state: &Arc<State>) -> Outcome {
        let known = self.kept().get(text.as_bytes(), catalog, state);
        if let Some(known) = known {
            return Ok(known);
        }
        let reading = tokio::time::timeout(PATIENCE, self.ask(Arc::clone(text), catalog, state)).await;
        let reading = reading.unwrap_or_else(|_| Err(too_slow()))?;
        if reading.script.statements.iter().all(|statement| STEADY.contains(&statement.kind)) {
            self.kept().put(text.as_bytes(), catalog, state, &reading);
        }
        Ok(reading)
    }

    async fn ask(&self, text: Arc<str>, catalog: &Arc<Catalog>, state: &Arc<State>) -> Outcome {
        let (reply, answer) = oneshot::channel();
        let job = Job { text, catalog: Arc::clone(catalog), state: Arc::clone(state), reply };
        let first = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap_or(0);
        let lane = self.lanes.get(first % self.lanes.len()).ok_or_else(too_slow)?;
        lane.send(job).await.map_err(|_| too_slow())?;
        answer.await.map_err(|_| too_slow())?
    }

    fn kept(&self) -> MutexGuard<'_, Cache<Reading>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unreadable() -> Refused {
    Refused { code: "0A000", message: "the bastion cannot read this statement".to_owned(), hint: None, position: None, stale: false }
}

fn too_slow() -> Refused {
    Refused {
        code: "54001",
        message: "the bastion could not read the statement in time".to_owned(),
        hint: Some("Make it simpler, or try again.".to_owned()),
        position: None,
        stale: false,
    }
}
